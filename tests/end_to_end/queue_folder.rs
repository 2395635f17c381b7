//! The folder of a queue holds call records: it is for one user and one process alone, and is not touched by one that does
//! not understand it.

use callspan_tests::{Builder, Decoder, Outbox, Protocol, Request, Service, records};
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Nobody else may look into any folder or file of it, whatever happened to it.
#[test]
fn nobody_else_can_read_what_waits() {
    let outbox = Outbox::new();
    for _ in 0..2 {
        let service = outbox.service().start();
        assert_eq!(service.push(records::call("one")).status, 200);
        service.kill();
    }
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&queue(&outbox)), 0o700);
    let all = everything(&queue(&outbox));
    assert!(all.len() > 10, "{all:?}");
    for path in all {
        assert_eq!(mode(&path), if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

/// One that others can look into is refused, with what to do about it; once that is done, it is used.
#[test]
fn a_folder_that_others_can_use_is_refused() {
    let outbox = used();
    fs::set_permissions(queue(&outbox), Permissions::from_mode(0o755)).expect("it is ours");
    let advice = format!("chmod -R go= {}", queue(&outbox).display());
    assert_refused(outbox.service(), &["mode 755", &advice]);
    fs::set_permissions(queue(&outbox), Permissions::from_mode(0o700)).expect("it is ours");
    assert_eq!(outbox.drain().len(), 1);
}

/// A second process on the same folder is refused and told who has it; the first one goes on.
#[test]
fn a_second_process_is_refused() {
    let outbox = Outbox::new();
    let service = outbox.service().start();
    let by = format!("in use by process {}", service.process_id());
    assert_refused(outbox.service(), &[&by, "data_dir"]);
    assert_eq!(service.push(records::call("one")).status, 200);
    service.kill();
    // What is left of one that was killed holds up nobody.
    assert_eq!(outbox.drain().len(), 1);
}

/// A folder that a newer version has written is refused before anything in it is changed.
#[test]
fn a_newer_format_is_refused() {
    let outbox = used();
    let format = queue(&outbox).join("FORMAT");
    fs::write(&format, "callspan queue 2\n").expect("it is ours");
    assert_refused(outbox.service(), &["newer callspan, in format 2", "formats up to 1"]);
    fs::write(&format, "callspan queue 1\n").expect("it is ours");
    assert_eq!(outbox.drain().len(), 1);
}

/// With a key, nothing of a record can be read in any file, neither of those that wait nor of dead letters; without it,
/// or with another one, the start is refused.
#[test]
fn what_is_encrypted_says_nothing_and_needs_its_key() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    for (name, digit) in [("key", "4"), ("other", "5")] {
        fs::write(path(name), digit.repeat(64)).expect("the folder is ours");
        fs::set_permissions(path(name), Permissions::from_mode(0o600)).expect("it is ours");
    }
    let service = |queue: &str| {
        let config = format!(
            "{queue}
sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ backend: {{ type: opentelemetry }} }}
"
        );
        Service::new().config(&config).export_to(backend.endpoint(Protocol::Grpc)).durable().data_dir(&path("data"))
    };
    let with_key = |name: &str| service(&format!("queue: {{ encryption_key_file: '{}' }}", path(name).display()));
    // Numbers that nobody has, in a record that waits and in one that the mapping refuses.
    let waits = planted("waits", "0085200000017");
    let refused = r#"{"Caller":"0085200000029"}"#;
    let is_shown = |number: &str| {
        let files = everything(&path("data")).into_iter().filter(|path| path.is_file());
        files
            .map(|file| fs::read(file).expect("it is ours"))
            .any(|bytes| bytes.windows(number.len()).any(|window| window == number.as_bytes()))
    };
    backend.answer(callspan_tests::Cue::Unavailable);
    let mut running = with_key("key").start();
    for record in [waits.as_str(), refused] {
        assert_eq!(running.push(record).status, 200);
    }
    running.wait_for_metric("callspan_dead_letters", &[], 1.0);
    assert!(!is_shown("0085200000017") && !is_shown("0085200000029"), "a number can be read on the disk");
    running.signal(callspan_tests::Signal::TERM);
    running.signal(callspan_tests::Signal::TERM);
    running.wait();
    assert!(!is_shown("0085200000017") && !is_shown("0085200000029"), "a number can be read on the disk");

    assert_refused(service(""), &["encrypted", "encryption_key_file"]);
    assert_refused(with_key("other"), &["encrypted with another key", "encryption_key_file"]);
    backend.answer(callspan_tests::Cue::Accept);
    let running = with_key("key").start();
    running.wait_until_drained();
    assert_eq!(backend.taken_sessions(), ["waits"]);
}

