//! The exporter against a backend that answers on cue, over each protocol.

use super::collector::{Collector, Reply};
use super::fixtures::{answered_call, scope};
use super::*;
use std::io;
use std::time::Duration;

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

fn exporter(collector: &Collector, protocol: Protocol) -> Exporter {
    let endpoint = Endpoint::new(protocol, &collector.address(protocol)).expect("an endpoint");
    Exporter::new(&endpoint, scope()).expect("an exporter")
}

fn calls(count: u8) -> Vec<Trace> {
    (1..=count).map(answered_call).collect()
}

#[tokio::test]
async fn traces_arrive_whole_in_one_request() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([]).await;
        assert_eq!(exporter(&collector, protocol).export(calls(2)).await, [Outcome::Accepted, Outcome::Accepted]);
        assert_eq!(collector.requests(), [request(calls(2), &scope())], "{protocol:?}");
    }
}

#[tokio::test]
async fn headers_and_our_name_go_with_every_request() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([]).await;
        let endpoint = Endpoint::new(protocol, &collector.address(protocol))
            .and_then(|endpoint| endpoint.with_headers([("x-tenant", "one")]));
        let exporter = Exporter::new(&endpoint.expect("an endpoint"), scope()).expect("an exporter");
        exporter.export(calls(1)).await;
        let headers = collector.headers();
        assert_eq!(headers.get("x-tenant").and_then(|value| value.to_str().ok()), Some("one"), "{protocol:?}");
        let agent = headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(agent.starts_with(USER_AGENT), "{protocol:?}: {agent}");
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_is_halved_until_only_the_guilty_trace_is_refused() {
    for protocol in PROTOCOLS {
        // Four traces, two traces, the first, the second; then the other two.
        let collector =
            Collector::start([Reply::TooLarge, Reply::TooLarge, Reply::Accepted, Reply::TooLarge, Reply::Accepted])
                .await;
        let outcomes = exporter(&collector, protocol).export(calls(4)).await;
        assert!(
            matches!(
                outcomes.as_slice(),
                [Outcome::Accepted, Outcome::Refused { .. }, Outcome::Accepted, Outcome::Accepted]
            ),
            "{protocol:?}: {outcomes:?}"
        );
    }
}

#[tokio::test]
async fn spans_left_out_of_a_partial_success_are_counted_and_not_sent_again() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([Reply::RejectedSpans(3)]).await;
        let exporter = exporter(&collector, protocol);
        assert_eq!(exporter.export(calls(1)).await, [Outcome::Accepted]);
        assert_eq!((exporter.rejected_spans.value(), collector.requests().len()), (3, 1), "{protocol:?}");
    }
}

#[tokio::test]
async fn after_a_call_for_patience_nothing_more_is_sent() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([Reply::Accepted, Reply::RetryAfter(Duration::from_secs(7))]).await;
        let outcomes = exporter(&collector, protocol).with_request_bytes_max(1).export(calls(4)).await;
        assert_eq!(outcomes.first(), Some(&Outcome::Accepted));
        for outcome in outcomes.iter().skip(1) {
            assert!(
                matches!(outcome, Outcome::Retry { after: Some(after), .. } if after.as_secs() == 7),
                "{protocol:?}: {outcome:?}"
            );
        }
        assert_eq!(collector.requests().len(), 2);
    }
}

#[tokio::test]
async fn one_refused_request_does_not_hold_up_the_others() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([Reply::Refused]).await;
        let outcomes = exporter(&collector, protocol).with_request_bytes_max(1).export(calls(2)).await;
        assert!(
            matches!(outcomes.as_slice(), [Outcome::Refused { .. }, Outcome::Accepted]),
            "{protocol:?}: {outcomes:?}"
        );
    }
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_to_be_retried() {
    for protocol in PROTOCOLS {
        let address = Collector::start([]).await.stop(protocol).await;
        let endpoint = Endpoint::new(protocol, &address).expect("an endpoint");
        let outcomes = Exporter::new(&endpoint, scope()).expect("an exporter").export(calls(1)).await;
        assert!(matches!(outcomes.as_slice(), [Outcome::Retry { after: None, .. }]), "{protocol:?}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_backend_that_does_not_answer_is_to_be_retried() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([Reply::Never]).await;
        let endpoint = Endpoint::new(protocol, &collector.address(protocol))
            .expect("an endpoint")
            .with_timeout(Duration::from_millis(50));
        let outcomes = Exporter::new(&endpoint, scope()).expect("an exporter").export(calls(1)).await;
        assert!(matches!(outcomes.as_slice(), [Outcome::Retry { after: None, .. }]), "{protocol:?}: {outcomes:?}");
    }
}

#[tokio::test]
async fn tls_with_a_backend_that_has_none_is_to_be_retried() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([]).await;
        let address = collector.address(protocol).replacen("http", "https", 1);
        let endpoint = Endpoint::new(protocol, &address).expect("an endpoint");
        let outcomes = Exporter::new(&endpoint, scope()).expect("an exporter").export(calls(1)).await;
        assert!(matches!(outcomes.as_slice(), [Outcome::Retry { .. }]), "{protocol:?}: {outcomes:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let collector = Collector::start([Reply::Redirect]).await;
    let outcomes = exporter(&collector, Protocol::HttpProtobuf).export(calls(1)).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Refused { .. }]), "{outcomes:?}");
    assert_eq!(collector.requests().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let collector = Collector::start([Reply::EndlessError]).await;
    let outcomes = exporter(&collector, Protocol::HttpProtobuf).export(calls(1)).await;
    assert!(matches!(outcomes.as_slice(), [Outcome::Refused { reason }] if reason.len() < 500), "{outcomes:?}");
}

