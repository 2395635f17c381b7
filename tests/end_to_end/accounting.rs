//! Every record that was acknowledged can be accounted for, at any moment: what a consumer received is what became of it
//! and what still waits.

use callspan_tests::{Cue, Decoder, Protocol, Request, Service, records};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const RECEIVED: &str = "callspan_consumer_received_events_total";
const SETTLED: &str = "callspan_consumer_settled_events_total";
const WAITING: &str = "callspan_consumer_waiting_events";
const ROUNDS: usize = 30;

/// Good records, those that the mapping refuses, those that a backend refuses for good, the same again, others of the same
/// session, and what is no JSON, in any order and from several senders, to two sinks: in each scrape all numbers agree,
/// and in the end they are those of what was pushed. After a restart they go on.
#[test]
fn in_every_scrape_what_was_received_is_what_became_of_it_and_what_waits() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks:
  backend: {{ type: opentelemetry, batch: {{ max_events: 1 }} }}
  lines: {{ type: file, path: '{}' }}
",
        folder.path().join("lines.jsonl").display()
    );
    let start = || {
        let service = Service::new().config(&config).export_to(backend.endpoint(Protocol::Grpc));
        service.durable().data_dir(&folder.path().join("data")).start()
    };
    let mut service = start();
    // Refused for good by the backend alone.
    backend.answer(Cue::Refused);
    assert_eq!(service.push(records::call("refused")).status, 200);
    service.wait_for_metric(SETTLED, &["calls/backend", "outcome=\"dead_lettered\""], 1.0);
    backend.answer(Cue::Accept);

    let scrapes = scraped_while(&service, || {
        thread::scope(|scope| {
            for sender in 0..3 {
                let address = service.address();
                scope.spawn(move || push_mixture(address, sender));
            }
        });
        service.wait_until_drained();
    });
    assert!(scrapes > 10, "it was asked {scrapes} times");

    let pushed = 3 * ROUNDS;
    assert_numbers(&service, pushed);
    assert_eq!(service.metric("callspan_duplicate_pushes_total", &[]), pushed as f64);
    // What is no JSON, once for each sender, what the mapping refused, and the one that the backend refused.
    assert_eq!(service.metric("callspan_dead_letters", &[]), (3 + pushed + 1) as f64);
    assert_eq!(service.terminate().code(), Some(0));

    let service = start();
    service.wait_until_drained();
    assert_numbers(&service, pushed);
    assert_agrees(&service.ask("/metrics").body);
}

/// One of each kind, in each round.
fn push_mixture(address: &str, sender: usize) {
    for round in 0..ROUNDS {
        let session = format!("session {sender} {round}");
        let push = |id: &str, body: &str| {
            let push = Request::push(body).header("X-TCCC-PUSH-UUID", &format!("{session} {id}"));
            push.send(address).status
        };
        let record = records::call(&session);
        assert_eq!(push("first", &record), 200);
        assert_eq!(push("first", &record), 200, "the same push");
        assert_eq!(push("again", &record), 200, "the same record");
        assert_eq!(push("other", &record.replace("1700000060", "1700000090")), 200, "another of the session");
        assert_eq!(
            push("unmappable", &format!(r#"{{"no session":"{session}"}}"#)),
            200,
            "the mapping refuses it later"
        );
        assert_eq!(Request::push(format!("no JSON {sender}")).send(address).status, 400);
    }
}

/// Asks for the metrics all the time while something is done; how often that was.
fn scraped_while(service: &Service, act: impl FnOnce()) -> usize {
    let is_over = AtomicBool::new(false);
    let admin = service.admin();
    thread::scope(|scope| {
        let scraper = scope.spawn(|| {
            let mut scrapes = 0;
            while !is_over.load(Ordering::Relaxed) {
                assert_agrees(&Request::new("GET", "/metrics").send(admin).body);
                scrapes += 1;
            }
            scrapes
        });
        act();
        is_over.store(true, Ordering::Relaxed);
        scraper.join().expect("all scrapes agree")
    })
}

/// For every consumer.
#[track_caller]
fn assert_agrees(metrics: &str) {
    let (received, settled, waiting) = (sums(metrics, RECEIVED), sums(metrics, SETTLED), sums(metrics, WAITING));
    assert_eq!(received.len(), 2, "{metrics}");
    for (consumer, received) in received {
        assert_eq!(received, settled[&consumer] + waiting[&consumer], "{consumer}:\n{metrics}");
    }
}

/// The sums of a metric by consumer.
fn sums(metrics: &str, name: &str) -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.split('{').next() == Some(name)) {
        let consumer = line.split("component_id=\"").nth(1).and_then(|rest| rest.split('"').next());
        let number: Option<f64> = line.rsplit(' ').next().and_then(|number| number.parse().ok());
        *sums.entry(consumer.expect("a consumer").to_owned()).or_default() += number.expect("a number");
    }
    sums
}

/// After so many rounds, and one record that the backend refused.
#[track_caller]
fn assert_numbers(service: &Service, pushed: usize) {
    for (consumer, refused) in [("calls/backend", 1), ("calls/lines", 0)] {
        let is = |name: &str, labels: &[&str], number: usize| {
            let labels = [&[consumer], labels].concat();
            assert_eq!(service.metric(name, &labels), number as f64, "{name} {labels:?}");
        };
        is(RECEIVED, &[], 4 * pushed + 1);
        is(SETTLED, &["outcome=\"delivered\""], pushed + 1 - refused);
        // Batches are mapped side by side, so it may be the other record of a session that comes first.
        let outcome = |name: &str| service.metric(SETTLED, &[consumer, &format!("outcome=\"{name}\"")]);
        assert_eq!(outcome("duplicate") + outcome("superseded"), (2 * pushed) as f64, "{consumer}");
        is(SETTLED, &["outcome=\"dead_lettered\""], pushed + refused);
        is(SETTLED, &["outcome=\"dropped\""], 0);
        is(WAITING, &[], 0);
    }
}
