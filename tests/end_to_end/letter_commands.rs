//! Dead letters by every option of the commands, for people and for programs, while the service runs and when it is
//! stopped.

use callspan_tests::{Callspan, Cue, Decoder, Finished, Protocol, Service, Signal, records, wait_until};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Without any time, and with a number that nobody has.
const TIMELESS: &str = r#"{"SessionId":"timeless-1","Caller":"+4915112345678"}"#;
/// What each letter has in common with itself alone, in the order of their ids.
const CODES: [&str; 3] = ["no_time", "incomplete", "not_json"];

/// A service with two sinks, whose mapping has refused two records for both, and which has refused a third itself.
struct Fixture {
    service: Service,
    folder: TempDir,
    ids: [String; 3],
}

impl Fixture {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks:
  one: {{ type: file, path: '{}' }}
  two: {{ type: file, path: '{}' }}
",
            folder.path().join("one.jsonl").display(),
            folder.path().join("two.jsonl").display()
        );
        let data_dir = folder.path().join("data");
        let service = Service::new().config(&config).durable().data_dir(&data_dir).start();
        for (record, status) in [(TIMELESS, 200), ("{}", 200), ("{", 400)] {
            assert_eq!(service.push(record).status, status);
        }
        let mut fixture = Self { service, folder, ids: Default::default() };
        let is_refused = |letter: &Value| letter["refusals"].as_array().is_some_and(|all| all.len() == 2);
        wait_until("all of them are dead", || {
            let listed = fixture.listed(&[]);
            listed.len() == 3 && listed[..2].iter().all(is_refused)
        });
        let ids: Vec<String> = fixture.listed(&[]).iter().map(|letter| letter["id"].to_string()).collect();
        fixture.ids = ids.try_into().expect("three");
        fixture
    }

    fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn ask(&self, arguments: &[&str]) -> Finished {
        ask(&self.data_dir(), arguments)
    }

    /// The one JSON line that is written.
    fn told(&self, arguments: &[&str]) -> Value {
        let finished = self.ask(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(finished.stdout.trim()).expect("a JSON line")
    }

    fn listed(&self, options: &[&str]) -> Vec<Value> {
        let finished = self.ask(&[&["dead-letter", "list", "--format", "json"], options].concat());
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }

    fn stop(&mut self) {
        assert_eq!(self.service.terminate().code(), Some(0));
    }
}

fn ask(data_dir: &Path, arguments: &[&str]) -> Finished {
    let command = arguments.iter().fold(Callspan::new([]), |command, argument| command.arguments([*argument]));
    command.arguments(["--data-dir", &data_dir.display().to_string()]).run()
}

#[test]
fn letters_are_listed_by_every_option() {
    let mut fixture = Fixture::start();
    let [timeless, empty, broken] = fixture.ids.clone();
    for is_stopped in [false, true] {
        if is_stopped {
            fixture.stop();
        }
        for (options, expected) in [
            (&["--code", "no_time"][..], vec![&timeless]),
            (&["--code", "not_json"], vec![&broken]),
            (&["--code", "no_such_code"], vec![]),
            (&["--class", "incomplete"], vec![&timeless, &empty]),
            (&["--class", "malformed"], vec![&broken]),
            (&["--source", "tccc"], vec![&timeless, &empty, &broken]),
            (&["--source", "other"], vec![]),
            (&["--sink", "one"], vec![&timeless, &empty]),
            (&["--sink", "calls/two", "--code", "incomplete"], vec![&empty]),
            (&["--since", "1h"], vec![&timeless, &empty, &broken]),
            (&["--since", "2100-01-01T00:00:00Z"], vec![]),
            (&["--limit", "2"], vec![&timeless, &empty]),
        ] {
            let ids: Vec<String> = fixture.listed(options).iter().map(|letter| letter["id"].to_string()).collect();
            assert_eq!(ids.iter().collect::<Vec<_>>(), expected, "{options:?}");
            let finished = fixture.ask(&[&["dead-letter", "list"], options].concat());
            assert_eq!(finished.code, Some(0), "{options:?}: {}", finished.stderr);
            let rows: Vec<&str> = finished.stdout.lines().collect();
            if expected.is_empty() {
                assert_eq!(rows, ["no dead letters"], "{options:?}");
                continue;
            }
            assert!(rows[0].starts_with("ID ") && rows[0].ends_with(" MESSAGE"), "{options:?}: {}", rows[0]);
            // A row for each sink that refused it.
            let count = expected.iter().map(|id| if **id == broken { 1 } else { 2 }).sum::<usize>();
            assert_eq!(rows.len(), 1 + count, "{options:?}: {rows:#?}");
        }
        assert_eq!(fixture.ask(&["dead-letter", "list", "--sink", "nobody"]).code, Some(1));
        assert_eq!(fixture.ask(&["dead-letter", "list", "--since", "soon"]).code, Some(2));
    }
}

