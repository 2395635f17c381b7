//! The exporter against a backend that answers on cue, over each protocol.

use super::collector::{Collector, Reply};
use super::fixtures::{answered_call, scope};
use super::*;
use reqwest::header::LOCATION;
use std::io;
use std::time::Duration;

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

fn exporter(collector: &Collector, protocol: Protocol) -> Exporter {
    let endpoint = Endpoint::new(protocol, &collector.address(protocol)).expect("an endpoint");
    Exporter::new(&endpoint).expect("an exporter")
}

/// What the backend says to one request with all of these traces.
async fn answer(exporter: &Exporter, traces: Vec<Trace>) -> Answer {
    exporter.send(&mut exporter.prepare(traces, &scope())).await.expect("there is something to send")
}

fn calls(count: u8) -> Vec<Trace> {
    (1..=count).map(answered_call).collect()
}

#[tokio::test]
async fn traces_arrive_whole_in_one_request() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([]).await;
        assert_eq!(answer(&exporter(&collector, protocol), calls(2)).await, Answer::Accepted);
        assert_eq!(collector.requests(), [request(calls(2), &scope())], "{protocol:?}");
    }
}

#[tokio::test]
async fn headers_and_our_name_go_with_every_request() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([]).await;
        let endpoint = Endpoint::new(protocol, &collector.address(protocol))
            .and_then(|endpoint| endpoint.with_headers([("x-tenant", "one")]));
        let exporter = Exporter::new(&endpoint.expect("an endpoint")).expect("an exporter");
        answer(&exporter, calls(1)).await;
        let headers = collector.headers();
        assert_eq!(headers.get("x-tenant").and_then(|value| value.to_str().ok()), Some("one"), "{protocol:?}");
        let agent = headers.get("user-agent").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(agent.starts_with(USER_AGENT), "{protocol:?}: {agent}");
    }
}

#[tokio::test]
async fn a_backend_that_is_not_there_is_to_be_retried() {
    for protocol in PROTOCOLS {
        let address = Collector::start([]).await.stop(protocol).await;
        let endpoint = Endpoint::new(protocol, &address).expect("an endpoint");
        let answer = answer(&Exporter::new(&endpoint).expect("an exporter"), calls(1)).await;
        assert!(matches!(answer, Answer::Retry { after: None, .. }), "{protocol:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_backend_that_does_not_answer_is_to_be_retried() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([Reply::Never]).await;
        let endpoint = Endpoint::new(protocol, &collector.address(protocol))
            .expect("an endpoint")
            .with_timeout(Duration::from_millis(50));
        let answer = answer(&Exporter::new(&endpoint).expect("an exporter"), calls(1)).await;
        assert!(matches!(answer, Answer::Retry { after: None, .. }), "{protocol:?}: {answer:?}");
    }
}

#[tokio::test]
async fn tls_with_a_backend_that_has_none_is_to_be_retried() {
    for protocol in PROTOCOLS {
        let collector = Collector::start([]).await;
        let address = collector.address(protocol).replacen("http", "https", 1);
        let endpoint = Endpoint::new(protocol, &address).expect("an endpoint");
        let answer = answer(&Exporter::new(&endpoint).expect("an exporter"), calls(1)).await;
        assert!(matches!(answer, Answer::Retry { .. }), "{protocol:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let collector = Collector::start([Reply::Http(307, Some((LOCATION, "/v1/traces")), Vec::new())]).await;
    let answer = answer(&exporter(&collector, Protocol::HttpProtobuf), calls(1)).await;
    assert!(matches!(&answer, Answer::Refused(refusal) if refusal.cause == Cause::Redirect), "{answer:?}");
    assert_eq!(collector.requests().len(), 1);
}

#[tokio::test]
async fn an_endless_answer_is_not_read_to_its_end() {
    let collector = Collector::start([Reply::EndlessError]).await;
    let answer = answer(&exporter(&collector, Protocol::HttpProtobuf), calls(1)).await;
    assert!(matches!(&answer, Answer::Refused(refusal) if refusal.reason.len() < 500), "{answer:?}");
}

#[tokio::test]
async fn a_console_takes_every_trace() {
    assert_eq!(answer(&Exporter::console(io::sink(), Style::default()), calls(2)).await, Answer::Accepted);
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
    let exporter = Exporter::console_json(screen.clone());
    let mut prepared = exporter.prepare(calls(2), &scope());
    let answer = exporter.send(&mut prepared).await;
    assert!(matches!(answer, Some(Answer::Retry { .. })), "{answer:?}");
    screen.0.lock().expect("no panic").0 = true;
    for trace in 0..2 {
        assert_eq!(exporter.send(&mut prepared).await, Some(Answer::Accepted));
        assert_eq!(prepared.settle(), trace..trace + 1);
    }
    assert_eq!(exporter.send(&mut prepared).await, None);
    let lines: String = calls(2)
        .into_iter()
        .map(|call| format!("{}\n", json(&request(vec![call], &scope())).expect("text can be written")))
        .collect();
    assert_eq!(String::from_utf8_lossy(&screen.0.lock().expect("no panic").1), lines);
}

#[tokio::test]
async fn a_send_that_was_given_up_loses_nothing() {
    let collector = Collector::start([Reply::Never]).await;
    let exporter = exporter(&collector, Protocol::Grpc);
    let mut prepared = exporter.prepare(calls(2), &scope());
    let given_up = tokio::time::timeout(Duration::from_millis(50), exporter.send(&mut prepared)).await;
    assert!(given_up.is_err());
    assert_eq!(exporter.send(&mut prepared).await, Some(Answer::Accepted));
    assert_eq!(prepared.settle(), 0..2);
}

#[tokio::test]
async fn compressed_requests_arrive_as_what_they_were() {
    for (protocol, compression, name) in PROTOCOLS
        .into_iter()
        .flat_map(|protocol| [(protocol, Compression::Gzip, "gzip"), (protocol, Compression::Zstd, "zstd")])
    {
        // The second is large enough to be compressed on a thread for blocking work.
        for count in [2, 250] {
            let collector = Collector::start([]).await;
            let endpoint = Endpoint::new(protocol, &collector.address(protocol)).expect("an endpoint");
            let exporter = Exporter::new(&endpoint.with_compression(compression)).expect("an exporter");
            assert_eq!(answer(&exporter, calls(count)).await, Answer::Accepted, "{protocol:?}");
            assert_eq!(collector.requests().first(), Some(&request(calls(count), &scope())), "{protocol:?}");
            let encoding = if protocol == Protocol::Grpc { "grpc-encoding" } else { "content-encoding" };
            assert_eq!(collector.headers().get(encoding).and_then(|it| it.to_str().ok()), Some(name));
        }
    }
}
