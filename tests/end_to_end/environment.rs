//! The variables of OpenTelemetry's specification ("OpenTelemetry Protocol Exporter") say where traces go and how, as
//! they do for every SDK: a deployment that has them needs no configuration.

use callspan_tests::{Callspan, Cue, Decoder, Endpoint, Export, Finished, Protocol, Service, records};

const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// A row of the table: these variables, and what the backend then sees. `GRPC`, `HTTP` and `NOBODY` in a value stand
/// for addresses.
struct Row {
    variables: &'static [(&'static str, &'static str)],
    protocol: Protocol,
    path: &'static str,
    encoding: &'static str,
    /// Of `x-tenant`, which is sent where it says something.
    tenant: Option<&'static str>,
}

const TABLE: &[Row] = &[
    // Without a word about it, gRPC.
    row(&[("ENDPOINT", "GRPC")], Protocol::Grpc, GRPC_PATH),
    row(&[("ENDPOINT", "GRPC/")], Protocol::Grpc, GRPC_PATH),
    row(&[("ENDPOINT", "GRPC"), ("PROTOCOL", "grpc")], Protocol::Grpc, GRPC_PATH),
    row(&[("TRACES_ENDPOINT", "GRPC")], Protocol::Grpc, GRPC_PATH),
    // To a base the path of the signal is added.
    row(&[("ENDPOINT", "HTTP"), ("PROTOCOL", "http/protobuf")], Protocol::Http, "/v1/traces"),
    row(&[("ENDPOINT", "HTTP/"), ("PROTOCOL", "http/json")], Protocol::HttpJson, "/v1/traces"),
    row(&[("ENDPOINT", "HTTP/tenant"), ("PROTOCOL", "http/protobuf")], Protocol::Http, "/tenant/v1/traces"),
    row(&[("ENDPOINT", "HTTP/tenant/"), ("PROTOCOL", "http/json")], Protocol::HttpJson, "/tenant/v1/traces"),
    // The address for traces is used as it is; without a path, that is the root.
    row(&[("TRACES_ENDPOINT", "HTTP"), ("PROTOCOL", "http/protobuf")], Protocol::Http, "/"),
    row(&[("TRACES_ENDPOINT", "HTTP/"), ("PROTOCOL", "http/protobuf")], Protocol::Http, "/"),
    row(&[("TRACES_ENDPOINT", "HTTP/in"), ("PROTOCOL", "http/protobuf")], Protocol::Http, "/in"),
    row(&[("TRACES_ENDPOINT", "HTTP/in/"), ("PROTOCOL", "http/json")], Protocol::HttpJson, "/in/"),
    row(&[("TRACES_ENDPOINT", "HTTP/in?key=a"), ("PROTOCOL", "http/protobuf")], Protocol::Http, "/in?key=a"),
    // What is for traces wins.
    row(
        &[
            ("TRACES_ENDPOINT", "HTTP/v1/traces"),
            ("ENDPOINT", "NOBODY"),
            ("TRACES_PROTOCOL", "http/json"),
            ("PROTOCOL", "grpc"),
        ],
        Protocol::HttpJson,
        "/v1/traces",
    ),
    // An empty one counts as unset.
    row(
        &[("TRACES_ENDPOINT", ""), ("ENDPOINT", "GRPC"), ("TRACES_PROTOCOL", ""), ("PROTOCOL", "")],
        Protocol::Grpc,
        GRPC_PATH,
    ),
    row(
        &[("ENDPOINT", "GRPC"), ("TIMEOUT", ""), ("TRACES_TIMEOUT", ""), ("COMPRESSION", ""), ("HEADERS", "")],
        Protocol::Grpc,
        GRPC_PATH,
    ),
    // Compression.
    row(&[("ENDPOINT", "GRPC"), ("COMPRESSION", "gzip")], Protocol::Grpc, GRPC_PATH).gzipped(),
    row(&[("ENDPOINT", "HTTP"), ("PROTOCOL", "http/protobuf"), ("COMPRESSION", "gzip")], Protocol::Http, "/v1/traces")
        .gzipped(),
    row(
        &[("ENDPOINT", "HTTP"), ("PROTOCOL", "http/json"), ("TRACES_COMPRESSION", "gzip")],
        Protocol::HttpJson,
        "/v1/traces",
    )
    .gzipped(),
    row(&[("ENDPOINT", "GRPC"), ("COMPRESSION", "gzip"), ("TRACES_COMPRESSION", "none")], Protocol::Grpc, GRPC_PATH),
    row(&[("ENDPOINT", "GRPC"), ("COMPRESSION", "gzip"), ("TRACES_COMPRESSION", "")], Protocol::Grpc, GRPC_PATH)
        .gzipped(),
    // Headers, whose values are percent-encoded; those for traces replace the others.
    row(&[("ENDPOINT", "GRPC"), ("HEADERS", "x-tenant=team%20a%2Cb")], Protocol::Grpc, GRPC_PATH).tenant("team a,b"),
    row(
        &[("ENDPOINT", "HTTP"), ("PROTOCOL", "http/protobuf"), ("HEADERS", " x-other=1 , X-Tenant = a=b ")],
        Protocol::Http,
        "/v1/traces",
    )
    .tenant("a=b"),
    row(
        &[("ENDPOINT", "GRPC"), ("HEADERS", "x-tenant=general"), ("TRACES_HEADERS", "x-tenant=traces")],
        Protocol::Grpc,
        GRPC_PATH,
    )
    .tenant("traces"),
    row(&[("ENDPOINT", "GRPC"), ("HEADERS", "x-tenant=general"), ("TRACES_HEADERS", "x=1")], Protocol::Grpc, GRPC_PATH),
];