/// A message may quote the record: it is shown to whoever asks for it, and else its length alone.
#[test]
fn what_people_wrote_is_shown_to_whoever_asks_for_it() {
    let mut fixture = Fixture::start();
    let timeless = fixture.ids[0].clone();
    for is_stopped in [false, true] {
        if is_stopped {
            fixture.stop();
        }
        let plain = ["--privacy", "plain"];
        let listed = [&["dead-letter", "list"][..], &["dead-letter", "show", &timeless]].map(|command| {
            let (masked, shown) = (fixture.ask(command), fixture.ask(&[command, &plain].concat()));
            assert_eq!((masked.code, shown.code), (Some(0), Some(0)), "{}{}", masked.stderr, shown.stderr);
            assert!(masked.stdout.contains("length=") && !shown.stdout.contains("length="), "{}", masked.stdout);
            assert!(!masked.stdout.contains("12345678"), "{}", masked.stdout);
            masked.stdout
        });
        let shown = &listed[1];
        for line in [&format!("dead letter  {timeless}"), "source       tccc", "class, code  incomplete, no_time"] {
            assert!(shown.lines().any(|shown| shown == line), "no `{line}` in {shown}");
        }
        assert!(
            shown.contains("refused by   calls/one at ") && shown.contains("refused by   calls/two at "),
            "{shown}"
        );
        assert!(shown.contains("plugin       tccc "), "{shown}");

        let masked = fixture.told(&["dead-letter", "show", &timeless]);
        assert!(masked["outline"].is_string() && masked.get("body").is_none(), "{masked}");
        let refusal = &masked["refusals"][0];
        assert!(refusal["message_length"].as_u64() > Some(0) && refusal.get("message").is_none(), "{masked}");
        let shown = fixture.told(&["dead-letter", "show", &timeless, "--privacy", "plain"]);
        assert_eq!(shown["body"], TIMELESS);
        assert!(shown["refusals"][0]["message"].is_string(), "{shown}");
        let intake = fixture.told(&["dead-letter", "show", &fixture.ids[2]]);
        assert!(intake["refusals"][0]["sink"].is_null(), "the source refused it: {intake}");
    }
}

#[test]
fn a_replay_is_counted_for_every_choice_of_letters_and_sinks() {
    let mut fixture = Fixture::start();
    let [timeless, empty, broken] = fixture.ids.clone();
    for is_stopped in [false, true] {
        if is_stopped {
            fixture.stop();
        }
        for (options, letters, sinks) in [
            (&["--all"][..], 3, json!({ "calls/one": 3, "calls/two": 3 })),
            (&["--all", "--sink", "one"], 3, json!({ "calls/one": 3 })),
            (&["--code", "no_time"], 1, json!({ "calls/one": 1, "calls/two": 1 })),
            (&[&timeless, &empty], 2, json!({ "calls/one": 2, "calls/two": 2 })),
            (&[&broken, "--sink", "calls/two"], 1, json!({ "calls/two": 1 })),
            (&["--code", "no_such_code"], 0, json!({})),
        ] {
            let command = [&["dead-letter", "replay", "--dry-run"], options].concat();
            let told = fixture.told(&command);
            assert_eq!((&told["dry_run"], &told["letters"]), (&true.into(), &letters.into()), "{options:?}: {told}");
            assert_eq!((&told["sinks"], &told["left"]), (&sinks, &0.into()), "{options:?}: {told}");
            let words = fixture.ask(&command).stdout;
            let plural = if letters == 1 { "" } else { "s" };
            assert!(
                words.starts_with(&format!("{letters} dead letter{plural} would be delivered once more\n")),
                "{words}"
            );
        }
        let missing = fixture.ask(&["dead-letter", "replay", "--dry-run", &timeless, "999"]);
        assert_eq!(missing.code, Some(1));
        assert!(missing.stderr.contains("there is no dead letter 999"), "{}", missing.stderr);
        assert_eq!(fixture.listed(&[]).len(), 3, "nothing was done");
    }
}

/// For the sink that was not named it stays the letter that it was.
#[test]
fn a_letter_that_goes_to_one_sink_stays_for_the_other() {
    let fixture = Fixture::start();
    let timeless = &fixture.ids[0];
    let told = fixture.ask(&["dead-letter", "replay", timeless, "--sink", "one"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(0), "1 dead letter on the way once more\n  calls/one: 1\n"));
    // It is refused again.
    wait_until("another letter", || fixture.listed(&["--code", "no_time"]).len() == 2);
    let sinks: Vec<Value> = fixture
        .listed(&["--code", "no_time"])
        .iter()
        .map(|letter| json!([letter["refusals"][0]["sink"], letter["refusals"][1]["sink"]]))
        .collect();
    assert_eq!(sinks, [json!(["calls/two", null]), json!(["calls/one", null])]);
}

