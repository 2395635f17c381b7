//! Who takes from a queue, for people and for programs, and giving up what waits for somebody who is gone.

use callspan_tests::{Callspan, Finished, Outbox, Service, records};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// With a sink of this name, which nobody is there for.
fn service(data_dir: &Path, sink: &str) -> Service {
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ {sink}: {{ type: opentelemetry }} }}
"
    );
    Service::new().config(&config).durable().data_dir(data_dir).start()
}

fn ask<const N: usize>(data_dir: &Path, arguments: [&str; N]) -> Finished {
    Callspan::new(arguments).arguments(["--data-dir", &data_dir.display().to_string()]).run()
}

fn lines(finished: &Finished) -> Vec<Value> {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

/// A table's rows, by their words.
fn rows(finished: &Finished) -> Vec<Vec<&str>> {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    finished.stdout.lines().map(|line| line.split_whitespace().collect()).collect()
}

/// A sink got another name while three records waited for it. It is listed with what waits, is given up only by whoever
/// means it, and is gone then, from what is waiting and from what the next start tells.
#[test]
fn a_sink_that_is_gone_is_forgotten_with_what_waits_for_it() {
    for is_stopped in [false, true] {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = folder.path();
        let old = service(data_dir, "old");
        for session in ["one", "two", "three"] {
            assert_eq!(old.push(records::call(session)).status, 200);
        }
        old.kill();
        let mut new = service(data_dir, "new");
        assert!(new.log().contains(r#""code":"consumer_gone""#), "{}", new.log());
        assert_eq!(new.push(records::call("four")).status, 200);
        new.wait_for_metric("callspan_consumer_waiting_events", &["calls/new"], 1.0);
        let in_use = ask(data_dir, ["queue", "forget", "new", "--yes"]);
        assert_eq!(in_use.code, Some(1));
        assert!(in_use.stderr.contains("`calls/new` takes records"), "{}", in_use.stderr);
        if is_stopped {
            // It would wait for the backend otherwise.
            new.signal(callspan_tests::Signal::TERM);
            new.signal(callspan_tests::Signal::TERM);
            assert_eq!(new.wait().code(), Some(0));
        }

        let sinks = lines(&ask(data_dir, ["queue", "sinks", "--format", "json"]));
        let told = |sink: &Value| (sink["name"].clone(), sink["is_following"].clone(), sink["waiting"].clone());
        let expected = [("calls/new", true, 1), ("calls/old", false, 3)];
        let expected = expected.map(|(name, follows, waiting)| (name.into(), follows.into(), waiting.into()));
        assert_eq!(sinks.iter().map(told).collect::<Vec<_>>(), expected);
        assert!(sinks[1]["oldest_waiting_at"].is_string(), "{}", sinks[1]);
        assert_eq!(sinks[1]["counts"]["received"], 3, "{}", sinks[1]);
        let listed = ask(data_dir, ["queue", "sinks"]);
        let listed = rows(&listed);
        assert_eq!(listed[0][..3], ["SINK", "CONFIGURED", "WAITING"]);
        assert_eq!((&listed[1][..3], &listed[2][..3]), (&["calls/new", "yes", "1"][..], &["calls/old", "no", "3"][..]));

        assert_eq!(ask(data_dir, ["queue", "forget", "old"]).code, Some(2), "nobody can be asked");
        let unknown = ask(data_dir, ["queue", "forget", "nobody", "--yes"]);
        assert_eq!(unknown.code, Some(1));
        assert!(unknown.stderr.contains("no sink `nobody`; it knows calls/new, calls/old"), "{}", unknown.stderr);
        if is_stopped {
            let told = ask(data_dir, ["queue", "forget", "calls/old", "--yes"]);
            assert_eq!((told.code, told.stdout.as_str()), (Some(0), "calls/old is forgotten, 3 records given up\n"));
        } else {
            let told = lines(&ask(data_dir, ["queue", "forget", "old", "--yes", "--format", "json"]));
            assert_eq!(told, [serde_json::json!({ "name": "calls/old", "given_up": 3 })]);
            new.wait_for_metric("callspan_consumer_waiting_events", &["calls/old"], 0.0);
        }
        let left = lines(&ask(data_dir, ["queue", "sinks", "--format", "json"]));
        assert_eq!(left.iter().map(told).collect::<Vec<_>>(), expected[..1]);
        drop(new);
        assert!(!service(data_dir, "new").log().contains("consumer_gone"), "it is not known any more");
    }
}

/// What the queue holds is told of the service that runs and of the one that is stopped.
#[test]
fn what_the_queue_holds_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut running = service(folder.path(), "backend");
    assert_eq!(running.push(records::call("one")).status, 200);
    assert_eq!(running.push("{").status, 400);
    for word in ["runs", "is stopped"] {
        if word != "runs" {
            running.signal(callspan_tests::Signal::TERM);
            running.signal(callspan_tests::Signal::TERM);
            assert_eq!(running.wait().code(), Some(0));
        }
        let status = lines(&ask(folder.path(), ["queue", "status", "--format", "json"])).remove(0);
        let numbers = ["records", "dead_letters", "quarantined"].map(|name| status[name].as_u64());
        assert_eq!((numbers, status["durability"].as_str()), ([Some(1), Some(1), Some(0)], Some("fsync")), "{status}");
        assert!(status["bytes"].as_u64() > status["dead_letter_bytes"].as_u64(), "{status}");
        assert!(status["free_bytes"].as_u64() > Some(0) && status["disk_bytes"].as_u64() > Some(0), "{status}");
        let told = ask(folder.path(), ["queue", "status"]).stdout;
        for line in [&format!("service       {word}"), "durability    fsync", "records       1, waiting or kept"] {
            assert!(told.lines().any(|told| told == line), "no `{line}` in {told}");
        }
        assert!(told.contains("dead letters  1, "), "{told}");
    }
}

/// How records are kept stands in the log of the start and in the metrics, whichever way it is.
#[test]
fn the_durability_is_told_by_the_log_and_by_the_metrics() {
    for durability in ["fsync", "interval", "memory"] {
        let service = Service::new().durable().arguments(["--durability", durability]).start();
        let log = service.log();
        assert!(log.contains(&format!(r#""durability":"{durability}""#)), "{log}");
        let label = format!("durability=\"{durability}\"");
        assert_eq!(service.metric("callspan_queue_info", &[&label]), 1.0, "{durability}");
        assert_eq!(service.metric("callspan_queue_info", &[]), 1.0, "{durability} alone");
    }
}

/// A command that works on the folder of a stopped service makes no file that others could read, whatever its shell says
/// of new files.
#[test]
fn commands_on_a_stopped_queue_make_no_file_for_others() {
    use std::os::unix::fs::PermissionsExt as _;

    let outbox = Outbox::new();
    let service = outbox.service().start();
    for session in ["one", "two"] {
        assert_eq!(service.push(records::call(session)).status, 200);
    }
    service.kill();
    let data_dir = outbox.data_dir().display().to_string();
    let script = format!("umask 0022; callspan erase --session one --yes --data-dir '{data_dir}'");
    let erased = Callspan::script(&script, outbox.path()).run();
    assert_eq!(erased.code, Some(0), "{}{}", erased.stdout, erased.stderr);
    assert_private(&outbox.data_dir().join("queue"));

    fn assert_private(path: &Path) {
        let found = fs::metadata(path).expect("it is there");
        assert_eq!(found.permissions().mode() & 0o077, 0, "{}", path.display());
        if found.is_dir() {
            fs::read_dir(path).expect("it is ours").flatten().for_each(|entry| assert_private(&entry.path()));
        }
    }
}
