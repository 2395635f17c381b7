//! Every sink gets the same spans, in every protocol, compression and form that it can be told to write.

use callspan_tests::{
    Callspan, Decoder, Endpoint, Export, Protocol, Request, Rotel, Service, mapped, records, sorted, wait_until,
};
use std::fs;
use std::path::Path;

/// As they are configured, and as they are called on the wire.
const COMPRESSIONS: [(&str, &str); 3] = [("none", ""), ("gzip", "gzip"), ("zstd", "zstd")];

/// What is on the wire is what was configured, and OpenTelemetry's own messages make the same spans of each.
#[test]
fn the_official_messages_decode_every_protocol_and_compression() {
    let Some(backend) = Decoder::start() else { return };
    for (protocol, (compression, encoding)) in combinations() {
        let service = Service::new().config(&backend_of(&backend.endpoint(protocol), compression)).start();
        assert_eq!(service.push(records::TRANSFERRED).status, 200, "{protocol:?} {compression}: {}", service.log());

        let export = backend.take_export();
        let path = match protocol {
            Protocol::Grpc => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            Protocol::Http | Protocol::HttpJson => "/v1/traces",
        };
        assert_eq!((export.protocol, export.path.as_str(), export.encoding.as_str()), (protocol, path, encoding));
        assert_eq!(sorted(export.spans), mapped(records::TRANSFERRED), "{protocol:?} {compression}");
    }
}

/// More than fits into one request is sent in several, none of which is larger than configured, also where JSON makes them
/// twice as long.
#[test]
fn no_request_is_larger_than_configured() {
    const BYTES_MAX: usize = 65_536;
    for protocol in [Protocol::Http, Protocol::HttpJson] {
        let Some(backend) = Decoder::start() else { return };
        let sink = opentelemetry("backend", &backend.endpoint(protocol));
        let limits = format!("    request: {{ max_bytes: {BYTES_MAX} }}\n    batch: {{ max_events: 200 }}");
        let service = Service::new().config(&sinks(&format!("{sink}\n{limits}"))).start();
        let sessions: Vec<String> = (0..200).map(|number| format!("session-{number:03}")).collect();
        let body: Vec<String> = sessions.iter().map(|session| records::call(session)).collect();
        assert_eq!(service.push(body.join("\n")).status, 200, "{protocol:?}: {}", service.log());
        let content_length = |export: Export| export.headers["content-length"].as_str()?.parse().ok();
        let bytes: Vec<usize> = backend.exports().into_iter().filter_map(content_length).collect();
        assert!(bytes.iter().all(|bytes| *bytes <= BYTES_MAX), "{protocol:?}: {bytes:?}");
        assert!(bytes.iter().any(|bytes| *bytes > BYTES_MAX / 2), "{protocol:?}: {bytes:?} are smaller than need be");
        let mut taken = backend.taken_sessions();
        taken.sort();
        assert_eq!(taken, sessions, "{protocol:?}");
    }
}

/// The same with a collector that people run, which takes every protocol, gzipped JSON among them.
#[test]
fn a_collector_decodes_every_protocol_and_compression() {
    let Some(collector) = Rotel::start() else { return };
    let expected = mapped(records::TRANSFERRED);
    // It knows no zstd.
    let combinations: Vec<_> =
        combinations().into_iter().filter(|(_, (compression, _))| *compression != "zstd").collect();
    for (protocol, (compression, _)) in &combinations {
        let service = Service::new().config(&backend_of(&collector.endpoint(*protocol), compression)).start();
        assert_eq!(service.push(records::TRANSFERRED).status, 200, "{protocol:?} {compression}: {}", service.log());
    }
    close(&collector);

    let arrived = collector.spans_before(&closing_trace_id());
    assert_eq!(arrived.len(), combinations.len() * expected.len());
    for (spans, combination) in arrived.chunks(expected.len()).zip(combinations) {
        assert_eq!(sorted(spans.to_vec()), expected, "{combination:?}");
    }
}

/// What the sink `file` writes, a line for each request, is what any OTLP/JSON endpoint takes: each line, posted to the
/// collector and to the decoder as it stands, gives the spans that went over gRPC.
#[test]
fn the_lines_of_a_file_are_otlp_json() {
    let (Some(collector), Some(backend)) = (Rotel::start(), Decoder::start()) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("new/traces.jsonl");
    let service = Service::new()
        .config(&sinks(&format!("{}\n{}", file(&path), opentelemetry("backend", &backend.endpoint(Protocol::Grpc)))))
        .start();
    for record in [records::SEED, records::TRANSFERRED] {
        assert_eq!(service.push(record).status, 200, "{}", service.log());
        let over_grpc = sorted(backend.take_export().spans);
        assert_eq!(over_grpc, mapped(record));

        let line = lines(&path).pop().expect("the answer says that it is written");
        let post = |endpoint: Endpoint| {
            let request = Request::new("POST", "/v1/traces").header("Content-Type", "application/json");
            request.body(line.as_str()).send(endpoint.address()).status
        };
        assert_eq!(post(backend.endpoint(Protocol::HttpJson)), 200);
        assert_eq!(sorted(backend.take_export().spans), over_grpc);
        assert_eq!(post(collector.endpoint(Protocol::HttpJson)), 200);
    }
    assert_eq!(lines(&path).len(), 2);
    close(&collector);
    let arrived = collector.spans_before(&closing_trace_id());
    assert_eq!(sorted(arrived), sorted([mapped(records::SEED), mapped(records::TRANSFERRED)].concat()));
}

