//! The vendor pushes again what it had no answer to, and other sources may repeat anything: the same record is delivered
//! once, and a repetition is answered like the first.

use callspan_tests::{Builder, Cue, Decoder, Protocol, Request, Service, records};
use std::fs;
use std::sync::Barrier;
use std::thread;
use tempfile::TempDir;

const DUPLICATE_PUSHES: &str = "callspan_duplicate_pushes_total";
const SETTLED: &str = "callspan_consumer_settled_events_total";

/// A push is known by its id and its body, also by the next process: each time it is answered well, and counted.
#[test]
fn a_push_that_comes_again_is_stored_once() {
    let Some(fixture) = Fixture::start("") else { return };
    let push = identified("push 1", "one");
    let mut service = fixture.service().start();
    for _ in 0..3 {
        assert_eq!(push.send(service.address()).status, 200);
    }
    service.wait_for_metric(DUPLICATE_PUSHES, &[], 2.0);
    assert_eq!(service.terminate().code(), Some(0));

    let service = fixture.service().start();
    assert_eq!(push.send(service.address()).status, 200);
    service.wait_for_metric(DUPLICATE_PUSHES, &[], 1.0);
    // Another id says that it is another push; that it is the same record is found when it is mapped.
    assert_eq!(identified("push 2", "one").send(service.address()).status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"duplicate\""], 1.0);
    // The same id with another body is another push too.
    assert_eq!(identified("push 1", "two").send(service.address()).status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 2.0);
    assert_eq!(fixture.backend.taken_sessions(), ["one", "two"]);
}

/// Fifty senders push the same at one moment: one of them is stored, all are answered well.
#[test]
fn the_same_push_from_many_senders_at_once_is_stored_once() {
    const SENDERS: usize = 50;
    let Some(fixture) = Fixture::start("") else { return };
    let service = fixture.service().start();
    push_at_once(&service, SENDERS, |_| identified("push", "one"));
    service.wait_for_metric(DUPLICATE_PUSHES, &[], (SENDERS - 1) as f64);
    service.wait_until_drained();
    assert_eq!(fixture.backend.taken_sessions(), ["one"]);
}

/// The same record from fifty pushes that have no id, or ids of their own: stored fifty times, delivered once, and every
/// one of them is accounted for.
#[test]
fn the_same_record_from_many_pushes_at_once_is_delivered_once() {
    const PUSHES: usize = 50;
    let Some(fixture) = Fixture::start("") else { return };
    let service = fixture.service().start();
    push_at_once(&service, PUSHES, |number| match number % 2 {
        0 => Request::push(records::call("one")),
        _ => identified(&format!("push {number}"), "one"),
    });
    service.wait_for_metric(SETTLED, &["outcome=\"duplicate\""], (PUSHES - 1) as f64);
    service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 1.0);
    assert_eq!(fixture.backend.taken_sessions(), ["one"]);
}

/// Another record of a session that was delivered: the first one stays, the other is acknowledged and counted. That holds
/// for the next process too.
#[test]
fn of_different_records_of_a_session_the_first_is_delivered() {
    let Some(fixture) = Fixture::start("") else { return };
    let mut service = fixture.service().start();
    assert_eq!(service.push(records::call("one")).status, 200);
    service.wait_until_drained();
    assert_eq!(service.push(longer("one")).status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"superseded\""], 1.0);
    assert_eq!(service.terminate().code(), Some(0));
    let service = fixture.service().start();
    assert_eq!(service.push(longer("one")).status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"superseded\""], 2.0);
    assert_eq!(fixture.backend.exports().len(), 1);
}

/// With `same_session: latest` the backend gets the other one too, and what comes a second time still only once.
#[test]
fn the_latest_record_of_a_session_is_delivered_where_that_is_wanted() {
    let Some(fixture) = Fixture::start("queue: { dedupe: { same_session: latest } }") else { return };
    let service = fixture.service().start();
    for record in [records::call("one"), longer("one"), longer("one")] {
        assert_eq!(service.push(record).status, 200);
        service.wait_until_drained();
    }
    service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 2.0);
    service.wait_for_metric(SETTLED, &["outcome=\"duplicate\""], 1.0);
    let ends: Vec<_> = fixture.backend.exports().into_iter().map(|export| export.spans[0].end_unix_nano).collect();
    assert_eq!((ends.len(), ends[0] < ends[1]), (2, true), "{ends:?}");
}

/// The second version of a session waits for what becomes of the first. A source that comes to its end meanwhile ends the
/// service only when both are delivered.
#[test]
fn a_source_that_ends_leaves_no_version_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = folder.path().join("lines.jsonl");
    let config = format!(
        "sources: {{ input: {{ type: stdin }} }}
sinks: {{ lines: {{ type: file, path: '{}' }} }}
queue: {{ dedupe: {{ same_session: latest }} }}
",
        lines.display()
    );
    let mut service = Service::new().config(&config).durable().start();
    service.write(format!("{}\n{}\n", records::call("one"), longer("one")));
    service.close_input();
    assert_eq!(service.wait().code(), Some(0), "{}", service.log());
    assert_eq!(fs::read_to_string(&lines).expect("it was written to").lines().count(), 2);
}

/// What the backend refused for good was not delivered: the same record that comes again is no duplicate of it.
#[test]
fn a_dead_letter_is_no_delivery() {
    let Some(fixture) = Fixture::start("") else { return };
    let service = fixture.service().start();
    fixture.backend.answer_next(1, Cue::Refused);
    assert_eq!(identified("push 1", "one").send(service.address()).status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"dead_lettered\""], 1.0);
    service.wait_for_metric("callspan_dead_letters", &[], 1.0);
    assert_eq!(identified("push 2", "one").send(service.address()).status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 1.0);
    assert_eq!(fixture.backend.taken_sessions(), ["one"]);
}

/// Without a window nothing is remembered, and everything is delivered.
#[test]
fn without_a_window_everything_is_delivered() {
    let Some(fixture) = Fixture::start("queue: { dedupe: { window: 0s } }") else { return };
    let service = fixture.service().start();
    for _ in 0..3 {
        assert_eq!(identified("push", "one").send(service.address()).status, 200);
        service.wait_until_drained();
    }
    assert_eq!(fixture.backend.taken_sessions(), ["one"; 3]);
    assert_eq!(service.metric(DUPLICATE_PUSHES, &[]), 0.0);
}

struct Fixture {
    backend: Decoder,
    folder: TempDir,
    config: String,
}

impl Fixture {
    fn start(more: &str) -> Option<Self> {
        let config = format!(
            "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ backend: {{ type: opentelemetry }} }}
{more}
"
        );
        Some(Self { backend: Decoder::start()?, folder: tempfile::tempdir().expect("a folder"), config })
    }

    fn service(&self) -> Builder {
        let endpoint = self.backend.endpoint(Protocol::Grpc);
        Service::new().config(&self.config).export_to(endpoint).durable().data_dir(self.folder.path())
    }
}

fn identified(push: &str, session: &str) -> Request {
    Request::push(records::call(session)).header("X-TCCC-PUSH-UUID", push)
}

/// Another record of the same session: it ends later.
fn longer(session: &str) -> String {
    records::call(session).replace("1700000060", "1700000090")
}

fn push_at_once(service: &Service, count: usize, push: impl Fn(usize) -> Request + Sync) {
    let (address, together) = (service.address(), Barrier::new(count));
    thread::scope(|scope| {
        for number in 0..count {
            let (push, together) = (&push, &together);
            scope.spawn(move || {
                let push = push(number);
                together.wait();
                assert_eq!(push.send(address).status, 200);
            });
        }
    });
}