#[tokio::test]
async fn a_console_takes_every_trace() {
    let outcomes = Exporter::console(io::sink(), Style::default()).export(calls(2)).await;
    assert_eq!(outcomes, [Outcome::Accepted, Outcome::Accepted]);
}

/// Fails until it is mended, and keeps what it takes.
#[derive(Clone, Default)]
struct Screen(Arc<Mutex<(bool, Vec<u8>)>>);

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut screen = self.0.lock().expect("no panic");
        if !screen.0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        screen.1.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_console_that_takes_json_gets_a_line_for_each_trace_once_it_takes_anything() {
    let screen = Screen::default();
    let exporter = Exporter::console_json(screen.clone(), scope());
    let mut prepared = exporter.prepare(calls(2));
    let outcomes = exporter.send(&mut prepared).await;
    assert!(matches!(outcomes.as_slice(), [(0, Outcome::Retry { .. }), (1, Outcome::Retry { .. })]), "{outcomes:?}");
    screen.0.lock().expect("no panic").0 = true;
    assert_eq!(exporter.send(&mut prepared).await, [(0, Outcome::Accepted), (1, Outcome::Accepted)]);
    let lines: String = calls(2)
        .into_iter()
        .map(|call| format!("{}\n", json(&request(vec![call], &scope())).expect("text can be written")))
        .collect();
    assert_eq!(String::from_utf8_lossy(&screen.0.lock().expect("no panic").1), lines);
}

#[tokio::test]
async fn what_is_to_be_retried_stays_prepared_and_only_that_is_sent_again() {
    for protocol in PROTOCOLS {
        let patience = Reply::RetryAfter(Duration::from_secs(7));
        let collector = Collector::start([Reply::Accepted, Reply::Refused, patience]).await;
        let exporter = exporter(&collector, protocol).with_request_bytes_max(1);
        let mut prepared = exporter.prepare(calls(4));
        let outcomes = exporter.send(&mut prepared).await;
        assert!(
            matches!(
                outcomes.as_slice(),
                [
                    (0, Outcome::Accepted),
                    (1, Outcome::Refused { .. }),
                    (2, Outcome::Retry { .. }),
                    (3, Outcome::Retry { .. })
                ]
            ),
            "{protocol:?}: {outcomes:?}"
        );
        assert!(!prepared.is_done());
        assert_eq!(exporter.send(&mut prepared).await, [(2, Outcome::Accepted), (3, Outcome::Accepted)]);
        assert!(prepared.is_done());
        assert_eq!(exporter.send(&mut prepared).await, []);
        let expected: Vec<_> =
            [1, 2, 3, 3, 4].map(|number| request(vec![answered_call(number)], &scope())).into_iter().collect();
        assert_eq!(collector.requests(), expected, "{protocol:?}");
    }
}

#[tokio::test]
async fn a_send_that_was_given_up_loses_nothing() {
    let collector = Collector::start([Reply::Never]).await;
    let exporter = exporter(&collector, Protocol::Grpc);
    let mut prepared = exporter.prepare(calls(2));
    let given_up = tokio::time::timeout(Duration::from_millis(50), exporter.send(&mut prepared)).await;
    assert!(given_up.is_err());
    assert_eq!(exporter.send(&mut prepared).await, [(0, Outcome::Accepted), (1, Outcome::Accepted)]);
}

#[tokio::test]
async fn compressed_requests_arrive_as_what_they_were() {
    for (protocol, compression, name) in PROTOCOLS
        .into_iter()
        .flat_map(|protocol| [(protocol, Compression::Gzip, "gzip"), (protocol, Compression::Zstd, "zstd")])
    {
        // The second is large enough to be compressed on a thread for blocking work.
        for count in [2, 250] {
            let collector = Collector::start([Reply::TooLarge]).await;
            let endpoint = Endpoint::new(protocol, &collector.address(protocol)).expect("an endpoint");
            let exporter = Exporter::new(&endpoint.with_compression(compression), scope()).expect("an exporter");
            let outcomes = exporter.export(calls(count)).await;
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Accepted), "{protocol:?}: {outcomes:?}");
            assert_eq!(collector.requests().first(), Some(&request(calls(count), &scope())), "{protocol:?}");
            let encoding = if protocol == Protocol::Grpc { "grpc-encoding" } else { "content-encoding" };
            assert_eq!(collector.headers().get(encoding).and_then(|it| it.to_str().ok()), Some(name));
        }
    }
}
