//! How much a backend gets at a time: what was configured, or as much as it takes without pushing back.

use callspan_tests::{Cue, Decoder, Protocol, Service, records, wait_until};

const LIMIT: &str = "callspan_adaptive_concurrency_limit";
const IN_FLIGHT: &str = "callspan_adaptive_concurrency_in_flight";
const SETTLED: &str = "callspan_consumer_settled_events_total";
const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::Http, Protocol::HttpJson];

fn durable(backend: &Decoder, protocol: Protocol, options: &str) -> Service {
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ backend: {{ type: opentelemetry, {options} }} }}
"
    );
    Service::new().config(&config).export_to(backend.endpoint(protocol)).durable().start()
}

fn push(service: &Service, numbers: std::ops::Range<usize>) {
    for number in numbers {
        assert_eq!(service.push(records::call(&format!("session-{number:02}"))).status, 200);
    }
}

/// The backend answers nothing: it has as many requests as there may be at a time, and what comes meanwhile waits until it
/// answers. Then everything is delivered once.
#[test]
fn a_backend_has_no_more_requests_at_a_time_than_configured() {
    for (protocol, concurrency, most) in [(Protocol::Grpc, "none", 1), (Protocol::Http, "2", 2)] {
        let Some(backend) = Decoder::start() else { return };
        let service = durable(&backend, protocol, &format!("request: {{ concurrency: {concurrency} }}"));
        backend.answer(Cue::Held);
        push(&service, 0..5);
        service.wait_for_metric(IN_FLIGHT, &[], most as f64);
        push(&service, 5..10);
        assert_eq!((service.metric(LIMIT, &[]), service.metric(IN_FLIGHT, &[])), (most as f64, most as f64));
        backend.wait_for("the requests", |exports| (exports.len() == most).then_some(()));

        backend.answer(Cue::Accept);
        service.wait_until_drained();
        service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 10.0);
        assert_eq!(service.metric(IN_FLIGHT, &[]), 0.0);
        let mut taken = backend.taken_sessions();
        taken.sort();
        assert_eq!(taken, (0..10).map(|number| format!("session-{number:02}")).collect::<Vec<_>>());
    }
}

/// One that cannot take anything for a while gets fewer and fewer requests at a time, and everything when it can.
#[test]
fn a_backend_that_pushes_back_gets_fewer_requests_at_a_time() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let service = durable(&backend, protocol, "");
        assert_eq!(service.metric(LIMIT, &[]), 8.0);
        backend.answer(Cue::Unavailable);
        push(&service, 0..3);
        wait_until("a lower limit", || service.metric(LIMIT, &[]) <= 5.0);
        backend.answer(Cue::Accept);
        service.wait_until_drained();
        service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 3.0);
    }
}