/// Row for row, a service that is given the variables of the row and nothing else reaches the backend as it says.
#[test]
fn a_backend_is_reached_as_the_variables_say() {
    let Some(backend) = Decoder::start() else { return };
    for Row { variables, protocol, path, encoding, tenant } in TABLE {
        let set: Vec<_> = variables.iter().map(|(name, value)| (prefixed(name), addressed(value, &backend))).collect();
        let set: Vec<_> = set.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let service = Service::new().environment(&set).start();
        let reply = service.push(records::SEED);
        assert_eq!(reply.status, 200, "{variables:?}: {}\n{}", reply.body, service.log());
        let export = backend.take_export();
        assert_eq!(
            (export.protocol, export.path.as_str(), export.encoding.as_str(), sent_tenant(&export)),
            (*protocol, *path, *encoding, *tenant),
            "{variables:?}"
        );
    }
    assert_eq!(backend.exports().len(), TABLE.len());
}

/// What the file says is not looked for in the environment; what it leaves out comes from there.
#[test]
fn the_file_wins_over_the_environment() {
    let Some(backend) = Decoder::start() else { return };
    let endpoint = backend.endpoint(Protocol::HttpJson).url;
    let nobody = Endpoint::nobody(Protocol::Grpc).url;
    let source = "sources: { tccc: { type: http_server, address: '127.0.0.1:0' } }";
    let environment = [
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", nobody.as_str()),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-tenant=environment,x-other=1"),
        ("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none"),
    ];
    let sink = format!(
        "{{ type: opentelemetry, endpoint: '{endpoint}', protocol: http/json, headers: {{ x-tenant: file }}, \
         compression: gzip }}"
    );
    let service =
        Service::new().environment(&environment).config(&format!("{source}\nsinks: {{ backend: {sink} }}\n")).start();
    assert_eq!(service.push(records::SEED).status, 200, "{}", service.log());
    let export = backend.take_export();
    assert_eq!((export.protocol, export.path.as_str()), (Protocol::HttpJson, "/v1/traces"));
    assert_eq!((export.encoding.as_str(), sent_tenant(&export)), ("gzip", Some("file")));
    assert_eq!(export.headers.get("x-other"), None, "headers are replaced, not added to");

    let sink = format!("{{ type: opentelemetry, endpoint: '{}' }}", backend.endpoint(Protocol::Grpc).url);
    let service =
        Service::new().environment(&environment).config(&format!("{source}\nsinks: {{ backend: {sink} }}\n")).start();
    assert_eq!(service.push(records::SEED).status, 200, "{}", service.log());
    let export = backend.take_export();
    assert_eq!((export.protocol, sent_tenant(&export)), (Protocol::Grpc, Some("environment")));
}

/// A backend that is silent is given up after the time that the variables say, in milliseconds: the log names it, and
/// the sender is not left waiting for the ten seconds of the default. Over gRPC the backend knows how much time it has,
/// and may be the first to say that it is over.
#[test]
fn the_timeout_is_that_of_the_variables() {
    let Some(backend) = Decoder::start() else { return };
    backend.answer(Cue::Silent(60));
    for (protocol, timeout, for_traces, expected) in [
        (Protocol::Grpc, "251", "", "251ms"),
        (Protocol::Http, "60000", "252", "252ms"),
        (Protocol::HttpJson, "253", "", "253ms"),
    ] {
        let service = Service::new()
            .export_to(backend.endpoint(protocol))
            .variable(&prefixed("TIMEOUT"), timeout)
            .variable(&prefixed("TRACES_TIMEOUT"), for_traces);
        let mut service = service.start();
        assert_eq!(service.push(records::SEED).status, 503, "{protocol:?}");
        service.wait_for_log("backend_unavailable");
        let log = service.log();
        let by_backend = protocol == Protocol::Grpc && log.contains("the backend answered DeadlineExceeded");
        assert!(by_backend || log.contains(&format!("the backend did not answer within {expected}")), "{log}");
    }
}

