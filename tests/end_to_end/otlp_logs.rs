//! Call records come as OTLP logs too: whatever logs with OpenTelemetry can send them, with or without a collector in
//! between, and each becomes the trace that a push of it gives.

use callspan_tests::{
    Application, Decoder, Endpoint, Export, Logging, LogsAnswer, Protocol, Request, Rotel, Service, Span, mapped,
    records, send_logs, sorted, wait_until,
};

/// A refused record, with a number in it that belongs to nobody's log.
const TORN: &str = r#"{"SessionId":"a","Caller":"0012025550147",,}"#;

/// An application logs two records with OpenTelemetry's SDK, over each protocol and compressed or not, as text or as a
/// map. When its export has succeeded, the backend has the traces that a push of the same records gives.
#[test]
fn what_an_application_logs_arrives_as_a_push_does() {
    let Some(Fixture { backend, service }) = Fixture::start() else { return };
    let mut seen = 0;
    for (protocol, is_compressed, logging) in [
        (Protocol::Grpc, false, Logging::Handler),
        (Protocol::Grpc, true, Logging::Logger),
        (Protocol::Grpc, false, Logging::Map),
        (Protocol::Http, false, Logging::Logger),
        (Protocol::Http, true, Logging::Handler),
    ] {
        let Some(application) = Application::new(&listener(&service, protocol)) else { return };
        let application = if is_compressed { application.gzip() } else { application };
        let finished = application.log(logging, &both_records());
        let case = format!("{protocol:?} {logging:?}, gzip: {is_compressed}");
        assert_eq!(finished.code, Some(0), "{case}: {}\n{}", finished.stderr, service.log());
        let exports = backend.exports();
        assert_eq!(spans_of(&exports[seen..]), both_traces(), "{case}");
        seen = exports.len();
    }
}

/// A collector stands between the application and callspan, as agents do. It compresses, and passes on in requests of
/// its own.
#[test]
fn a_collector_in_between_changes_nothing() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let Some(Fixture { backend, service }) = Fixture::start() else { return };
        let Some(collector) = Rotel::passing_on_to(&listener(&service, protocol)) else { return };
        let Some(application) = Application::new(&collector.endpoint(protocol)) else { return };
        let finished = application.log(Logging::Handler, &both_records());
        assert_eq!(finished.code, Some(0), "{protocol:?}: {}", finished.stderr);
        let expected = both_traces();
        let arrived = backend.wait_for("both traces", |exports| {
            let spans = spans_of(exports);
            (spans.len() >= expected.len()).then_some(spans)
        });
        assert_eq!(arrived, expected, "{protocol:?}");
    }
}

/// The backend is down, so callspan takes nothing: the collector in between keeps the records, and sends them again
/// until they have arrived.
#[test]
fn a_collector_in_between_waits_for_the_backend() {
    let Some(Fixture { backend, mut service }) = Fixture::start() else { return };
    let ports = backend.ports();
    drop(backend);
    let Some(collector) = Rotel::passing_on_to(&listener(&service, Protocol::Grpc)) else { return };
    let Some(application) = Application::new(&collector.endpoint(Protocol::Grpc)) else { return };
    let finished = application.log(Logging::Handler, &both_records());
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    service.wait_for_log("given_back");

    let Some(backend) = Decoder::start_on(ports) else { return };
    let expected = both_traces();
    let mut arrived = backend.wait_for("both traces", |exports| {
        let spans = spans_of(exports);
        (expected.iter().all(|span| spans.contains(span))).then_some(spans)
    });
    // Sent twice, it is the same trace.
    arrived.dedup();
    assert_eq!(arrived, expected);
}

