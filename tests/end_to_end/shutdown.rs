//! A service that is told to end finishes what it has taken in, and says so to nobody for whom it is not true.

use callspan_tests::{Connection, Cue, Decoder, Protocol, Reply, Request, Service, records, wait_until};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

const WAITING: &str = "callspan_buffer_size_events";
/// What a pipe of Linux holds.
const PIPE_BYTES: usize = 64 * 1024;

/// SIGTERM as a service manager sends it, SIGINT as Ctrl-C does: what is under way is delivered and answered, then the
/// service ends well.
#[test]
fn pushes_in_flight_are_answered_and_delivered() {
    for signal in [Signal::TERM, Signal::INT] {
        let Some(Fixture { mut service, backend }) = Fixture::start([]) else { return };
        let sessions = sessions(20);
        let pushes: Vec<_> = sessions.iter().map(|session| push(&service, session)).collect();
        service.wait_for_metric(WAITING, &[], 20.0);
        service.signal(signal);
        service.wait_for_log("stopping");
        backend.answer(Cue::Accept);
        for push in pushes {
            assert_eq!(answer(push).map(|reply| reply.status).ok(), Some(200), "{signal:?}");
        }
        assert_eq!(service.wait().code(), Some(0), "{signal:?}");
        assert_eq!(delivered(&backend), sessions, "{signal:?}");
    }
}

/// While it stops, nobody gets in any more: not on a new connection, and not on one that was kept open.
#[test]
fn nothing_new_is_accepted_while_it_stops() {
    let Some(Fixture { mut service, backend }) = Fixture::start([]) else { return };
    let mut kept = Connection::open(service.address());
    assert_eq!(kept.send(&Request::new("POST", "/?action=record")).status, 200);
    let waiting = push(&service, "waiting");
    service.wait_for_metric(WAITING, &[], 1.0);
    service.signal(Signal::TERM);
    wait_until("a refused connection", || TcpStream::connect(service.address()).is_err());
    kept.wait_for_end();
    assert!(Request::push(records::call("late")).try_send(service.address()).is_err());
    backend.answer(Cue::Accept);
    assert_eq!(answer(waiting).map(|reply| reply.status).ok(), Some(200));
    assert_eq!(service.wait().code(), Some(0));
    assert_eq!(delivered(&backend), BTreeSet::from(["waiting".to_owned()]));
}

/// Whoever looks after the service sees that it is alive, and that nothing is to be sent to it any more.
#[test]
fn it_is_alive_and_not_ready_while_it_stops() {
    let Some(Fixture { mut service, backend }) = Fixture::start([]) else { return };
    assert_eq!(service.ask("/readyz").status, 200);
    let waiting = push(&service, "waiting");
    service.wait_for_metric(WAITING, &[], 1.0);
    service.signal(Signal::TERM);
    wait_until("word that it is not ready", || service.ask("/readyz").status == 503);
    let readiness = service.ask("/readyz/service/callspan");
    assert_eq!((readiness.status, readiness.json()["parts"][0]["reason"].as_str()), (503, Some("stopping")));
    assert_eq!(service.ask("/livez").status, 200);
    backend.answer(Cue::Accept);
    assert_eq!(answer(waiting).map(|reply| reply.status).ok(), Some(200));
    assert_eq!(service.wait().code(), Some(0));
}

/// A backend that never answers cannot keep it alive: at the limit it ends, says that not everything was finished, and
/// has told no sender that all is well.
#[test]
fn at_the_limit_it_ends_and_nobody_is_told_that_all_is_well() {
    let Some(Fixture { mut service, backend }) = Fixture::start(["--graceful-shutdown-limit-secs", "1"]) else {
        return;
    };
    let pushes: Vec<_> = sessions(3).iter().map(|session| push(&service, session)).collect();
    service.wait_for_metric(WAITING, &[], 3.0);
    service.signal(Signal::TERM);
    assert_cut(&mut service, pushes, 3);
    drop(backend);
}

/// A write that blocks for ever, here to a pipe that is full and that nobody reads, cannot keep it alive either.
#[test]
fn a_sink_that_blocks_does_not_hold_up_the_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().expect("every system has it");
    assert!(made.success());
    let mut reader = OpenOptions::new().read(true).write(true).open(&pipe).expect("it was just made");
    reader.write_all(&[b' '; PIPE_BYTES]).expect("as much as it holds");
    let mut service = Service::new()
        .config(&format!(
            "graceful_shutdown_limit_secs: 1
sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ lines: {{ type: file, path: '{}' }} }}
",
            pipe.display()
        ))
        .start();
    let waiting = push(&service, "waiting");
    service.wait_for_metric(WAITING, &[], 1.0);
    service.signal(Signal::TERM);
    assert_cut(&mut service, vec![waiting], 1);
}

