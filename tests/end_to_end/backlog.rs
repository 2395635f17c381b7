//! With a queue on disk, a backend's troubles are no matter of the senders': pushes are taken at once, wait for as long as
//! it needs, and are delivered once.

use callspan_tests::{Builder, Cue, Decoder, Load, Protocol, Request, Service, Signal, records, wait_until};
use std::collections::BTreeSet;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const WAITING: &str = "callspan_consumer_waiting_events";
const SETTLED: &str = "callspan_consumer_settled_events_total";

/// Nobody listens for longer than anybody would wait for an answer; then the backend is there, and everything is
/// delivered without a restart.
#[test]
fn a_backend_that_is_down_for_long_gets_everything_afterwards() {
    let Some(gone) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (ports, endpoint) = (gone.ports(), gone.endpoint(Protocol::Grpc));
    drop(gone);
    let service = Service::new().export_to(endpoint).durable().data_dir(folder.path()).start();
    let begun = Instant::now();
    let sessions = push_all(&service, "session", 30);
    assert!(begun.elapsed() < Duration::from_secs(4), "a push waited for the backend");
    thread::sleep(Duration::from_secs(11));
    assert_eq!(service.metric(WAITING, &[]), 30.0);
    assert_eq!(service.ask("/readyz/sink/backend").status, 503);
    let Some(backend) = Decoder::start_on(ports) else { return };
    service.wait_until_drained();
    assert_each_once(&backend, &sessions);
    assert_eq!(service.ask("/readyz").status, 200);
}

/// A backend that is slow, refuses for a while, throttles and fails in turns, while senders go on pushing.
#[test]
fn a_backend_that_comes_and_goes_gets_everything_once() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let service = durable(&backend, folder.path()).start();
    let load = Load::start(service.address(), 3, "session");
    for cue in [Cue::Unavailable, Cue::Accept, Cue::Throttled(1), Cue::Accept, Cue::Held, Cue::Accept] {
        backend.answer(cue);
        let pushed = load.acknowledged();
        wait_until("further pushes", || load.acknowledged() >= pushed + 20);
    }
    let sessions = load.end();
    service.wait_until_drained();
    assert_each_once(&backend, &sessions);
    assert_eq!(service.metric(SETTLED, &["outcome=\"delivered\""]), sessions.len() as f64);
}

/// Of two sinks one is dead: the other has everything at once. What waits for the dead one outlasts a restart, and is
/// delivered when it comes back; the other one gets nothing twice.
#[test]
fn a_dead_sink_holds_up_nobody_and_gets_its_backlog() {
    let (Some(alive), Some(dead)) = (Decoder::start(), Decoder::start()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks:
  alive: {{ type: opentelemetry, endpoint: '{}' }}
  dead: {{ type: opentelemetry, endpoint: '{}' }}
",
        alive.endpoint(Protocol::Grpc).url,
        dead.endpoint(Protocol::Grpc).url
    );
    let ports = dead.ports();
    drop(dead);
    let start = || Service::new().config(&config).durable().data_dir(folder.path()).start();
    let service = start();
    let mut sessions = push_all(&service, "before", 20);
    service.wait_for_metric(WAITING, &["calls/alive"], 0.0);
    service.wait_for_metric(WAITING, &["calls/dead"], 20.0);
    assert_each_once(&alive, &sessions);
    service.kill();

    let service = start();
    sessions.extend(push_all(&service, "after", 20));
    service.wait_for_metric(SETTLED, &["calls/alive", "outcome=\"delivered\""], 40.0);
    assert_eq!(service.metric(WAITING, &["calls/dead"]), 40.0);
    let Some(back) = Decoder::start_on(ports) else { return };
    service.wait_until_drained();
    assert_each_once(&back, &sessions);
    let again: BTreeSet<String> = alive.taken_sessions().into_iter().collect();
    assert_eq!(again, sessions);
    assert_each_once(&alive, &sessions);
}

/// Told to end while a backend is dead and much waits: at the limit it ends well, and the next process delivers the rest.
#[test]
fn a_service_ends_well_with_a_backlog_and_loses_none_of_it() {
    for is_hurried in [false, true] {
        let Some(backend) = Decoder::start() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        backend.answer(Cue::Held);
        let limit = if is_hurried { "3600" } else { "1" };
        let mut service = durable(&backend, folder.path()).arguments(["--graceful-shutdown-limit-secs", limit]).start();
        let sessions = push_all(&service, "session", 100);
        service.signal(Signal::TERM);
        service.wait_for_log("stopping");
        let begun = Instant::now();
        if is_hurried {
            service.signal(Signal::TERM);
        }
        assert_eq!(service.wait().code(), Some(0), "{}", service.log());
        assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
        let log = service.log();
        let line = log.lines().find(|line| line.contains(r#""code":"shutdown_cut""#));
        assert!(line.is_some_and(|line| line.contains("stays in the queue")), "{log}");

        backend.answer(Cue::Accept);
        let service = durable(&backend, folder.path()).start();
        service.wait_until_drained();
        // What was under way when it ended may have been taken: then it was sent again, the same.
        let arrived: BTreeSet<String> = backend.taken_sessions().into_iter().collect();
        assert_eq!(arrived, sessions);
    }
}

/// Told to end with a backend that works, it delivers what waits before it ends.
#[test]
fn a_backlog_is_delivered_before_the_end() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    backend.answer(Cue::Held);
    let mut service = durable(&backend, folder.path()).start();
    let sessions = push_all(&service, "session", 100);
    service.signal(Signal::TERM);
    service.wait_for_log("stopping");
    backend.answer(Cue::Accept);
    assert_eq!(service.wait().code(), Some(0));
    assert_each_once(&backend, &sessions);
}

fn durable(backend: &Decoder, folder: &Path) -> Builder {
    Service::new().export_to(backend.endpoint(Protocol::Grpc)).durable().data_dir(folder)
}

/// Pushes so many sessions, each of which is acknowledged.
fn push_all(service: &Service, name: &str, count: usize) -> BTreeSet<String> {
    let sessions: BTreeSet<String> = (0..count).map(|number| format!("{name} {number}")).collect();
    for session in &sessions {
        let reply = Request::push(records::call(session)).send(service.address());
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    sessions
}

/// Each of these sessions has come, and none came twice.
#[track_caller]
fn assert_each_once(backend: &Decoder, sessions: &BTreeSet<String>) {
    let taken = backend.taken_sessions();
    let distinct: BTreeSet<String> = taken.iter().cloned().collect();
    assert_eq!((&distinct, taken.len()), (sessions, sessions.len()));
}
