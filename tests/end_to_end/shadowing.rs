//! A candidate maps the same records beside the plugin in service: what would be different is told by names, nothing of it
//! leaves, and no harm that it does reaches anybody. Then it is promoted.

use callspan_tests::{Callspan, Finished, Service, guests, records, wait_until};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const SHADOWED: &str = "callspan_shadow_records_total";
const SETTLED: &str = "callspan_consumer_settled_events_total";

/// A service with the obedient guest, a queue on disk, and a file for each of two sinks.
struct Fixture {
    folder: TempDir,
    service: Service,
    /// How many records were.
    pushed: Cell<u32>,
}

impl Fixture {
    fn start(options: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let config = format!(
            "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
transforms: {{ calls: {{ type: plugin, plugin: '{1}', {options} }} }}
sinks:
  lines: {{ type: file, inputs: [calls], path: '{0}/lines.jsonl' }}
  others: {{ type: file, inputs: [calls], path: '{0}/others.jsonl' }}
",
            folder.path().display(),
            guests::OBEDIENT
        );
        let service = Service::new().config(&config).durable().data_dir(&folder.path().join("data")).start();
        Fixture { folder, service, pushed: Cell::new(0) }
    }

    fn ask<const N: usize>(&self, arguments: [&str; N]) -> Finished {
        let data_dir = self.folder.path().join("data").display().to_string();
        Callspan::new(arguments).arguments(["--data-dir", &data_dir]).run()
    }

    fn shadow(&self, candidate: &Path) {
        let finished = self.ask(["plugin", "shadow", "calls", &candidate.display().to_string()]);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
        assert!(finished.stdout.contains("obedient 0.2.0") && finished.stdout.contains("promote calls"));
    }

    fn push(&self, id: &str, command: &str) {
        assert_eq!(self.service.push(records::command(id, command)).status, 200);
        self.pushed.set(self.pushed.get() + 1);
    }

    /// Waits until everything that was pushed is delivered, or refused.
    fn wait_for_all(&self) {
        let pushed = f64::from(self.pushed.get());
        let received = || self.service.metric("callspan_consumer_received_events_total", &["calls/lines"]);
        wait_until("all that was pushed is known to the queue", || received() >= pushed);
        self.service.wait_until_drained();
    }

    /// Pushes a record when the candidate is free, so that it is compared: the result is this one.
    fn compared(&self, id: &str, command: &str, result: &str) {
        let label = format!("result=\"{result}\"");
        let before = self.service.metric(SHADOWED, &[&label]);
        self.push(id, command);
        self.service.wait_for_metric(SHADOWED, &[&label], before + 1.0);
    }

    fn report(&self) -> Value {
        let finished = self.ask(["plugin", "status", "--format", "json"]);
        let status: Value = serde_json::from_str(&finished.stdout).expect("an object");
        status["shadow"].clone()
    }

    fn versions(&self) -> Vec<String> {
        self.wait_for_all();
        let lines = fs::read_to_string(self.folder.path().join("lines.jsonl")).unwrap_or_default();
        let version = |line: &str| {
            let line: Value = serde_json::from_str(line).expect("OTLP/JSON");
            line["resourceSpans"][0]["scopeSpans"][0]["scope"]["version"].as_str().expect("one").to_owned()
        };
        lines.lines().map(version).collect()
    }
}

/// Each difference stands under the span and the name it is of, with the number of records. Two sinks take each record, and
/// it is compared once. The numbers that both plugins emit are nowhere, nor what only the candidate emits.
#[test]
fn what_would_be_different_is_told_by_names_and_no_value_is_seen() {
    let fixture = Fixture::start("");
    let candidate = guests::with_fault("other-values");
    fixture.shadow(&candidate);
    fixture.compared("a", "phone", "differs");
    fixture.compared("b", "", "differs");
    fixture.compared("c", "skip", "same");
    fixture.compared("d", "reject", "same");
    let report = fixture.report();
    let difference = |what: &str, span: &str, name: Option<&str>, records: u64| json!({"span": span, "what": what, "name": name, "records": records});
    let differences = report["differences"].as_array().expect("a list");
    for expected in [
        difference("attribute_changed", "work", Some("obedient.phone"), 1),
        difference("attribute_added", "work", Some("obedient.int"), 2),
        difference("span_removed", "part", None, 2),
    ] {
        assert!(differences.contains(&expected), "{expected} is not in {report}");
    }
    assert_eq!((differences.len(), &report["same"], &report["differs"]), (3, &2.into(), &2.into()), "{report}");
    let told = fixture.ask(["plugin", "status"]).stdout;
    assert!(told.contains("attribute changed") && told.contains("obedient.phone"), "{told}");

    fixture.wait_for_all();
    let shown = [told, report.to_string(), fixture.service.log(), fixture.service.ask("/metrics").body];
    for number in ["***", "555 0147", "555 9876", "2025550199123"] {
        assert!(shown.iter().all(|text| !text.contains(number)), "{number} is shown: {shown:#?}");
    }
    let sent = fs::read_to_string(fixture.folder.path().join("lines.jsonl")).expect("it is written");
    assert!(sent.contains("***0147") && !sent.contains("9876") && !sent.contains("0.2.0"), "{sent}");
}

