//! The exporter against a backend with TLS, over each protocol.

use super::certificates::{Authority, Issued};
use super::collector::{Collector, Reply};
use super::fixtures::{answered_call, scope};
use super::*;
use crate::secret::SecretSource;
use crate::tls::TlsVersion;
use rustls::version::{TLS12, TLS13};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];
const HOST: &str = "127.0.0.1";

/// Of this backend; the files are `ca.crt`, and where clients show one, `client.crt` and `client.key`.
fn settings(folder: &Path, collector: &Collector, protocol: Protocol, is_known: bool) -> EndpointSettings {
    let client = |name: &str| is_known.then(|| folder.join(name));
    EndpointSettings {
        endpoint: Some(collector.address(protocol)),
        protocol: Some(protocol),
        tls: TlsSettings {
            ca_file: Some(folder.join("ca.crt")),
            crt_file: client("client.crt"),
            key_file: client("client.key"),
            ..TlsSettings::default()
        },
        ..EndpointSettings::default()
    }
}

fn exporter(settings: &EndpointSettings) -> Exporter {
    let endpoint = settings.resolve(|_| None).expect("an endpoint");
    Exporter::new(&endpoint).expect("an exporter")
}

async fn export(exporter: &Exporter) -> Answer {
    exporter.send(&mut exporter.prepare(vec![answered_call(1)], &scope())).await.expect("there is something to send")
}

/// Why nothing is sent, which is told without a request too.
async fn reason(settings: &EndpointSettings) -> String {
    let reason = match export(&exporter(settings)).await {
        Answer::Retry { after: None, reason } => reason,
        answer => unreachable!("nothing can be sent: {answer:?}"),
    };
    let endpoint = settings.resolve(|_| None).expect("an endpoint");
    assert_eq!(reach(&endpoint).await, Err(Unreachable { reason: reason.clone() }));
    reason
}

fn folder_with(authority: &Authority) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("ca.crt"), authority.pem()).expect("it is written");
    folder
}

#[tokio::test]
async fn a_backend_whose_certificate_the_file_has_signed_gets_the_traces() {
    for protocol in PROTOCOLS {
        let authority = Authority::new("ours");
        let folder = folder_with(&authority);
        let collector = Collector::start_with_tls(authority.issue(HOST).server(None)).await;
        let exporter = exporter(&settings(folder.path(), &collector, protocol, false));
        assert_eq!(export(&exporter).await, Answer::Accepted, "{protocol:?}");
        assert_eq!(collector.requests(), [request(vec![answered_call(1)], &scope())]);
    }
}

