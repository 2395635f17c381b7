//! What lies between callspan and a backend breaks in every way that networks, proxies and processes know. Each of these
//! ends with nothing lost and every number right.

use callspan_tests::{Cue, Decoder, Endpoint, Fault, Hosts, Line, Protocol, Service, records, wait_until};
use std::collections::BTreeSet;

/// What works differently below the messages.
const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

/// Nobody listens; then the backend is there, and has everything, once.
#[test]
fn while_connections_are_refused_records_wait() {
    for protocol in PROTOCOLS {
        let Some((backend, mut line, mut service)) = connected(protocol) else { return };
        line.cut();
        let sessions = push(&service, "refused");
        service.wait_for_log("Connection refused");
        assert!(service.ask("/readyz").body.contains("Connection refused"), "{protocol:?}");
        assert_waiting(&service, 1 + sessions.len());
        line.mend();
        service.wait_until_delivered(1 + sessions.len());
        assert_eq!(taken(&backend), with_first(sessions), "{protocol:?}");
        assert_eq!(backend.taken_sessions().len(), 6, "{protocol:?}: once each");
        wait_until("readiness", || service.ask("/readyz").status == 200);
    }
}

/// Connections are reset with half of a request sent, what comes back is nonsense, or it comes too slowly: the records
/// are sent again until the backend's answer is heard, over and over.
#[test]
fn a_line_that_fails_loses_no_record() {
    for protocol in PROTOCOLS {
        let Some((backend, line, service)) = connected(protocol) else { return };
        let mut sessions = BTreeSet::from(["first".to_owned()]);
        for fault in [Fault::Reset, Fault::Garbage, Fault::Trickle] {
            line.fail(fault);
            sessions.extend(push(&service, &format!("{fault:?}")));
            line.wait_for_failures(2);
            wait_until("word of it", || service.ask("/readyz").status == 503);
            assert_waiting(&service, sessions.len());
            line.fail(None);
            service.wait_until_delivered(sessions.len());
            // An answer that was not heard does not mean that nothing was taken.
            assert_eq!(taken(&backend), sessions, "{protocol:?} {fault:?}");
        }
    }
}

/// A firewall has forgotten the connection, or the machine behind it is gone: no word of it comes. The first request that
/// is not answered in time ends its use, and the next one goes over a new connection.
#[test]
fn a_connection_that_was_lost_without_a_word_is_replaced() {
    for protocol in PROTOCOLS {
        let Some((backend, line, service)) = connected(protocol) else { return };
        line.lose_connections();
        let sessions = push(&service, "after");
        service.wait_until_delivered(1 + sessions.len());
        assert_eq!(taken(&backend), with_first(sessions), "{protocol:?}");
        assert_eq!(backend.taken_sessions().len(), 6, "{protocol:?}: once each");
    }
}

/// The backend's process is stopped: its kernel takes connections and requests, and nobody answers. The service says so,
/// records wait, and once the process goes on they are delivered.
#[test]
fn a_backend_that_is_stopped_in_its_tracks_is_waited_for() {
    for protocol in PROTOCOLS {
        let Some((backend, _line, mut service)) = connected(protocol) else { return };
        backend.let_run(false);
        let sessions = push(&service, "stopped");
        service.wait_for_log("the backend did not answer within 1s");
        assert!(service.ask("/readyz").body.contains("did not answer within 1s"), "{protocol:?}");
        assert_waiting(&service, 1 + sessions.len());
        backend.let_run(true);
        service.wait_until_delivered(1 + sessions.len());
        assert_eq!(taken(&backend), with_first(sessions), "{protocol:?}");
    }
}

/// An answer of hundreds of megabytes is not read: the service stays as small as it was, and the record is sent again.
#[test]
fn a_huge_answer_costs_no_memory_and_no_record() {
    for protocol in PROTOCOLS {
        let Some((backend, _line, service)) = connected(protocol) else { return };
        let before = service.peak_kb();
        backend.answer(Cue::Huge);
        assert_eq!(service.push(records::call("huge")).status, 200);
        backend.wait_for_misbehaviour(2);
        assert_waiting(&service, 2);
        backend.answer(Cue::Accept);
        service.wait_until_delivered(2);
        assert_eq!(taken(&backend), with_first(BTreeSet::from(["huge".to_owned()])), "{protocol:?}");
        let grown = service.peak_kb() - before;
        assert!(grown < 50_000, "{protocol:?}: {grown} kB");
    }
}

/// The name of a backend leads nowhere: the log and the readiness say so. Once it does, what waits is delivered, without a
/// restart.
#[test]
fn a_name_that_leads_nowhere_is_told_and_tried_again() {
    const NAME: &str = "backend.invalid";
    for protocol in PROTOCOLS {
        let (Some(backend), Some(hosts)) = (Decoder::start(), Hosts::new()) else { return };
        let endpoint = backend.endpoint(protocol);
        let named = Endpoint { url: endpoint.url.replace("127.0.0.1", NAME), ..endpoint };
        let mut service = Service::new().config(CONFIG).export_to(named).durable().under(&hosts.command()).start();
        let sessions = push(&service, "nowhere");
        let reason = "failed to lookup address information";
        service.wait_for_log(reason);
        assert!(service.ask("/readyz").body.contains(reason), "{protocol:?}: {}", service.ask("/readyz").body);
        assert_waiting(&service, sessions.len());
        hosts.name(NAME);
        service.wait_until_delivered(sessions.len());
        assert_eq!(taken(&backend), sessions, "{protocol:?}");
        wait_until("readiness", || service.ask("/readyz").status == 200);
    }
}

/// A request is given up after a second.
const CONFIG: &str = "sources: { tccc: { type: http_server, address: '127.0.0.1:0' } }
sinks: { backend: { type: opentelemetry, request: { timeout_secs: 1 } } }
";

/// A service with a connection to a backend, over which the session `first` was delivered.
fn connected(protocol: Protocol) -> Option<(Decoder, Line, Service)> {
    let backend = Decoder::start()?;
    let line = Line::to(backend.endpoint(protocol));
    let service = Service::new().config(CONFIG).export_to(line.endpoint()).durable().start();
    assert_eq!(service.push(records::call("first")).status, 200);
    service.wait_until_delivered(1);
    Some((backend, line, service))
}

/// Pushes five sessions at once, which is acknowledged.
fn push(service: &Service, name: &str) -> BTreeSet<String> {
    let sessions: BTreeSet<String> = (0..5).map(|number| format!("{name} {number}")).collect();
    let body: Vec<String> = sessions.iter().map(|session| records::call(session)).collect();
    assert_eq!(service.push(body.join("\n")).status, 200);
    sessions
}

/// So many were received, nothing of that is lost, and what the backend did counts for no refusal, which would hold the sink.
#[track_caller]
fn assert_waiting(service: &Service, received: usize) {
    service.assert_nothing_is_lost(received);
    assert_eq!(service.metric("callspan_sink_held", &[]), 0.0);
}

/// The sessions that the backend has, however often.
fn taken(backend: &Decoder) -> BTreeSet<String> {
    backend.taken_sessions().into_iter().collect()
}

fn with_first(mut sessions: BTreeSet<String>) -> BTreeSet<String> {
    sessions.insert("first".to_owned());
    sessions
}
