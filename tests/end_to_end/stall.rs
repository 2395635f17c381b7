//! A backend that takes requests and never answers costs no more memory than the batches that are under way: what else
//! comes waits on the disk. `make stall` does the same for ten minutes.

use callspan_tests::{Decoder, Protocol, Request, Service, records, wait_until};
use std::collections::BTreeSet;
use std::thread;

/// More than the 8 batches of 64 that are under way at one time.
const UNDER_WAY: usize = 1_000;
const WAITING: usize = 3_000;
const SENDERS: usize = 4;
/// What one that waits may add: its bytes, 3 kB, which the store keeps in memory until it has 64 MB of them, and its place
/// among the others. One that is under way takes several times as much.
const WAITING_KB_MAX: f64 = 14.0;

const TRIES: &str = "callspan_export_tries_total";
/// Of the record that is pushed, again and again with another one.
const SESSION: &str = "0d9c5b1e-6f0e-4c39-9a52-7c1f3f6b8a01";

/// With the backend stopped in its tracks, thousands of pushes are acknowledged while requests time out and are sent
/// again. The service grows by what is under way, and once the backend goes on, all of it is delivered.
#[test]
fn a_backend_that_stalls_costs_only_what_is_under_way() {
    let Some(backend) = Decoder::start() else { return };
    let config = "sources: { tccc: { type: http_server, address: '127.0.0.1:0' } }
sinks: { backend: { type: opentelemetry, request: { timeout_secs: 1 } } }
";
    let service = Service::new().config(config).export_to(backend.endpoint(Protocol::Grpc)).durable().start();
    backend.let_run(false);
    push(&service, "under way", UNDER_WAY);
    let tried = |times: f64| wait_until("further tries", || service.metric(TRIES, &[]) >= times);
    tried(8.0);
    let before = service.resident_kb();

    push(&service, "waiting", WAITING);
    // Every batch under way, twice more.
    tried(service.metric(TRIES, &[]) + 16.0);
    let grown_kb = service.resident_kb().saturating_sub(before) as f64 / WAITING as f64;
    service.assert_nothing_is_lost(UNDER_WAY + WAITING);
    assert!(grown_kb < WAITING_KB_MAX, "it grew by {grown_kb} kB for each record");

    backend.let_run(true);
    service.wait_until_delivered(UNDER_WAY + WAITING);
    let taken: BTreeSet<String> = backend.taken_sessions().into_iter().collect();
    assert_eq!(taken.len(), UNDER_WAY + WAITING);
}

/// So many calls of several spans, each of which is acknowledged.
fn push(service: &Service, name: &str, count: usize) {
    let (head, tail) = records::TRANSFERRED.split_once(SESSION).expect("the session stands in the record");
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let address = service.address();
            scope.spawn(move || {
                for number in (sender..count).step_by(SENDERS) {
                    let push = Request::push(format!("{head}{name}-{number}{tail}"));
                    assert_eq!(push.send(address).status, 200);
                }
            });
        }
    });
}