/// Somebody who sends a second signal does not want to wait for the limit, which is far away here.
#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [(Signal::TERM, Signal::TERM), (Signal::INT, Signal::INT), (Signal::TERM, Signal::INT)] {
        let Some(Fixture { mut service, backend }) = Fixture::start(["--graceful-shutdown-limit-secs", "3600"]) else {
            return;
        };
        let waiting = push(&service, "waiting");
        service.wait_for_metric(WAITING, &[], 1.0);
        service.signal(first);
        service.wait_for_log("stopping");
        service.signal(second);
        assert_cut(&mut service, vec![waiting], 1);
        drop(backend);
    }
}

/// The worst moment to be killed is in the middle of the shutdown, when some have their answers and others do not: whoever
/// was told that all is well has its trace in the backend.
#[test]
fn killed_while_it_stops_it_has_promised_nothing_that_is_not_kept() {
    // More than the eight batches under way can hold.
    const PUSHES: usize = 600;
    let Some(Fixture { mut service, backend }) = Fixture::start([]) else { return };
    let (answers, answered) = mpsc::channel();
    let sessions = sessions(PUSHES);
    let pushes = sessions.iter().map(|session| {
        let (session, answers, push) = (session.clone(), answers.clone(), push(&service, session));
        thread::spawn(move || match answer(push) {
            Ok(reply) if reply.status == 200 => drop(answers.send(session)),
            _ => {}
        })
    });
    let pushes: Vec<_> = pushes.collect();
    drop(answers);
    service.wait_for_metric(WAITING, &[], PUSHES as f64);
    // As many requests as the backend holds at a time.
    wait_until("requests that wait", || backend.exports().len() == 8);
    service.signal(Signal::TERM);
    service.wait_for_log("stopping");
    // These are taken, and the next ones held again.
    let taken = delivered(&backend);
    backend.answer(Cue::Held);
    let first = answered.recv().expect("the first that are taken are answered");
    service.signal(Signal::KILL);
    assert_eq!(service.wait().code(), None, "a signal ended it");
    for push in pushes {
        push.join().expect("a push does not panic");
    }

    let promised: BTreeSet<String> = answered.iter().chain([first]).collect();
    assert!(promised.is_subset(&taken), "promised and not taken: {:?}", promised.difference(&taken));
    assert!(taken.len() < PUSHES, "there were some that nobody could promise anything");
}

struct Fixture {
    service: Service,
    /// Holds every request until it is told otherwise.
    backend: Decoder,
}

impl Fixture {
    fn start<const N: usize>(arguments: [&str; N]) -> Option<Self> {
        let backend = Decoder::start()?;
        backend.answer(Cue::Held);
        // However slow the machine is, nobody is answered before the test says so.
        let config =
            "sources: { tccc: { type: http_server, address: '127.0.0.1:0', limits: { answer_timeout_secs: 3600 } } }
sinks: { backend: { type: opentelemetry } }
";
        let service = Service::new()
            .config(config)
            .arguments(arguments)
            .export_to(backend.endpoint(Protocol::Grpc))
            .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "300000")
            .start();
        Some(Self { service, backend })
    }
}

fn sessions(count: usize) -> BTreeSet<String> {
    (0..count).map(|number| format!("session {number}")).collect()
}

/// A push that waits for its answer; none comes if the service goes away before.
fn push(service: &Service, session: &str) -> JoinHandle<io::Result<Reply>> {
    let (request, address) = (Request::push(records::call(session)), service.address().to_owned());
    thread::spawn(move || request.try_send(&address))
}

fn answer(push: JoinHandle<io::Result<Reply>>) -> io::Result<Reply> {
    push.join().expect("a push does not panic")
}

/// The sessions whose traces came to the backend, whatever it answered.
fn delivered(backend: &Decoder) -> BTreeSet<String> {
    let spans = backend.exports().into_iter().flat_map(|export| export.spans);
    spans.filter_map(|span| span.attribute("tccc.session.id").as_str().map(str::to_owned)).collect()
}

/// It has ended before everything was finished, and told everybody who waited.
#[track_caller]
fn assert_cut(service: &mut Service, pushes: Vec<JoinHandle<io::Result<Reply>>>, records: usize) {
    assert_eq!(service.wait().code(), Some(1));
    service.wait_for_log("none of them was acknowledged");
    let log = service.log();
    let line = log.lines().find(|line| line.contains(r#""code":"shutdown_cut""#));
    assert!(line.is_some_and(|line| line.contains(&format!(r#""records":{records}}}"#))), "{log}");
    for push in pushes {
        let reply = answer(push).expect("nobody is hung up on");
        assert_eq!((reply.status, reply.code()), (503, 503), "{}", reply.body);
    }
}
