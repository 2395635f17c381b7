//! TLS to a backend, over gRPC and HTTP: both sides show who they are, what is wrong is told with what mends it, and what
//! is replaced holds without a restart. The backend's TLS is not callspan's: OpenSSL in Python, and BoringSSL in gRPC's
//! own library.

use callspan_tests::{
    Authority, Callspan, Cue, Decoder, Endpoint, Line, Protocol, Service, mapped, records, sorted, wait_until,
};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What the backends of these tests listen on.
const HOST: &str = "127.0.0.1";

/// A CA that the backend and its clients have in common, and one that nobody knows.
struct Authorities {
    known: Authority,
    strange: Authority,
}

impl Authorities {
    fn new() -> Self {
        Self { known: Authority::new("known"), strange: Authority::new("strange") }
    }

    /// A backend that takes traces of known clients alone.
    fn backend(&self, folder: &Path) -> Option<Decoder> {
        self.known.issue(HOST, folder, "server");
        self.known.write(folder, "clients");
        Decoder::start_with_tls(folder)
    }
}

/// What both sides show is what the other one looks for: every protocol, by options and by the standard variables.
#[test]
fn a_backend_that_knows_its_clients_gets_the_traces() {
    let (authorities, folder) = (Authorities::new(), tempfile::tempdir().expect("a folder"));
    let folder = folder.path();
    let Some(backend) = authorities.backend(folder) else { return };
    authorities.known.write(folder, "ca");
    authorities.known.issue("callspan", folder, "client");
    let path = |name: &str| folder.join(name).display().to_string();
    for protocol in Protocol::ALL {
        let endpoint = backend.endpoint(protocol);
        let by_options = Service::new().config(&yaml(&endpoint, &tls(folder)));
        let by_variables = Service::new().environment(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint.url),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.as_str()),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/none"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", &path("ca.crt")),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", &path("client.crt")),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", &path("client.key")),
        ]);
        for service in [by_options, by_variables] {
            let service = service.start();
            assert_eq!(service.push(records::TRANSFERRED).status, 200, "{protocol:?}: {}", service.log());
            let export = backend.take_export();
            assert_eq!((export.protocol, sorted(export.spans)), (protocol, mapped(records::TRANSFERRED)));
        }
    }
}

/// A service that trusts another CA, and then shows a certificate that the backend does not know, says so in its log and
/// in its readiness, and keeps what it takes. As each file is replaced, it goes on by itself; in the end the backend has
/// every record, and the service was never restarted.
#[test]
fn certificates_that_are_replaced_hold_without_a_restart_and_nothing_is_lost() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let (authorities, folder) = (Authorities::new(), tempfile::tempdir().expect("a folder"));
        let folder = folder.path();
        let Some(backend) = authorities.backend(folder) else { return };
        authorities.strange.write(folder, "ca");
        authorities.strange.issue("callspan", folder, "client");
        let mut service = Service::new().config(&yaml(&backend.endpoint(protocol), &tls(folder))).durable().start();
        let push = |service: &Service, session: &str| {
            assert_eq!(service.push(records::call(session)).status, 200, "{}", service.log());
        };

        push(&service, "before");
        service.wait_for_log("set tls.ca_file to the certificate of its CA");
        let readiness = service.ask("/readyz");
        assert!(readiness.status == 503 && readiness.body.contains("set tls.ca_file"), "{}", readiness.body);

        authorities.known.write(folder, "ca");
        push(&service, "with the CA");
        let refused = || service.ask("/readyz").body;
        wait_until("another reason", || !refused().contains("set tls.ca_file"));
        assert_eq!(backend.exports().len(), 0);

        authorities.known.issue("callspan", folder, "client");
        push(&service, "with the certificate");
        wait_until("every record", || backend.taken_sessions().len() >= 3);
        authorities.known.issue("callspan", folder, "client");
        push(&service, "renewed");
        wait_until("every record", || backend.taken_sessions().len() >= 4);
        let mut taken = backend.taken_sessions();
        taken.sort();
        assert_eq!(taken, ["before", "renewed", "with the CA", "with the certificate"], "{protocol:?}: once each");
        wait_until("readiness", || service.ask("/readyz").status == 200);
    }
}

/// The backend shows another certificate with the next connection: one that the same CA has issued goes unnoticed, with one
/// of another CA records wait until that CA is trusted. It is the connections that are cut here, not the service.
#[test]
fn a_backend_may_change_its_certificate_while_it_runs() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let (authorities, folder) = (Authorities::new(), tempfile::tempdir().expect("a folder"));
        let folder = folder.path();
        let Some(backend) = authorities.backend(folder) else { return };
        authorities.known.write(folder, "ca");
        authorities.known.issue("callspan", folder, "client");
        let mut line = Line::to(backend.endpoint(protocol));
        let service = Service::new().config(&yaml(&line.endpoint(), &tls(folder))).durable().start();
        let push = |session: &str| assert_eq!(service.push(records::call(session)).status, 200, "{}", service.log());
        push("first");
        service.wait_until_delivered(1);

        authorities.known.issue(HOST, folder, "server");
        line.cut();
        line.mend();
        push("renewed");
        service.wait_until_delivered(2);

        // This one trusts whom it has trusted before.
        authorities.strange.issue(HOST, folder, "server");
        line.cut();
        line.mend();
        push("strange");
        wait_until("the reason", || service.ask("/readyz").body.contains("set tls.ca_file"));
        service.assert_nothing_is_lost(3);
        authorities.strange.write(folder, "ca");
        service.wait_until_delivered(3);
        assert_eq!(backend.taken_sessions(), ["first", "renewed", "strange"], "{protocol:?}: once each");
    }
}