/// Somebody who sets a standard variable counts on it: one that is not acted on is not passed over in silence.
#[test]
fn a_variable_that_is_not_supported_is_told() {
    let mut service = Service::new().variable("OTEL_EXPORTER_OTLP_CERTIFICATE", "/s3cret/ca.pem").start();
    service.wait_for_log("OTEL_EXPORTER_OTLP_CERTIFICATE");
    assert!(!service.log().contains("s3cret") && !service.log().contains("CLIENT_KEY"), "{}", service.log());
}

/// What cannot be used stops the service before it starts, all of it at once and by the variable's name. The value is
/// not shown: credentials end up in the wrong place easily.
#[test]
fn a_wrong_value_is_told_by_the_name_of_its_variable() {
    let wrong = [
        ("PROTOCOL", "s3cret"),
        ("PROTOCOL", "http/s3cret"),
        ("ENDPOINT", "s3cret"),
        ("ENDPOINT", "s3cret.example:4317"),
        ("ENDPOINT", "ftp://s3cret.example"),
        ("ENDPOINT", "http://user:s3cret@tempo.example:4317"),
        // A path, where gRPC has none.
        ("ENDPOINT", "http://tempo.example/s3cret"),
        ("TIMEOUT", "s3cret"),
        ("TIMEOUT", "0"),
        ("TIMEOUT", "-1"),
        ("TIMEOUT", "10s"),
        ("COMPRESSION", "s3cret"),
        ("HEADERS", "s3cret"),
        ("HEADERS", "authorization=s3cret%zz"),
        ("HEADERS", "s3 cret=1"),
        ("HEADERS", "authorization=s3cret%0A"),
    ];
    for (name, value) in wrong.iter().flat_map(|(name, value)| [(prefixed(name), value), (for_traces(name), value)]) {
        let finished = serve(&[(&name, value)]);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(78), ""), "{name}={value}: {}", finished.stderr);
        assert!(finished.stderr.starts_with("callspan: ") && finished.stderr.contains(&name), "{}", finished.stderr);
        assert!(!finished.stderr.contains("s3cret") && !finished.stderr.contains("s3 cret"), "{}", finished.stderr);
    }

    let names = ["PROTOCOL", "ENDPOINT", "TIMEOUT", "COMPRESSION", "HEADERS"].map(prefixed);
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), "s3cret")).collect();
    let finished = serve(&all);
    assert_eq!(finished.code, Some(78));
    for name in &names {
        assert!(finished.stderr.contains(name), "{name} is not told: {}", finished.stderr);
    }
    assert!(!finished.stderr.contains("s3cret"), "{}", finished.stderr);
}

const fn row(variables: &'static [(&'static str, &'static str)], protocol: Protocol, path: &'static str) -> Row {
    Row { variables, protocol, path, encoding: "", tenant: None }
}

impl Row {
    const fn gzipped(self) -> Self {
        Self { encoding: "gzip", ..self }
    }

    const fn tenant(self, tenant: &'static str) -> Self {
        Self { tenant: Some(tenant), ..self }
    }
}

fn serve(variables: &[(&str, &str)]) -> Finished {
    let command = Callspan::new(["serve", "--address", "127.0.0.1:0", "--admin-address", "127.0.0.1:0"]);
    variables.iter().fold(command, |command, (name, value)| command.variable(name, value)).run()
}

fn sent_tenant(export: &Export) -> Option<&str> {
    export.headers.get("x-tenant").map(|value| value.as_str().unwrap_or_default())
}

fn prefixed(name: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_{name}")
}

fn for_traces(name: &str) -> String {
    format!("OTEL_EXPORTER_OTLP_TRACES_{name}")
}

fn addressed(value: &str, backend: &Decoder) -> String {
    value
        .replace("GRPC", &backend.endpoint(Protocol::Grpc).url)
        .replace("HTTP", &backend.endpoint(Protocol::Http).url)
        .replace("NOBODY", &Endpoint::nobody(Protocol::Grpc).url)
}
