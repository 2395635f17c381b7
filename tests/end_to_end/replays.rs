//! What was delivered is delivered once more, to a sink that lost it or to one that never had it: the same bytes as long as
//! the mapping is the same, and if it is not, that is said.

use callspan_tests::{Callspan, Finished, Service, records, wait_until};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;

const SESSIONS: [&str; 3] = ["one", "two", "three"];

/// A folder for services, one after the other.
struct Fixture(TempDir);

impl Fixture {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// With a file as the sink of each of these names, and these options of the mapping.
    fn start(&self, sinks: &[&str], options: &str) -> Service {
        // A line for each trace.
        let sink = |name: &&str| {
            let path = self.path(name);
            format!(
                "  {name}: {{ type: file, inputs: [calls], path: '{}', batch: {{ max_events: 1 }} }}\n",
                path.display()
            )
        };
        let config = format!(
            "queue: {{ keep: 1h }}
sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
transforms: {{ calls: {{ type: plugin, inputs: [tccc], options: {{ {options} }} }} }}
sinks:
{}",
            sinks.iter().map(sink).collect::<String>()
        );
        Service::new().config(&config).durable().data_dir(&self.0.path().join("data")).start()
    }

    fn path(&self, sink: &str) -> PathBuf {
        self.0.path().join(format!("{sink}.jsonl"))
    }

    /// The lines that a sink has got so far.
    fn lines(&self, sink: &str) -> Vec<String> {
        fs::read_to_string(self.path(sink)).unwrap_or_default().lines().map(str::to_owned).collect()
    }

    fn replay(&self, sink: &str, options: &[&str]) -> Finished {
        let data_dir = self.0.path().join("data").display().to_string();
        let command = Callspan::new(["replay", "--since", "1h", "--sink", sink, "--data-dir", &data_dir]);
        let finished = options.iter().fold(command, |command, option| command.arguments([*option])).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        finished
    }

    /// What a replay would do, as programs are told, and as people are.
    fn told(&self, sink: &str) -> (Value, String) {
        let line = self.replay(sink, &["--dry-run", "--format", "json"]).stdout;
        let line: Value = serde_json::from_str(line.trim()).expect("a JSON line");
        assert_eq!(line["dry_run"], true);
        (line, self.replay(sink, &["--dry-run"]).stdout)
    }
}

fn push_all(service: &Service) {
    for session in SESSIONS {
        assert_eq!(service.push(records::call(session)).status, 200);
        service.wait_until_drained();
    }
}

/// Byte for byte, whether the service runs when it is asked for or is started later.
#[test]
fn under_the_same_mapping_the_same_bytes_are_delivered_again() {
    let fixture = Fixture::new();
    let mut service = fixture.start(&["lines"], "");
    push_all(&service);
    let once = fixture.lines("lines");
    assert_eq!(once.len(), SESSIONS.len());
    for times in 2..=3 {
        let is_stopped = times == 3;
        if is_stopped {
            assert_eq!(service.terminate().code(), Some(0));
        }
        let (line, words) = fixture.told("lines");
        assert_eq!((&line["records"], &line["byte_identical"]), (&3.into(), &true.into()), "{line}");
        assert!(words.contains("calls/lines: 3 records, ") && words.contains("; byte-identical"), "{words}");
        let told = fixture.replay("lines", &[]).stdout;
        assert!(told.contains("are delivered once more; byte-identical"), "{told}");
        if is_stopped {
            service = fixture.start(&["lines"], "");
        }
        wait_until("all of it again", || fixture.lines("lines").len() == times * once.len());
        service.wait_until_drained();
        // No order is promised.
        let mut again = fixture.lines("lines").split_off((times - 1) * once.len());
        let mut expected = once.clone();
        again.sort();
        expected.sort();
        assert_eq!(again, expected);
    }
}

/// The mapping was another one for a while: whoever asks for records of that time is told, also when it is the first one
/// again by now.
#[test]
fn where_the_mapping_differs_it_is_said() {
    let fixture = Fixture::new();
    let other = "service_name: other";
    for options in ["", other, ""] {
        let mut service = fixture.start(&["lines"], options);
        push_all_of(&service, options);
        assert_eq!(service.terminate().code(), Some(0));
    }
    for (options, is_running) in [("", false), ("", true), (other, true)] {
        let _service = is_running.then(|| fixture.start(&["lines"], options));
        let (line, words) = fixture.told("lines");
        assert_eq!((&line["records"], &line["byte_identical"]), (&3.into(), &false.into()), "{line}");
        assert_ne!(line["mapped_then"], line["mapped_now"], "{line}");
        assert!(words.contains("; mapped differently now"), "{words}");
    }
}

/// A sink that was added later gets what is kept, once, and nobody else does.
#[test]
fn a_new_sink_gets_the_history() {
    let fixture = Fixture::new();
    let mut service = fixture.start(&["lines"], "");
    push_all(&service);
    assert_eq!(service.terminate().code(), Some(0));
    let service = fixture.start(&["lines", "later"], "");
    assert_eq!(fixture.told("later").0["records"], 3);
    fixture.replay("later", &[]);
    wait_until("all of it", || fixture.lines("later").len() == SESSIONS.len());
    service.wait_until_drained();
    let (mut first, mut later) = (fixture.lines("lines"), fixture.lines("later"));
    first.sort();
    later.sort();
    assert_eq!(first, later);
}

/// One record, of a session that nothing else is of.
fn push_all_of(service: &Service, options: &str) {
    let session = format!("{options}{}", service.process_id());
    assert_eq!(service.push(records::call(&session)).status, 200);
    service.wait_until_drained();
}
