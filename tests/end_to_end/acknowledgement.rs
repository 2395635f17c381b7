//! The vendor is told that all is well only when the backend has the trace, since it pushes three times at most and then
//! forgets the record for good.

use callspan_tests::{Cue, Decoder, Endpoint, Protocol, Service, records};
use std::time::{Duration, Instant};

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

/// Nobody listens where the backend should be: the vendor is asked to come again, and told when.
#[test]
fn without_a_backend_the_sender_is_asked_to_come_again() {
    for protocol in PROTOCOLS {
        let service = Service::new().export_to(Endpoint::nobody(protocol)).start();
        let reply = service.push(records::SEED);
        assert_eq!(reply.status, 503, "{protocol:?}: {}", reply.body);
        assert_ne!(reply.code(), 0, "the vendor looks at ErrCode alone");
        let seconds: u64 = reply.header("retry-after").expect("it says when").parse().expect("in seconds");
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
}

/// The backend goes away and comes back on the same ports; the sender's next push goes through, without a restart.
#[test]
fn a_backend_that_comes_back_is_used_again() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let (ports, endpoint) = (backend.ports(), backend.endpoint(protocol));
        let service = Service::new().export_to(endpoint).start();
        assert_eq!(service.push(records::SEED).status, 200, "{protocol:?}: there");
        drop(backend);
        assert_eq!(service.push(records::SEED).status, 503, "{protocol:?}: gone");
        let Some(backend) = Decoder::start_on(ports) else { return };
        let deadline = Instant::now() + Duration::from_secs(30);
        while service.push(records::SEED).status != 200 {
            assert!(Instant::now() < deadline, "{protocol:?}: the backend is back and not used");
        }
        assert_eq!(backend.take_export().spans.len(), 2);
    }
}

/// A hiccup of the backend is no matter of the sender's: the trace is sent again while the sender waits.
#[test]
fn a_hiccup_is_bridged() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let service = Service::new().export_to(backend.endpoint(protocol)).start();
        backend.answer_next(1, Cue::Unavailable);
        assert_eq!(service.push(records::SEED).status, 200, "{protocol:?}");
        let answers: Vec<String> = backend.exports().into_iter().map(|export| export.answer).collect();
        assert_eq!(answers, ["unavailable", "accept"], "{protocol:?}");
    }
}

/// A backend that is overloaded says for how long it wants to be left alone; the sender is told the same.
#[test]
fn the_time_a_backend_asks_for_is_passed_on() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let service = Service::new().export_to(backend.endpoint(protocol)).start();
        backend.answer(Cue::Throttled(17));
        let reply = service.push(records::SEED);
        assert_eq!((reply.status, reply.header("retry-after")), (503, Some("17")), "{protocol:?}: {}", reply.body);
        // Another one is told what is left of it, and the backend hears nothing of that.
        let reply = service.push(records::call("another"));
        let left: u32 = reply.header("retry-after").and_then(|left| left.parse().ok()).unwrap_or_default();
        assert!(reply.status == 503 && (6..=17).contains(&left), "{protocol:?}: {} {left}", reply.body);
        assert_eq!(backend.exports().len(), 1, "{protocol:?}: it was left alone");
    }
}

/// A backend that never answers costs the sender its patience, not the record: it is never acknowledged.
#[test]
fn a_silent_backend_is_no_acknowledgement() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let service =
            Service::new().export_to(backend.endpoint(protocol)).variable("OTEL_EXPORTER_OTLP_TIMEOUT", "500").start();
        backend.answer(Cue::Silent(60));
        assert_eq!(service.push(records::SEED).status, 503, "{protocol:?}");
    }
}

/// What the backend will never take is not sent again, and the sender is not told that all is well.
#[test]
fn a_trace_refused_for_good_is_not_acknowledged() {
    for (protocol, cue) in
        PROTOCOLS.into_iter().flat_map(|protocol| [(protocol, Cue::Refused), (protocol, Cue::TooLarge)])
    {
        let Some(backend) = Decoder::start() else { return };
        let service = Service::new().export_to(backend.endpoint(protocol)).start();
        backend.answer(cue);
        let reply = service.push(records::SEED);
        assert_ne!((reply.status, reply.code()), (200, 0), "{protocol:?} {cue:?}: {}", reply.body);
        assert_eq!(backend.exports().len(), 1, "{protocol:?} {cue:?}: asked once");
    }
}

/// A partial success is never retried, says the specification: the request was taken. That spans are missing is logged.
#[test]
fn a_partial_success_is_acknowledged_once_and_logged() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let mut service = Service::new().export_to(backend.endpoint(protocol)).start();
        backend.answer(Cue::Partial(1));
        assert_eq!(service.push(records::SEED).status, 200, "{protocol:?}");
        assert_eq!(backend.exports().len(), 1, "{protocol:?}: not sent again");
        service.wait_for_log("\"rejected_spans\":1");
        assert_eq!(service.metric("callspan_rejected_spans_total", &[]), 1.0, "{protocol:?}");
    }
}

/// Asked to end, the service first answers those that wait: a deployment loses nothing.
#[test]
fn a_push_that_waits_is_answered_before_the_service_ends() {
    let Some(backend) = Decoder::start() else { return };
    let mut service = Service::new().export_to(backend.endpoint(Protocol::Grpc)).start();
    backend.answer_next(1, Cue::Silent(1));
    let address = service.address().to_owned();
    let push = std::thread::spawn(move || callspan_tests::Request::push(records::SEED).send(&address));
    assert_eq!(backend.take_export().spans.len(), 2, "the push is under way");
    let status = service.terminate();
    assert_eq!(push.join().expect("the push is answered").status, 200);
    assert!(status.success(), "{status}");
}