/// A request that is under way when a file changes ends with the connection that it began on: the backend answers it
/// later, and is not sent it again.
#[test]
fn a_request_under_way_ends_with_the_certificate_that_it_began_with() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let (authorities, folder) = (Authorities::new(), tempfile::tempdir().expect("a folder"));
        let folder = folder.path();
        let Some(backend) = authorities.backend(folder) else { return };
        authorities.known.write(folder, "ca");
        authorities.known.issue("callspan", folder, "client");
        let service = Service::new().config(&yaml(&backend.endpoint(protocol), &tls(folder))).durable().start();
        backend.answer(Cue::Held);
        assert_eq!(service.push(records::call("under way")).status, 200);
        assert_eq!(backend.take_export().answer, "held");
        authorities.known.issue("callspan", folder, "client");
        assert_eq!(service.push(records::call("after")).status, 200);
        assert_eq!(backend.take_export().answer, "held");
        backend.answer(Cue::Accept);
        service.wait_for_metric("callspan_component_sent_events_total", &[r#"component_id="backend""#], 2.0);
        assert_eq!(backend.taken_sessions(), ["under way", "after"], "{protocol:?}: once each");
    }
}

/// Kubernetes mounts a secret as a link into a folder that is a link to another folder, and replaces that one.
#[test]
fn a_token_that_is_swapped_goes_with_the_next_record() {
    let Some(backend) = Decoder::start() else { return };
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let mount = |version: &str, token: &str| {
            fs::create_dir(at(version)).expect("the folder is ours");
            fs::write(at(version).join("token"), token).expect("the folder is ours");
            symlink(version, at("..data_new")).expect("the folder is ours");
            fs::rename(at("..data_new"), at("..data")).expect("the folder is ours");
        };
        mount("..1", "9-lives");
        symlink("..data/token", at("token")).expect("the folder is ours");
        let auth = format!("    auth: {{ strategy: bearer, token_file: {} }}", at("token").display());
        let service =
            Service::new().config(&yaml(&backend.endpoint(protocol), &auth)).variable("CALLSPAN_LOG", "trace").start();
        for (version, token) in [("", "9-lives"), ("..2", "8-lives"), ("..3", "7-lives")] {
            if !version.is_empty() {
                mount(version, &format!("{token}\n"));
            }
            assert_eq!(service.push(records::call(token)).status, 200, "{}", service.log());
            assert_eq!(backend.take_export().headers["authorization"], format!("Bearer {token}"), "{protocol:?}");
        }
        let line = service.log().lines().find(|line| line.contains("-lives")).map(str::to_owned);
        assert!(line.is_none_or(|line| line.contains("tccc.session.id")), "a token is logged");
    }
}

/// What files show is told before anything runs: where it stands in the file, or by the variable that names it.
#[test]
fn files_that_cannot_be_used_are_told_before_anything_runs() {
    let (authorities, folder) = (Authorities::new(), tempfile::tempdir().expect("a folder"));
    let folder = folder.path();
    authorities.known.write(folder, "ca");
    authorities.known.issue("callspan", folder, "client");
    let endpoint = Endpoint { url: "https://tempo.example:4317".to_owned(), protocol: Protocol::Grpc };
    let yaml = yaml(&endpoint, &tls(folder));
    fs::write(folder.join("callspan.yaml"), &yaml).expect("the folder is ours");
    let path = folder.join("callspan.yaml").display().to_string();
    assert_eq!(Callspan::new(["validate", &path]).run().code, Some(0));

    // The key of another certificate, and a CA's file that is none.
    let certificate = fs::read(folder.join("client.crt")).expect("it is there");
    authorities.known.issue("callspan", folder, "client");
    fs::write(folder.join("client.crt"), certificate).expect("the folder is ours");
    for command in [["validate", &path].as_slice(), &["serve", "--config", &path]] {
        let start = command.iter().skip(1).fold(Callspan::new([command[0]]), |it, argument| it.arguments([*argument]));
        let finished = start.run();
        assert_eq!(finished.code, Some(78));
        let expected = "sinks.backend.tls.key_file: the key is not that of the certificate";
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
    let refused = Service::new()
        .environment(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint.url),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", &folder.join("none").display().to_string()),
        ])
        .refuse();
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("OTEL_EXPORTER_OTLP_CERTIFICATE: failed to read the file"), "{}", refused.stderr);
}

/// The options for the files of a folder.
fn tls(folder: &Path) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let [ca, crt, key] = ["ca.crt", "client.crt", "client.key"].map(path);
    format!("    tls: {{ ca_file: {ca}, crt_file: {crt}, key_file: {key} }}")
}

fn yaml(endpoint: &Endpoint, options: &str) -> String {
    let (url, protocol) = (&endpoint.url, endpoint.protocol.as_str());
    format!(
        "sources:
  tccc: {{ type: http_server, address: 127.0.0.1:0 }}
sinks:
  backend:
    type: opentelemetry
    endpoint: {url}
    protocol: {protocol}
{options}
"
    )
}
