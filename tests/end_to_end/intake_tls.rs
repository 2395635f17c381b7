//! Pushes over TLS: senders see a certificate, and may have to show one; what is replaced holds without a restart, and
//! without a push that fails.

use callspan_tests::{Authority, Service, Signal, records, wait_until};
use reqwest::{Certificate, Client, Identity};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tempfile::TempDir;

const HOST: &str = "127.0.0.1";
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
        let folder = self.path().display();
        let tls = format!("tls: {{ crt_file: '{folder}/server.crt', key_file: '{folder}/server.key', {options} }}");
        let source = format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', {tls} }} }}");
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