/// logrotate moves the file away: the next trace is the first line of a new file, and nothing is added to the old one.
#[test]
fn a_file_that_was_moved_away_is_made_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let [path, moved] = ["traces.jsonl", "traces.jsonl.1"].map(|name| folder.path().join(name));
    let service = Service::new().config(&sinks(&file(&path))).start();
    assert_eq!(service.push(records::call("before")).status, 200);
    fs::rename(&path, &moved).expect("it can be moved");
    assert_eq!(service.push(records::call("after")).status, 200);
    let written = |record: String| vec![Callspan::transform().input(record).run().stdout.trim_end().to_owned()];
    assert_eq!(lines(&moved), written(records::call("before")));
    assert_eq!(lines(&path), written(records::call("after")));
}

/// The console shows a trace as `callspan transform` writes it, on the stream it is told to; the log stays on the
/// standard error.
#[test]
fn the_console_shows_traces_on_either_stream() {
    for codec in ["json", "waterfall"] {
        let expected = Callspan::transform().arguments(["--format", codec]).input(records::TRANSFERRED).run().stdout;
        let expected: Vec<&str> = expected.lines().filter(|line| !line.is_empty()).collect();
        for target in ["stdout", "stderr"] {
            let console = format!("  terminal: {{ type: console, target: {target}, encoding: {{ codec: {codec} }} }}");
            let mut service = Service::new().config(&sinks(&console)).start();
            assert_eq!(service.push(records::TRANSFERRED).status, 200, "{codec} {target}");
            service.wait_for_log(expected.last().expect("it writes something"));

            let is_shown = |line: &String| !line.is_empty() && !line.starts_with(r#"{"timestamp""#);
            let [stdout, stderr]: [Vec<String>; 2] =
                [service.stdout(), service.stderr()].map(|lines| lines.into_iter().filter(is_shown).collect());
            let (here, there) = if target == "stdout" { (stdout, stderr) } else { (stderr, stdout) };
            assert_eq!(here, expected, "{codec} {target}");
            assert!(there.is_empty(), "{codec} {target}: {there:#?}");
        }
    }
}

/// Two backends: each gets every trace, and 200 means that both have it. While one is down the sender is asked to come
/// again, and is then told that all is well once both have the trace, under the ids that the other one has seen before.
#[test]
fn an_acknowledgement_speaks_for_every_sink() {
    let (Some(north), Some(south)) = (Decoder::start(), Decoder::start()) else { return };
    let service = Service::new()
        .config(&sinks(&format!(
            "{}\n{}",
            opentelemetry("north", &north.endpoint(Protocol::Grpc)),
            opentelemetry("south", &south.endpoint(Protocol::Http))
        )))
        .start();
    assert_eq!(service.push(records::call("both")).status, 200);
    for backend in [&north, &south] {
        assert_eq!(backend.take_export().spans, mapped(records::call("both")));
    }

    let ports = south.ports();
    drop(south);
    let reply = service.push(records::TRANSFERRED);
    assert_eq!(reply.status, 503, "{}", reply.body);
    let seconds: u64 = reply.header("retry-after").expect("it says when").parse().expect("in seconds");
    assert!(seconds >= 1, "{seconds}");
    let settled = |settlement: &str| service.metric("callspan_component_settled_events_total", &[settlement]);
    assert_eq!(settled(r#"settlement="acknowledged""#), 1.0, "the one before");
    assert_eq!(settled(r#"settlement="to_be_retried""#), 1.0);
    assert_eq!(sorted(north.take_export().spans), mapped(records::TRANSFERRED));

    let Some(south) = Decoder::start_on(ports) else { return };
    wait_until("a backend that is used again", || service.push(records::TRANSFERRED).status == 200);
    assert_eq!(settled(r#"settlement="acknowledged""#), 2.0);
    for export in [north.exports().last(), south.exports().last()] {
        assert_eq!(sorted(export.cloned().expect("it has the trace").spans), mapped(records::TRANSFERRED));
    }
}

/// What the decoder takes: gRPC's own library knows no zstd.
fn combinations() -> Vec<(Protocol, (&'static str, &'static str))> {
    let all = Protocol::ALL.into_iter().flat_map(|protocol| COMPRESSIONS.map(|compression| (protocol, compression)));
    all.filter(|(protocol, (compression, _))| *protocol != Protocol::Grpc || *compression != "zstd").collect()
}

fn backend_of(endpoint: &Endpoint, compression: &str) -> String {
    sinks(&format!("{}\n    compression: {compression}", opentelemetry("backend", endpoint)))
}

fn opentelemetry(name: &str, endpoint: &Endpoint) -> String {
    let (url, protocol) = (&endpoint.url, endpoint.protocol.as_str());
    format!("  {name}:\n    type: opentelemetry\n    endpoint: {url}\n    protocol: {protocol}")
}

fn file(path: &Path) -> String {
    format!("  archive: {{ type: file, path: {} }}", path.display())
}

fn sinks(sinks: &str) -> String {
    format!("sources:\n  tccc: {{ type: http_server, address: 127.0.0.1:0 }}\nsinks:\n{sinks}\n")
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).expect("it is written").lines().map(str::to_owned).collect()
}

/// The collector prints in order: once this trace is there, all before it is.
fn close(collector: &Rotel) {
    let service = Service::new().export_to(collector.endpoint(Protocol::Grpc)).start();
    assert_eq!(service.push(records::call("closing")).status, 200);
}

fn closing_trace_id() -> String {
    mapped(records::call("closing")).remove(0).trace_id
}