#[test]
fn a_candidate_is_promoted_and_taken_back() {
    let fixture = Fixture::start("");
    let nothing = fixture.ask(["plugin", "promote", "calls"]);
    assert!(nothing.code == Some(1) && nothing.stderr.contains("plugin shadow calls FILE"), "{}", nothing.stderr);
    let same = fixture.ask(["plugin", "shadow", "calls", guests::OBEDIENT]);
    assert!(same.code == Some(1) && same.stderr.contains("nothing to compare"), "{}", same.stderr);
    let broken = guests::truncated(1_000);
    let broken = fixture.ask(["plugin", "shadow", "calls", &broken.display().to_string()]);
    assert!(broken.code == Some(1) && broken.stderr.contains("is not a WebAssembly component"), "{}", broken.stderr);

    fixture.shadow(&guests::with_fault("version-2"));
    fixture.compared("a", "", "same");
    let promoted = fixture.ask(["plugin", "promote", "calls"]);
    assert!(promoted.stdout.contains("obedient 0.2.0") && promoted.stdout.contains("a restart loads"), "{promoted:?}");
    assert_eq!(fixture.report(), Value::Null);
    fixture.push("b", "");
    assert_eq!(fixture.versions(), ["0.1.0", "0.2.0"]);
    assert_eq!(fixture.ask(["plugin", "rollback", "calls"]).code, Some(0));
    fixture.push("c", "");
    assert_eq!(fixture.versions(), ["0.1.0", "0.2.0", "0.1.0"]);
}

/// It fails every record: each is delivered all the same, none is a dead letter, nothing is held, and after twenty-five it
/// is given no more and cannot be promoted.
#[test]
fn a_candidate_that_fails_everything_harms_nobody_and_is_given_up() {
    let mut fixture = Fixture::start("");
    fixture.shadow(&guests::with_fault("traps"));
    let body: Vec<String> = (0..40).map(|number| records::command(&number.to_string(), "")).collect();
    assert_eq!(fixture.service.push(body.join("\n")).status, 200);
    fixture.pushed.set(40);
    wait_until("it is given up", || {
        fixture.push(&format!("more-{}", fixture.pushed.get()), "");
        fixture.report()["is_given_up"] == true
    });
    fixture.service.wait_for_log("\"code\":\"candidate_failed\"");
    fixture.wait_for_all();
    assert_eq!(fixture.service.metric(SETTLED, &["delivered", "lines"]), f64::from(fixture.pushed.get()));
    assert_eq!(fixture.service.metric("callspan_dead_letters", &[]), 0.0);
    assert_eq!(
        (fixture.service.metric("callspan_transform_held", &[]), fixture.service.ask("/readyz").status),
        (0.0, 200)
    );
    let report = fixture.report();
    assert_eq!(report["differences"], json!([{"span": null, "what": "failed", "name": "trap", "records": 25}]));
    let promoted = fixture.ask(["plugin", "promote", "calls"]);
    assert!(promoted.code == Some(1) && promoted.stderr.contains("failed nearly all"), "{}", promoted.stderr);
    assert!(fixture.ask(["plugin", "shadow", "calls", "--stop"]).stdout.contains("nothing is compared any more"));
}

/// The configuration may name a candidate; one that refuses what is mapped now is told as that.
#[test]
fn a_configured_candidate_maps_from_the_start() {
    let candidate = guests::with_fault("refuses");
    let mut fixture = Fixture::start(&format!("shadow: '{}'", candidate.display()));
    fixture.service.wait_for_log("a candidate maps the same records");
    fixture.compared("a", "", "refused");
    fixture.compared("b", "reject", "differs");
    let report = fixture.report();
    let codes: Vec<_> = report["differences"].as_array().expect("a list").iter().map(|it| &it["name"]).collect();
    assert_eq!(codes, ["policy/another_version"], "{report}");
    assert_eq!(fixture.versions(), ["0.1.0"]);
}