/// One record among good ones can never become a trace. The good ones arrive, and the sender is told how many did not
/// and why, so that it does not send the request again; not a word of the record is in the answer or in the log.
#[test]
fn a_refused_record_is_a_partial_success() {
    let Some(Fixture { backend, service }) = Fixture::start() else { return };
    let bodies = [&records::call("before"), TORN, records::TRANSFERRED, "{}", &records::call("after")];
    let good = [mapped(&*records::call("before")), mapped(records::TRANSFERRED), mapped(&*records::call("after"))];
    let mut seen = 0;
    for protocol in Protocol::ALL {
        let Some(answer) = send_logs(&listener(&service, protocol), &bodies) else { return };
        assert_eq!(answer.status, if protocol == Protocol::Grpc { "OK" } else { "200" }, "{answer:?}");
        assert_eq!((answer.rejected, answer.retry_after), (2, None), "{protocol:?}: {answer:?}");
        for word in ["2 of 5 ", "index 1 not_json", "index 3 incomplete"] {
            assert!(answer.message.contains(word), "{protocol:?}: {answer:?}");
        }
        assert!(!answer.message.contains("2025550147"), "{protocol:?}: {answer:?}");
        let exports = backend.exports();
        assert_eq!(spans_of(&exports[seen..]), sorted(good.concat()), "{protocol:?}");
        seen = exports.len();
    }
    let log = service.log();
    assert!(!log.contains("2025550147"), "{log}");
    let lines: Vec<_> = log.lines().filter(|line| line.contains("request refused in part")).collect();
    assert_eq!(lines.len(), Protocol::ALL.len(), "one for each request: {log}");
    for line in lines {
        assert!(line.contains(r#""code":"not_json""#) && line.contains(r#""records":2"#), "{line}");
    }
    for (settlement, number) in [("acknowledged", 9.0), ("rejected", 6.0)] {
        let labels = [r#"component_id="otlp""#, &format!("settlement=\"{settlement}\"")];
        assert_eq!(service.metric("callspan_component_settled_events_total", &labels), number, "{settlement}");
    }

    // The SDK takes a partial success for what it is.
    let Some(application) = Application::new(&listener(&service, Protocol::Http)) else { return };
    let finished = application.log(Logging::Logger, &[records::call("last"), TORN.to_owned()]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert_eq!(spans_of(&backend.exports()[seen..]), mapped(records::call("last")));
}

/// What is no OTLP request is refused as a whole, in the encoding it came in, and nothing of it is quoted.
#[test]
fn what_is_no_otlp_request_is_refused() {
    let Some(Fixture { backend, service }) = Fixture::start() else { return };
    let address = &service.addresses_of("otlp")[1];
    let cut_off: &[u8] = b"\x0a\x7f0012025550147";
    let cases: [(&str, &[u8]); 4] = [
        ("application/x-protobuf", cut_off),
        ("application/x-protobuf", b"{}"),
        ("application/json", br#"{"resourceLogs":[{"scopeLogs":[{"logRecords":["0012025550147",,"#),
        ("application/json", br#"{"resourceLogs":"0012025550147"}"#),
    ];
    for (content_type, body) in cases {
        let post = Request::new("POST", "/v1/logs").header("Content-Type", content_type);
        let reply = post.body(body).send(address);
        assert_eq!((reply.status, reply.header("content-type")), (400, Some(content_type)), "{}", reply.body);
        assert!(reply.body.contains("the body is not an OTLP request"), "{}", reply.body);
        assert!(!reply.body.contains("2025550147"), "{}", reply.body);
    }
    let post = |path: &str, content_type: &str| {
        Request::new("POST", path).header("Content-Type", content_type).body("{}").send(address).status
    };
    assert_eq!(post("/v1/traces", "application/json"), 404);
    assert_eq!(post("/v1/logs", "text/plain"), 415);
    assert_eq!(Request::new("GET", "/v1/logs").send(address).status, 405);
    assert!(backend.exports().is_empty() && !service.log().contains("2025550147"));
}

/// Nobody listens where the backend should be: nothing is acknowledged, and the sender is told when to come again, in
/// the words of its protocol.
#[test]
fn without_a_backend_the_sender_is_asked_to_come_again() {
    let Some(Fixture { backend, service }) = Fixture::start() else { return };
    let ports = backend.ports();
    drop(backend);
    for protocol in Protocol::ALL {
        let Some(answer) = send_logs(&listener(&service, protocol), &[records::TRANSFERRED]) else { return };
        let LogsAnswer { status, rejected, retry_after, .. } = &answer;
        assert_eq!(status, if protocol == Protocol::Grpc { "UNAVAILABLE" } else { "503" }, "{answer:?}");
        assert_eq!(*rejected, 0, "{answer:?}");
        assert!(retry_after.is_some_and(|seconds| (1.0..=60.0).contains(&seconds)), "{protocol:?}: {answer:?}");
    }
    let Some(backend) = Decoder::start_on(ports) else { return };
    for protocol in Protocol::ALL {
        let mut answer = None;
        wait_until("a backend that is used again", || {
            answer = send_logs(&listener(&service, protocol), &[records::TRANSFERRED]);
            answer.as_ref().is_none_or(|answer| answer.retry_after.is_none())
        });
        let Some(answer) = answer else { return };
        assert_eq!((answer.rejected, answer.message.as_str()), (0, ""), "{protocol:?}: {answer:?}");
        assert_eq!(sorted(backend.take_export().spans), mapped(records::TRANSFERRED), "{protocol:?}");
    }
}

/// A service that takes logs, and the backend behind it.
struct Fixture {
    backend: Decoder,
    service: Service,
}

impl Fixture {
    fn start() -> Option<Self> {
        let backend = Decoder::start()?;
        let otlp = "{ type: opentelemetry, grpc: { address: '127.0.0.1:0' }, http: { address: '127.0.0.1:0' } }";
        let service = Service::new().config(&format!("sources:\n  otlp: {otlp}\n"));
        Some(Self { service: service.export_to(backend.endpoint(Protocol::Grpc)).start(), backend })
    }
}

/// Where the service takes logs: first it says where over gRPC, then where over HTTP.
fn listener(service: &Service, protocol: Protocol) -> Endpoint {
    let addresses = service.addresses_of("otlp");
    Endpoint::at(protocol, &addresses[usize::from(protocol != Protocol::Grpc)])
}

fn both_records() -> [String; 2] {
    [records::SEED, records::TRANSFERRED].map(records::compact)
}

fn both_traces() -> Vec<Span> {
    sorted([mapped(records::SEED), mapped(records::TRANSFERRED)].concat())
}

fn spans_of(exports: &[Export]) -> Vec<Span> {
    sorted(exports.iter().flat_map(|export| export.spans.clone()).collect())
}
