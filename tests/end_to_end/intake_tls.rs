//! Pushes over TLS: senders see a certificate, and may have to show one; what is replaced holds without a restart, and
//! without a push that fails.

use callspan_tests::{
    Application, Authority, Curl, Decoder, Endpoint, Logging, Protocol, Service, Signal, mapped, records, sorted,
    wait_until,
};
use reqwest::{Certificate, Client, Identity};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

const HOST: &str = "127.0.0.1";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
const FAILED: &str = "callspan_tls_handshakes_failed_total";
const REPLACED: &str = "changed and are used from now on";

/// A folder with `ca.crt`, and `server.crt` and `server.key` of a service whose CA that is.
struct Files {
    authority: Authority,
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        let (authority, folder) = (Authority::new("known"), tempfile::tempdir().expect("a folder"));
        authority.write(folder.path(), "ca");
        authority.issue(HOST, folder.path(), "server");
        Self { authority, folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A service that shows what is in the folder.
    fn service(&self, options: &str) -> Service {
        self.service_held_to("", options)
    }

    /// The same with these limits.
    fn service_held_to(&self, limits: &str, options: &str) -> Service {
        let folder = self.path().display();
        let tls = format!("tls: {{ crt_file: '{folder}/server.crt', key_file: '{folder}/server.key', {options} }}");
        let limits = format!("limits: {{ {limits} }}");
        let source = format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', {limits}, {tls} }} }}");
        Service::new().durable().config(&source).start()
    }

    /// A sender that trusts the CA, and shows a certificate if it has one. Each push is a connection of its own.
    fn sender(&self, identity: Option<&str>) -> Client {
        let pem = |name: &str| fs::read(self.path().join(name)).expect("it was written");
        let mut builder = Client::builder()
            .no_proxy()
            .pool_max_idle_per_host(0)
            .tls_certs_only([Certificate::from_pem(&pem("ca.crt")).expect("a certificate")]);
        if let Some(name) = identity {
            let both = [pem(&format!("{name}.crt")), pem(&format!("{name}.key"))].concat();
            builder = builder.identity(Identity::from_pem(&both).expect("a certificate and its key"));
        }
        builder.build().expect("a sender")
    }
}

async fn push(sender: &Client, service: &str, session: &str) -> Result<u16, reqwest::Error> {
    let sent =
        sender.post(format!("https://{service}/?action=cdr&version=1")).body(records::call(session)).send().await?;
    Ok(sent.status().as_u16())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// Whatever happens to the files, every push is taken: the last certificate stays until there is one that can be used, and
/// meanwhile the service says what is wrong.
#[test]
fn certificates_are_replaced_under_load_without_a_push_that_fails() {
    const SENDERS: usize = 4;
    const TIMES: usize = 3;
    let files = Files::new();
    let service = files.service("");
    let runtime = runtime();
    let (is_over, pushed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let (sender, address) = (files.sender(None), service.address().to_owned());
            let (is_over, pushed) = (Arc::clone(&is_over), Arc::clone(&pushed));
            runtime.spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let count = pushed.fetch_add(1, Ordering::Relaxed);
                    let answer = push(&sender, &address, &format!("{number}-{count}")).await;
                    assert_eq!(answer.expect("the push is answered"), 200);
                }
            })
        })
        .collect();
    let more_are_pushed = || {
        let before = pushed.load(Ordering::Relaxed);
        wait_until("more are pushed", || pushed.load(Ordering::Relaxed) > before + 2 * SENDERS);
    };
    for times in 1..=TIMES {
        more_are_pushed();
        files.authority.issue(HOST, files.path(), "server");
        wait_until("it is used", || service.log().matches(REPLACED).count() >= times);
    }
    let good = fs::read(files.path().join("server.crt")).expect("it was written");
    fs::write(files.path().join("server.crt"), "no certificate").expect("the folder is ours");
    let trouble = r#"{"part":"tls/tccc","ready":false,"reason":"crt_file: the file holds no certificate"#;
    wait_until("it is told", || service.ask("/readyz").body.contains(trouble));
    assert_eq!(service.ask("/readyz").status, 503);
    more_are_pushed();
    fs::write(files.path().join("server.crt"), good).expect("the folder is ours");
    more_are_pushed();
    is_over.store(true, Ordering::Relaxed);
    for sender in senders {
        runtime.block_on(sender).expect("every push was taken");
    }
    wait_until("it is well again", || !service.ask("/readyz").body.contains("crt_file"));
}