#[test]
fn letters_are_exported_and_given_up_by_every_option() {
    for is_stopped in [false, true] {
        let mut fixture = Fixture::start();
        let [timeless, empty, broken] = fixture.ids.clone();
        if is_stopped {
            fixture.stop();
        }
        let all = format!("{TIMELESS}\n{{}}\n\"{{\"\n");
        for (options, expected) in [(&["-"][..], all.as_str()), (&["-", "--code", "not_json"], "\"{\"\n")] {
            let exported = fixture.ask(&[&["dead-letter", "export"], options].concat());
            assert_eq!((exported.code, exported.stdout.as_str()), (Some(0), expected), "{options:?}");
        }
        let file = fixture.folder.path().join("out.ndjson");
        let name = file.display().to_string();
        assert_eq!(fixture.ask(&["dead-letter", "export", &name, "--code", "no_time"]).code, Some(0));
        assert_eq!(fs::read_to_string(&file).expect("it was made"), format!("{TIMELESS}\n"));

        let purge = |options: &[&str]| fixture.told(&[&["dead-letter", "purge", "--yes"], options].concat());
        let codes = || -> Vec<String> {
            let code = |letter: &Value| letter["refusals"][0]["code"].as_str().unwrap_or_default().to_owned();
            fixture.listed(&[]).iter().map(code).collect()
        };
        assert_eq!(purge(&["--older-than", "1h"]), json!({ "letters": 0, "bytes": 0, "missing": [] }));
        assert_eq!(codes(), CODES);
        let length = TIMELESS.len();
        assert_eq!(purge(&["--code", "no_time"]), json!({ "letters": 1, "bytes": length, "missing": [] }));
        assert_eq!(codes(), CODES[1..]);
        assert_eq!(purge(&[&broken, &timeless])["missing"], json!([timeless.parse::<u64>().expect("a number")]));
        assert_eq!(codes(), CODES[1..2]);
        let words = fixture.ask(&["dead-letter", "purge", "--yes", &empty]);
        assert_eq!((words.code, words.stdout.as_str()), (Some(0), "1 dead letter given up, 2 B\n"));
        assert_eq!(codes(), [] as [&str; 0]);
        assert_eq!(fixture.ask(&["dead-letter", "list"]).stdout, "no dead letters\n");
    }
}

/// What a backend refused is delivered to it when it takes it, and to nobody who has it. Asked for while the service is
/// stopped, it is delivered by the next one.
#[test]
fn a_replay_goes_to_the_sink_that_lacks_it() {
    for is_stopped in [false, true] {
        let Some(backend) = Decoder::start() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let (lines, data_dir) = (folder.path().join("lines.jsonl"), folder.path().join("data"));
        let config = format!(
            "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ backend: {{ type: opentelemetry }}, lines: {{ type: file, path: '{}' }} }}
",
            lines.display()
        );
        let start = || {
            let service = Service::new().config(&config).export_to(backend.endpoint(Protocol::Grpc));
            service.durable().data_dir(&data_dir).start()
        };
        let mut service = start();
        backend.answer_next(1, Cue::Refused);
        assert_eq!(service.push(records::call("refused")).status, 200);
        service.wait_for_metric("callspan_dead_letters", &[], 1.0);
        service.wait_until_drained();
        if is_stopped {
            service.signal(Signal::TERM);
            assert_eq!(service.wait().code(), Some(0));
        }
        let replayed = ask(&data_dir, &["dead-letter", "replay", "--all", "--format", "json"]);
        let told: Value = serde_json::from_str(replayed.stdout.trim()).expect("a JSON line");
        assert_eq!((&told["letters"], &told["sinks"]), (&1.into(), &json!({ "calls/backend": 1 })), "{told}");
        let service = if is_stopped { start() } else { service };
        wait_until("it is delivered", || backend.taken_sessions() == ["refused"]);
        service.wait_until_drained();
        service.wait_for_metric("callspan_dead_letters", &[], 0.0);
        assert_eq!(fs::read_to_string(&lines).expect("it was written to").lines().count(), 1);
    }
}

/// Letters are kept for so long, and so many bytes of them: what goes is counted and logged, and the youngest stay.
#[test]
fn letters_that_are_too_old_or_too_many_go_and_are_counted() {
    let start = |dead_letters: &str| {
        let config = format!(
            "queue: {{ dead_letters: {{ {dead_letters} }} }}
sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ backend: {{ type: opentelemetry }} }}
"
        );
        Service::new().config(&config).durable().start()
    };
    const EXPIRED: &str = "callspan_expired_dead_letters_total";
    let mut too_old = start("keep: 1s");
    assert_eq!(too_old.push("{").status, 400);
    too_old.wait_for_metric(EXPIRED, &[], 1.0);
    too_old.wait_for_metric("callspan_dead_letters", &[], 0.0);
    too_old.wait_for_log(r#""code":"dead_letters_expired""#);

    let too_many = start("max_size: 1048576");
    for letter in ["a", "b", "c"] {
        assert_eq!(too_many.push(format!("{{{}", letter.repeat(600_000))).status, 400);
    }
    too_many.wait_for_metric(EXPIRED, &[], 2.0);
    too_many.wait_for_metric("callspan_dead_letters", &[], 1.0);
    let bytes = too_many.metric("callspan_dead_letter_bytes", &[]);
    assert!((600_000.0..610_000.0).contains(&bytes), "{bytes}");
}