/// Without a key they do lie in clear: the look above finds what is there.
#[test]
fn what_is_not_encrypted_is_found() {
    let outbox = Outbox::new();
    let service = outbox.service().start();
    assert_eq!(service.push(planted("clear", "0085200000017")).status, 200);
    service.kill();
    let found = everything(&queue(&outbox))
        .into_iter()
        .filter(|path| path.is_file())
        .any(|file| fs::read(file).expect("it is ours").windows(13).any(|window| window == b"0085200000017"));
    assert!(found);
}

/// A sink with another name is another sink: what waits for the old one is kept and told, and the new one begins with what
/// comes from now on, or with the oldest record that is there.
#[test]
fn a_sink_with_a_new_name_leaves_the_backlog_of_the_old_one() {
    for (start_from, expected) in [("now", vec!["later"]), ("earliest", vec!["one", "two", "three", "later"])] {
        let Some(gone) = Decoder::start() else { return };
        let (ports, endpoint) = (gone.ports(), gone.endpoint(Protocol::Grpc));
        drop(gone);
        let folder = tempfile::tempdir().expect("a folder");
        let service = |sink: &str, start_from: &str| {
            let config = format!(
                "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ {sink}: {{ type: opentelemetry, start_from: {start_from} }} }}
"
            );
            Service::new().config(&config).export_to(endpoint.clone()).durable().data_dir(folder.path())
        };
        let old = service("old", "now").start();
        for session in ["one", "two", "three"] {
            assert_eq!(old.push(records::call(session)).status, 200);
        }
        old.kill();

        let Some(backend) = Decoder::start_on(ports) else { return };
        let mut new = service("new", start_from).start();
        new.wait_for_log(r#""code":"consumer_gone""#);
        let log = new.log();
        let line = log.lines().find(|line| line.contains("consumer_gone")).unwrap_or_default();
        assert!(line.contains(r#""consumer":"calls/old""#) && line.contains(r#""records":3"#), "{line}");
        assert_eq!(new.push(records::call("later")).status, 200);
        new.wait_for_metric("callspan_consumer_waiting_events", &["calls/new"], 0.0);
        let expected: BTreeSet<String> = expected.into_iter().map(str::to_owned).collect();
        assert_eq!(BTreeSet::from_iter(backend.taken_sessions()), expected, "{start_from}");
        assert_eq!(new.metric("callspan_consumer_waiting_events", &["calls/old"]), 3.0);
        assert_eq!(new.terminate().code(), Some(0));

        // Configured again, it gets what waits for it, and nothing of what came while it was not.
        let old = service("old", "now").start();
        old.wait_for_metric("callspan_consumer_waiting_events", &["calls/old"], 0.0);
        let taken = backend.taken_sessions();
        assert_eq!(taken.iter().filter(|session| *session == "later").count(), 1, "{taken:?}");
        assert!(["one", "two", "three"].iter().all(|session| taken.iter().any(|taken| taken == session)), "{taken:?}");
    }
}

fn queue(outbox: &Outbox) -> PathBuf {
    outbox.data_dir().join("queue")
}

/// One that a service has stored a record in, and was killed.
fn used() -> Outbox {
    let outbox = Outbox::new();
    let service = outbox.service().start();
    assert_eq!(Request::push(records::call("one")).send(service.address()).status, 200);
    service.kill();
    outbox
}

/// It does not start, and says this.
#[track_caller]
fn assert_refused(service: Builder, words: &[&str]) {
    let refused = service.refuse();
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{}", refused.stderr);
    for word in words {
        assert!(refused.stderr.contains(word), "no `{word}` in {}", refused.stderr);
    }
}

/// Every folder and file below this one.
fn everything(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("it is ours") {
        let path = entry.expect("it is ours").path();
        if path.is_dir() {
            found.extend(everything(&path));
        }
        found.push(path);
    }
    found
}

fn planted(session: &str, number: &str) -> String {
    records::call(session).replace("\"StartTimestamp\"", &format!("\"Caller\":\"{number}\",\"StartTimestamp\""))
}
