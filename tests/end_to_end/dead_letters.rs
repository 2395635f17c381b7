//! What was refused for good is kept, looked at, delivered once more, given up and erased, while the service runs and
//! when it is stopped.

use callspan_tests::{Callspan, Finished, Service, records, wait_until};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A record without any time, which the mapping refuses.
const TIMELESS: &str = r#"{"SessionId":"timeless-1","Caller":"+4915112345678"}"#;

fn ask<const N: usize>(data_dir: &Path, arguments: [&str; N]) -> Finished {
    Callspan::new(arguments).arguments(["--data-dir", &data_dir.display().to_string()]).run()
}

fn lines(finished: &Finished) -> Vec<Value> {
    finished.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn letters(data_dir: &Path) -> Vec<Value> {
    let finished = ask(data_dir, ["dead-letter", "list", "--format", "json"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    lines(&finished)
}

/// A service that has refused one record, and its folder.
fn with_a_dead_letter() -> (Service, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::new().durable().data_dir(folder.path()).start();
    assert_eq!(service.push(TIMELESS).status, 200);
    wait_until("the record is a dead letter", || letters(folder.path()).len() == 1);
    (service, folder)
}

/// A sender that goes wrong fills no disk with lines: each record is kept, and the log has the first hundred in ten seconds.
#[test]
fn of_many_refused_records_each_is_kept_and_some_have_a_line_in_the_log() {
    const RECORDS: usize = 500;
    let folder = tempfile::tempdir().expect("a folder");
    let service = Service::new().durable().data_dir(folder.path()).start();
    let bodies: Vec<String> = (0..RECORDS).map(|number| format!(r#"{{"SessionId":"timeless-{number}"}}"#)).collect();
    assert_eq!(service.push(bodies.join("\n")).status, 200);
    wait_until("all are dead letters", || letters(folder.path()).len() == RECORDS);
    let lines = || service.log().lines().filter(|line| line.contains("record refused")).count();
    wait_until("a hundred lines of them", || lines() >= 100);
    // Ten seconds may end in between.
    assert!(lines() <= 200, "{} lines", lines());
}

/// The same answers come from the running service and from the folder of the stopped one, and neither shows a number.
#[test]
fn a_dead_letter_is_shown_without_what_people_wrote_running_and_stopped() {
    let (mut service, folder) = with_a_dead_letter();
    for is_stopped in [false, true] {
        if is_stopped {
            assert!(service.terminate().success());
        }
        let letter = letters(folder.path()).remove(0);
        assert_eq!(letter["refusals"][0]["code"], "no_time", "{letter}");
        assert_eq!(letter["refusals"][0]["sink"], "calls/backend");
        assert!(letter["refusals"][0].get("message").is_none());
        let id = letter["id"].to_string();
        let shown = ask(folder.path(), ["dead-letter", "show", &id]);
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        assert!(shown.stdout.contains("\"SessionId\": text(10)"), "{}", shown.stdout);
        assert!(!shown.stdout.contains("12345678"), "{}", shown.stdout);
        let plain = ask(folder.path(), ["dead-letter", "show", &id, "--privacy", "plain"]);
        assert!(plain.stdout.contains(TIMELESS), "{}", plain.stdout);
        let none = ask(folder.path(), ["dead-letter", "show", "999"]);
        assert_eq!(none.code, Some(1));
        assert!(none.stderr.contains("no dead letter 999"), "{}", none.stderr);
    }
}

/// It goes to the sink that refused it, is refused again, and is a dead letter again, with another id.
#[test]
fn a_dead_letter_is_delivered_once_more_and_given_up() {
    let (_service, folder) = with_a_dead_letter();
    let dry = ask(folder.path(), ["dead-letter", "replay", "--all", "--dry-run", "--format", "json"]);
    assert_eq!(lines(&dry)[0]["sinks"]["calls/backend"], 1, "{}", dry.stdout);
    let before = letters(folder.path())[0]["id"].clone();
    assert_eq!(ask(folder.path(), ["dead-letter", "replay", "--all"]).code, Some(0));
    wait_until("it was refused again", || letters(folder.path()).first().is_some_and(|it| it["id"] != before));
    let unasked = ask(folder.path(), ["dead-letter", "purge", "--all"]);
    assert_eq!(unasked.code, Some(2), "nobody can be asked");
    assert_eq!(ask(folder.path(), ["dead-letter", "purge", "--all", "--yes"]).code, Some(0));
    assert!(letters(folder.path()).is_empty());
}

/// The file is its maker's alone, and none is overwritten.
#[test]
fn raw_records_are_exported_to_a_private_file() {
    let (_service, folder) = with_a_dead_letter();
    let file = folder.path().join("out.ndjson");
    let name = file.display().to_string();
    assert_eq!(ask(folder.path(), ["dead-letter", "export", &name]).code, Some(0));
    assert_eq!(fs::read_to_string(&file).expect("it was made"), format!("{TIMELESS}\n"));
    let mode = fs::metadata(&file).expect("it was made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(ask(folder.path(), ["dead-letter", "export", &name]).code, Some(1));
    assert_eq!(ask(folder.path(), ["dead-letter", "export", "-"]).stdout, format!("{TIMELESS}\n"));
}

/// Nobody answers at the backend, so the record waits; afterwards nothing of it is in any file.
#[test]
fn a_session_is_erased_running_and_stopped() {
    for is_stopped in [false, true] {
        let (mut service, folder) = with_a_dead_letter();
        assert_eq!(service.push(records::call("waits-1")).status, 200);
        if is_stopped {
            assert!(service.terminate().success());
        }
        let erase = |session: &str| {
            let finished = ask(folder.path(), ["erase", "--session", session, "--yes", "--format", "json"]);
            assert_eq!(finished.code, Some(0), "{}{}", finished.stdout, finished.stderr);
            lines(&finished).remove(0)
        };
        assert_eq!(erase("waits-1")["waiting"], 1);
        assert_eq!(erase("timeless-1")["dead_letters"], 1);
        for id in ["waits-1", "timeless-1"] {
            assert!(!holds(folder.path(), id.as_bytes()), "{id}");
        }
        let status = ask(folder.path(), ["queue", "sinks", "--format", "json"]);
        assert_eq!(lines(&status)[0]["waiting"], 0, "{}", status.stdout);
    }
}

/// What was delivered can be delivered again for as long as it is kept, and it is said what becomes of it.
#[test]
fn history_is_counted_and_replayed() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = "sources:\n  tccc: { type: http_server, address: \"127.0.0.1:0\" }\nqueue: { keep: 1h }\nsinks:\n  lines: { type: file, inputs: [calls], path: LINES }\ntransforms:\n  calls: { type: plugin, inputs: [tccc] }\n";
    let out = folder.path().join("traces.jsonl");
    let config = config.replace("LINES", &out.display().to_string());
    let service = Service::new().durable().data_dir(&folder.path().join("data")).config(&config).start();
    assert_eq!(service.push(records::SEED).status, 200);
    let written = || fs::read_to_string(&out).map_or(0, |text| text.lines().count());
    wait_until("it is delivered", || written() == 1);
    let data_dir = folder.path().join("data");
    let dry = ask(&data_dir, ["replay", "--since", "1h", "--sink", "lines", "--dry-run", "--format", "json"]);
    let line = lines(&dry).remove(0);
    assert_eq!((&line["records"], &line["byte_identical"]), (&Value::from(1), &Value::from(true)), "{line}");
    assert_eq!(ask(&data_dir, ["replay", "--since", "1h", "--sink", "lines"]).code, Some(0));
    wait_until("it is delivered again", || written() == 2);
    assert_eq!(ask(&data_dir, ["replay", "--since", "1h", "--sink", "nobody"]).code, Some(1));
}

fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).expect("it is there").flatten().any(|file| {
        let path = file.path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes))
    })
}