/// Those whom the CA knows, and no others; where it is optional, also those who show nothing.
#[test]
fn senders_show_a_certificate_where_they_have_to() {
    let files = Files::new();
    files.authority.issue("sender", files.path(), "sender");
    Authority::new("strange").issue("sender", files.path(), "stranger");
    let ca = format!("ca_file: '{}/ca.crt'", files.path().display());
    for (options, nobody_is_taken) in [(format!("{ca}, verify_certificate: true"), false), (ca, true)] {
        let service = files.service(&options);
        let pushed = |identity: Option<&str>| {
            runtime()
                .block_on(push(&files.sender(identity), service.address(), "one"))
                .is_ok_and(|status| status == 200)
        };
        assert!(pushed(Some("sender")), "{options}: {}", service.log());
        assert!(!pushed(Some("stranger")), "{options}");
        assert_eq!(pushed(None), nobody_is_taken, "{options}");
    }
}

/// Whose certificates senders may show is read again as well: those of a new authority are let in with the file that names
/// it, and those of the old one no longer.
#[test]
fn senders_are_held_against_the_authority_that_is_written_now() {
    let files = Files::new();
    let authorities = ["first", "second"].map(Authority::new);
    for (authority, name) in authorities.iter().zip(["first", "second"]) {
        authority.issue("sender", files.path(), name);
    }
    authorities[0].write(files.path(), "clients");
    let clients = format!("ca_file: '{}/clients.crt', verify_certificate: true", files.path().display());
    let service = files.service(&clients);
    let runtime = runtime();
    let is_taken = |name: &str| {
        runtime.block_on(push(&files.sender(Some(name)), service.address(), "one")).is_ok_and(|status| status == 200)
    };
    assert_eq!(["first", "second"].map(is_taken), [true, false], "{}", service.log());
    authorities[1].write(files.path(), "clients");
    wait_until("the new authority is known", || is_taken("second"));
    assert!(!is_taken("first"), "{}", service.log());
}

/// The protocols are offered within TLS, and who asks for neither version nor protocol that there is gets nothing.
#[test]
fn http_2_is_agreed_on_where_both_speak_it() {
    let files = Files::new();
    for (options, expected) in
        [("", reqwest::Version::HTTP_2), ("alpn_protocols: [http/1.1]", reqwest::Version::HTTP_11)]
    {
        let service = files.service(options);
        let url = format!("https://{}/", service.address());
        let answer = runtime().block_on(files.sender(None).post(url).body(records::call("one")).send());
        assert_eq!(answer.expect("an answer").version(), expected, "{options}");
    }
}

/// Neither one that says nothing nor one that says something else, nor those that are under way when the service ends.
#[test]
fn a_handshake_that_does_not_come_holds_up_nobody() {
    let files = Files::new();
    let mut service = files.service("");
    let silent: Vec<_> = (0..50).map(|_| TcpStream::connect(service.address()).expect("it listens")).collect();
    let pushed = runtime().block_on(push(&files.sender(None), service.address(), "one"));
    assert_eq!(pushed.expect("an answer"), 200);
    service.signal(Signal::TERM);
    assert_eq!(service.wait().code(), Some(0));
    drop(silent);
}