#[tokio::test]
async fn a_connection_without_an_answer_is_used_no_more() {
    for protocol in PROTOCOLS {
        let authority = Authority::new("ours");
        let folder = folder_with(&authority);
        let cues = [Reply::Accepted, Reply::Never, Reply::Accepted, Reply::Accepted];
        let collector = Collector::start_with_tls_and_cues(authority.issue(HOST).server(None), cues).await;
        let timeout = Some(Duration::from_secs(1));
        let settings = settings(folder.path(), &collector, protocol, false);
        let exporter = exporter(&EndpointSettings { timeout, ..settings });
        assert_eq!((export(&exporter).await, collector.connections()), (Answer::Accepted, 1), "{protocol:?}");
        assert!(matches!(export(&exporter).await, Answer::Retry { .. }), "{protocol:?}");
        for _ in 0..2 {
            assert_eq!((export(&exporter).await, collector.connections()), (Answer::Accepted, 2), "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_backends_certificate_is_told_with_the_option_that_mends_it() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let folder = folder_with(&ours);
    let cases = [
        (theirs.issue(HOST).server(None), "set tls.ca_file"),
        (ours.issue_until(HOST, 2001).server(None), "the backend's certificate has expired"),
        (ours.issue("otlp.example").server(None), "not for 127.0.0.1, but for otlp.example; set tls.server_name"),
    ];
    for (config, expected) in cases {
        for protocol in PROTOCOLS {
            let collector = Collector::start_with_tls(config.clone()).await;
            let reason = reason(&settings(folder.path(), &collector, protocol, false)).await;
            assert!(reason.contains(expected), "{protocol:?}: {reason}");
            assert_eq!(collector.requests(), []);
        }
    }
}

#[tokio::test]
async fn the_name_to_check_is_also_the_one_that_the_backend_is_asked_for() {
    for protocol in PROTOCOLS {
        let authority = Authority::new("ours");
        let folder = folder_with(&authority);
        let collector = Collector::start_with_tls(authority.issue("otlp.example").server(None)).await;
        let mut settings = settings(folder.path(), &collector, protocol, false);
        settings.tls.server_name = Some("otlp.example".to_owned());
        assert_eq!(export(&exporter(&settings)).await, Answer::Accepted, "{protocol:?}");
    }
}

#[tokio::test]
async fn an_older_version_than_the_least_is_not_spoken() {
    for protocol in PROTOCOLS {
        let authority = Authority::new("ours");
        let folder = folder_with(&authority);
        for (least, spoken, is_taken) in [
            (TlsVersion::V1_2, &TLS12, true),
            (TlsVersion::V1_2, &TLS13, true),
            (TlsVersion::V1_3, &TLS13, true),
            (TlsVersion::V1_3, &TLS12, false),
        ] {
            let collector = Collector::start_with_tls(authority.issue(HOST).server_of(None, &[spoken])).await;
            let mut settings = settings(folder.path(), &collector, protocol, false);
            settings.tls.min_version = Some(least);
            if is_taken {
                assert_eq!(export(&exporter(&settings)).await, Answer::Accepted, "{protocol:?} {spoken:?}");
            } else {
                let reason = reason(&settings).await;
                assert!(reason.contains("tls.min_version"), "{protocol:?}: {reason}");
            }
        }
    }
}

#[tokio::test]
async fn a_backend_that_knows_its_clients_takes_traces_of_those_alone() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for (protocol, version) in PROTOCOLS.into_iter().flat_map(|protocol| [(protocol, &TLS12), (protocol, &TLS13)]) {
        let folder = folder_with(&ours);
        let collector = Collector::start_with_tls(ours.issue(HOST).server_of(Some(&ours), &[version])).await;

        let nobody = reason(&settings(folder.path(), &collector, protocol, false)).await;
        assert!(nobody.contains("client certificate") && nobody.contains("tls.crt_file"), "{protocol:?}: {nobody}");

        theirs.issue("callspan").write(folder.path(), "client");
        let stranger = reason(&settings(folder.path(), &collector, protocol, true)).await;
        assert!(stranger.contains("refused the client certificate"), "{protocol:?} {version:?}: {stranger}");
        assert_eq!(collector.requests(), []);

        ours.issue("callspan").write(folder.path(), "client");
        let known = settings(folder.path(), &collector, protocol, true);
        assert_eq!(export(&exporter(&known)).await, Answer::Accepted, "{protocol:?} {version:?}");
        let endpoint = known.resolve(|_| None).expect("an endpoint");
        assert_eq!(reach(&endpoint).await, Ok(Reach::Reached), "{protocol:?} {version:?}");
    }
}

#[tokio::test]
async fn files_that_change_hold_from_the_next_request_on() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for protocol in PROTOCOLS {
        let folder = folder_with(&theirs);
        theirs.issue("callspan").write(folder.path(), "client");
        let collector = Collector::start_with_tls(ours.issue(HOST).server(Some(&ours))).await;
        let exporter = exporter(&settings(folder.path(), &collector, protocol, true));
        let mut prepared = exporter.prepare(vec![answered_call(1)], &scope());
        let reason = async |prepared: &mut Prepared| match exporter.send(prepared).await {
            Some(Answer::Retry { reason, .. }) => reason,
            answer => unreachable!("{protocol:?}: {answer:?}"),
        };
        assert!(reason(&mut prepared).await.contains("set tls.ca_file"));

        fs::write(folder.path().join("ca.crt"), ours.pem()).expect("it is written");
        assert!(reason(&mut prepared).await.contains("refused the client certificate"));

        // Half of the change: what cannot be used is told, and what could be used before stays in use.
        let Issued { certificate, key } = ours.issue("callspan");
        fs::write(folder.path().join("client.crt"), certificate).expect("it is written");
        let half = reason(&mut prepared).await;
        assert!(half.contains("refused the client certificate") && half.contains("tls.key_file: "), "{half}");

        fs::write(folder.path().join("client.key"), key).expect("it is written");
        assert_eq!(exporter.send(&mut prepared).await, Some(Answer::Accepted), "{protocol:?}");
        assert_eq!(collector.requests(), [request(vec![answered_call(1)], &scope())]);
    }
}

#[tokio::test]
async fn a_token_that_changes_goes_with_the_next_request() {
    for protocol in PROTOCOLS {
        let folder = tempfile::tempdir().expect("a folder");
        let [token, key] = ["token", "key"].map(|name| folder.path().join(name));
        let collector = Collector::start([]).await;
        let settings = EndpointSettings {
            endpoint: Some(collector.address(protocol)),
            protocol: Some(protocol),
            headers: Some(vec![("x-key".to_owned(), SecretSource::File(key.clone()))]),
            token: Some(SecretSource::File(token.clone())),
            ..EndpointSettings::default()
        };
        fs::write(&key, "key-1\n").and_then(|()| fs::write(&token, "token-1\n")).expect("they are written");
        let exporter = exporter(&settings);
        for (path, text, expected) in [
            (&key, "key-2\n", ["key-2", "Bearer token-1"]),
            (&token, "token-22\n", ["key-2", "Bearer token-22"]),
            // A file that is empty for a moment changes nothing.
            (&token, "", ["key-2", "Bearer token-22"]),
        ] {
            fs::write(path, text).expect("it is written");
            assert_eq!(export(&exporter).await, Answer::Accepted, "{protocol:?}");
            let headers = collector.headers();
            let sent = ["x-key", "authorization"].map(|name| headers.get(name).and_then(|it| it.to_str().ok()));
            assert_eq!(sent, expected.map(Some), "{protocol:?}");
        }
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_told_by_their_settings_and_without_what_they_hold() {
    let authority = Authority::new("ours");
    let (good, other) = (authority.issue("a"), authority.issue("a"));
    let none = "s3cret";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nczNjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for (ca, certificate, key, expected) in [
        (none, good.certificate.as_str(), good.key.as_str(), "tls.ca_file: the file holds no certificate in PEM"),
        (&authority.pem(), none, &good.key, "tls.crt_file: the file holds no certificate in PEM"),
        (&authority.pem(), &good.certificate, none, "tls.key_file: the file holds no private key in PEM"),
        (&authority.pem(), &good.certificate, encrypted, "tls.key_file: the key is encrypted"),
        (&authority.pem(), &good.certificate, &other.key, "tls.key_file: the key is not that of the certificate"),
        ("", &good.certificate, &good.key, "tls.ca_file: failed to read the file: No such file"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, text) in [("ca.crt", ca), ("client.crt", certificate), ("client.key", key)] {
            if !text.is_empty() {
                fs::write(folder.path().join(name), text).expect("it is written");
            }
        }
        let file = |name: &str| Some(folder.path().join(name));
        let tls = TlsSettings {
            ca_file: file("ca.crt"),
            crt_file: file("client.crt"),
            key_file: file("client.key"),
            ..TlsSettings::default()
        };
        let endpoint = Some("https://localhost".to_owned());
        let settings = EndpointSettings { endpoint, tls, ..EndpointSettings::default() };
        let endpoint = settings.resolve(|_| None).expect("nothing is read yet");
        let error = endpoint.check_files().expect_err(expected).to_string();
        assert!(error.starts_with(expected) && !error.contains(none), "{error}");
        let error = Exporter::new(&endpoint).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.contains(expected), "{error}");
    }
}
