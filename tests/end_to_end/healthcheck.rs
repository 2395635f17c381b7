//! Whether a backend can be reached shows when the service starts, before anything is to be sent.

use callspan_tests::{Authority, Decoder, Endpoint, Protocol, Service, wait_until};

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::Http, Protocol::HttpJson];

fn yaml(endpoint: &Endpoint, options: &str) -> String {
    let (url, protocol) = (&endpoint.url, endpoint.protocol.as_str());
    format!(
        "sources: {{ tccc: {{ type: http_server, address: 127.0.0.1:0 }} }}
sinks: {{ backend: {{ type: opentelemetry, endpoint: '{url}', protocol: {protocol}, {options} }} }}
"
    )
}

/// The backend is not there yet: the service starts, says so once and is not ready. When the backend comes, that is seen
/// by itself, and the backend has got no request.
#[test]
fn a_backend_that_is_not_there_yet_is_told_and_found_when_it_comes() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let ports = backend.ports();
        let endpoint = backend.endpoint(protocol);
        drop(backend);
        let mut service = Service::new().config(&yaml(&endpoint, "")).start();
        service.wait_for_log("healthcheck_failed");
        let readiness = service.ask("/readyz/sink/backend");
        assert!(readiness.status == 503 && readiness.body.contains("could not be reached"), "{}", readiness.body);
        assert!(service.log().contains("start the backend, or correct `endpoint`"), "{}", service.log());

        let Some(backend) = Decoder::start_on(ports) else { return };
        service.wait_for_log("the backend can be reached");
        wait_until("readiness", || service.ask("/readyz").status == 200);
        assert_eq!(service.log().matches("healthcheck_failed").count(), 1, "{}", service.log());
        assert_eq!(backend.exports().len(), 0, "{protocol:?}");
    }
}

/// It is told as it would be of a request, with the option that mends it.
#[test]
fn a_certificate_that_nobody_trusts_is_told_at_the_start() {
    for protocol in PROTOCOLS {
        let folder = tempfile::tempdir().expect("a folder");
        Authority::new("known").issue("127.0.0.1", folder.path(), "server");
        Authority::new("strange").write(folder.path(), "ca");
        let Some(backend) = Decoder::start_with_tls(folder.path()) else { return };
        let tls = format!("tls: {{ ca_file: '{}' }}", folder.path().join("ca.crt").display());
        let mut service = Service::new().config(&yaml(&backend.endpoint(protocol), &tls)).start();
        service.wait_for_log("healthcheck_failed");
        let readiness = service.ask("/readyz/sink/backend");
        assert!(readiness.status == 503 && readiness.body.contains("set tls.ca_file"), "{}", readiness.body);
    }
}

/// HTTP's port in the place of gRPC's is seen, since the other side greets in another way.
#[test]
fn a_port_of_another_protocol_is_told_at_the_start() {
    let Some(backend) = Decoder::start() else { return };
    let endpoint = Endpoint { protocol: Protocol::Grpc, ..backend.endpoint(Protocol::Http) };
    let mut service = Service::new().config(&yaml(&endpoint, "")).start();
    service.wait_for_log("healthcheck_failed");
    let readiness = service.ask("/readyz/sink/backend").body;
    assert!(readiness.contains("HTTP/2") && readiness.contains("`protocol`"), "{readiness}");
    assert!(service.log().contains("4317 is usually gRPC's port"), "{}", service.log());
}

/// A service that is looking for its backend ends when it is told to, and one that is not to look does not.
#[test]
fn it_ends_with_the_service_and_can_be_left_out() {
    for (options, is_looked_for) in [("", true), ("healthcheck: { enabled: false }", false)] {
        let config = yaml(&Endpoint::nobody(Protocol::Grpc), options);
        let mut service = Service::new().config(&config).start();
        if is_looked_for {
            service.wait_for_log("healthcheck_failed");
        }
        assert!(service.terminate().success(), "{}", service.log());
        assert_eq!(service.log().contains("healthcheck_failed"), is_looked_for);
    }
}