/// Old versions are refused, by the one that is configured as the least; those from it on are served.
#[test]
fn versions_before_the_least_are_refused() {
    let files = Files::new();
    for (options, refused, served) in
        [("", vec!["1.1"], vec!["1.2", "1.3"]), ("min_version: '1.3'", vec!["1.1", "1.2"], vec!["1.3"])]
    {
        let service = files.service(options);
        let pushed = |version: &str| {
            let only = [&format!("--tlsv{version}"), "--tls-max", version, "--ciphers", "DEFAULT@SECLEVEL=0"];
            let ca = files.path().join("ca.crt").display().to_string();
            let curl = Curl::new(&format!("https://{}/", service.address()))?;
            Some(curl.arguments(&only).arguments(&["--cacert", &ca, "--data-binary", "@-"]).run(records::SEED))
        };
        for version in &served {
            let Some(finished) = pushed(version) else { return };
            assert!(finished.code == Some(0) && finished.stdout.contains(" 200"), "{options} {version}: {finished:?}");
        }
        for version in &refused {
            let Some(finished) = pushed(version) else { return };
            assert_ne!(finished.code, Some(0), "{options} {version}: {finished:?}");
        }
        // It was the service that did not want to, not curl.
        let incompatible = [r#"reason="incompatible""#];
        service.wait_for_metric(FAILED, &incompatible, refused.len() as f64);
    }
}

/// Who does not come to terms in time is closed; a connection on which that was done before goes on.
#[test]
fn a_handshake_has_a_time() {
    let files = Files::new();
    let service = files.service_held_to("handshake_timeout_secs: 1, header_timeout_secs: 600", "");
    let runtime = runtime();
    let ca = Certificate::from_pem(&fs::read(files.path().join("ca.crt")).expect("it was written")).expect("one");
    let sender = Client::builder().no_proxy().tls_certs_only([ca]).build().expect("a sender that keeps its connection");
    assert_eq!(runtime.block_on(push(&sender, service.address(), "before")).expect("an answer"), 200);
    let mut silent = TcpStream::connect(service.address()).expect("it listens");
    silent.set_read_timeout(Some(PATIENCE)).expect("a time");
    assert_eq!(silent.read(&mut [0]).expect("it is closed"), 0);
    service.wait_for_metric(FAILED, &[r#"reason="timeout""#], 1.0);
    assert_eq!(runtime.block_on(push(&sender, service.address(), "after")).expect("an answer"), 200);
    assert_eq!(service.metric("callspan_connections_accepted_total", &[]), 2.0, "it is the same connection");
}

/// Each way to fail is counted as what it is, and no connection is lost from the books.
#[test]
fn every_connection_is_accounted_for() {
    let files = Files::new();
    files.authority.issue("sender", files.path(), "sender");
    let stranger = Authority::new("strange");
    stranger.write(files.path(), "strange-ca");
    stranger.issue("sender", files.path(), "stranger");
    let ca = format!("ca_file: '{}/ca.crt', verify_certificate: true", files.path().display());
    let service = files.service_held_to("connections_per_address_max: 3, header_timeout_secs: 600", &ca);
    let runtime = runtime();
    let pushed = |sender: &Client| runtime.block_on(push(sender, service.address(), "one")).is_ok();
    assert!(pushed(&files.sender(Some("sender"))));
    assert!(!pushed(&files.sender(None)));
    assert!(!pushed(&files.sender(Some("stranger"))));
    let strange = Certificate::from_pem(&fs::read(files.path().join("strange-ca.crt")).expect("it was written"));
    let distrustful = Client::builder().no_proxy().tls_certs_only([strange.expect("one")]).build().expect("a sender");
    assert!(!pushed(&distrustful));
    let connect = || TcpStream::connect(service.address()).expect("it listens");
    connect().write_all(b"POST / HTTP/1.1\r\nHost: a\r\n\r\n").expect("sent");
    drop(connect());
    for (reason, count) in
        [("no_certificate", 1.0), ("wrong_certificate", 1.0), ("declined", 1.0), ("not_tls", 1.0), ("broken_off", 1.0)]
    {
        service.wait_for_metric(FAILED, &[&format!("reason={reason:?}")], count);
    }
    service.wait_for_metric("callspan_open_connections", &[], 0.0);
    let held = [connect(), connect(), connect()];
    service.wait_for_metric("callspan_open_connections", &[], 3.0);
    assert_eq!(connect().read(&mut [0]).unwrap_or_default(), 0, "it is closed without a word");
    service.wait_for_metric("callspan_connections_refused_total", &[r#"reason="connections_per_address_max""#], 1.0);
    let books = || {
        ["accepted", "ended", "refused"].map(|kind| service.metric(&format!("callspan_connections_{kind}_total"), &[]))
    };
    let [accepted, ended, refused] = books();
    assert_eq!((accepted, ended, refused), (10.0, 1.0, 1.0));
    assert_eq!(accepted, ended + refused + service.metric(FAILED, &[]) + 3.0);
    drop(held);
    service.wait_for_metric("callspan_open_connections", &[], 0.0);
    let [accepted, ended, refused] = books();
    assert_eq!(accepted, ended + refused + service.metric(FAILED, &[]));
}

/// An application that logs over TLS is heard, over gRPC and over HTTP, and one that does not trust the certificate is not.
#[test]
fn logs_come_over_tls_too() {
    let files = Files::new();
    let stranger = Authority::new("strange");
    stranger.write(files.path(), "strange-ca");
    let Some(backend) = Decoder::start() else { return };
    let folder = files.path().display();
    let tls = format!("tls: {{ crt_file: '{folder}/server.crt', key_file: '{folder}/server.key' }}");
    let listeners = ["grpc", "http"].map(|name| format!("{name}: {{ address: '127.0.0.1:0', {tls} }}")).join(", ");
    let config = format!("sources: {{ otlp: {{ type: opentelemetry, {listeners} }} }}");
    let service = Service::new().config(&config).export_to(backend.endpoint(Protocol::Grpc)).start();
    let record = [records::compact(records::SEED)];
    for (protocol, address) in [Protocol::Grpc, Protocol::Http].into_iter().zip(service.addresses_of("otlp")) {
        let endpoint = Endpoint { url: format!("https://{address}"), protocol };
        let Some(application) = Application::new(&endpoint) else { return };
        let finished = application.trusting(&files.path().join("ca.crt")).log(Logging::Logger, &record);
        assert_eq!(finished.code, Some(0), "{protocol:?}: {}\n{}", finished.stderr, service.log());
        assert_eq!(sorted(backend.take_export().spans), mapped(records::SEED), "{protocol:?}");
    }
    let Some(address) = service.addresses_of("otlp").pop() else { panic!("two listeners") };
    let endpoint = Endpoint { url: format!("https://{address}"), protocol: Protocol::Http };
    let Some(distrustful) = Application::new(&endpoint) else { return };
    let finished = distrustful.trusting(&files.path().join("strange-ca.crt")).log(Logging::Logger, &record);
    assert_ne!(finished.code, Some(0), "it trusts whoever answers");
    assert!(service.metric(FAILED, &[r#"component_type="opentelemetry""#]) >= 1.0);
}

/// A service whose certificate cannot be used does not start, and says which file is at fault.
#[test]
fn a_certificate_that_cannot_be_used_is_told_before_anything_runs() {
    let files = Files::new();
    let folder = files.path().display();
    for (tls, expected) in [
        (format!("crt_file: '{folder}/server.crt'"), "sources.tccc.tls.key_file: missing"),
        (
            format!("crt_file: '{folder}/server.crt', key_file: '{folder}/none'"),
            "sources.tccc.tls.key_file: failed to read the file",
        ),
        (
            format!("crt_file: '{folder}/server.crt', key_file: '{folder}/server.key', verify_certificate: true"),
            "sources.tccc.tls.ca_file: missing",
        ),
        (
            format!("crt_file: '{folder}/server.key', key_file: '{folder}/server.key'"),
            "sources.tccc.tls.crt_file: the file holds no certificate",
        ),
    ] {
        let source = format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', tls: {{ {tls} }} }} }}");
        let finished = Service::new().config(&source).refuse();
        assert!(finished.stderr.contains(expected), "{expected}: {}", finished.stderr);
    }
}
