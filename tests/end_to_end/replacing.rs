//! A plugin is replaced while the service runs: by its file, a signal or a command, after the new one was tried; and the
//! one before is gone back to. No record is lost, and none is delivered twice.

use callspan_tests::{Callspan, Finished, Request, Service, Signal, guests, records, wait_until};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tempfile::TempDir;

const SETTLED: &str = "callspan_consumer_settled_events_total";
const RELOADS: &str = "callspan_plugin_reloads_total";
const HELD: &str = "callspan_transform_held";

/// A service with a queue on disk and a file for a sink, whose plugin is a file that can be exchanged.
struct Fixture {
    folder: TempDir,
    service: Service,
    /// How many records were.
    pushed: Cell<u32>,
}

impl Fixture {
    /// With the obedient guest, and these options of the transform.
    fn start(options: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        guests::put_with_fault(&folder.path().join("plugin.wasm"), "none");
        let service = Self::service(folder.path(), options);
        Fixture { folder, service, pushed: Cell::new(0) }
    }

    fn service(folder: &Path, options: &str) -> Service {
        let config = format!(
            "queue: {{ keep: 1h }}
sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
transforms: {{ calls: {{ type: plugin, plugin: '{0}/plugin.wasm', {options} }} }}
sinks: {{ lines: {{ type: file, path: '{0}/lines.jsonl' }} }}
",
            folder.display()
        );
        Service::new().config(&config).durable().data_dir(&folder.join("data")).start()
    }

    fn plugin(&self) -> PathBuf {
        self.folder.path().join("plugin.wasm")
    }

    fn ask<const N: usize>(&self, arguments: [&str; N]) -> Finished {
        let data_dir = self.folder.path().join("data").display().to_string();
        Callspan::new(arguments).arguments(["--data-dir", &data_dir]).run()
    }

    /// Asks, and is told that all is well.
    #[track_caller]
    fn told<const N: usize>(&self, arguments: [&str; N]) -> String {
        let finished = self.ask(arguments);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}: {}", finished.stdout);
        finished.stdout
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.told(["plugin", "status", "--format", "json"])).expect("an object")
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

    /// The lines that the sink has written, once everything is delivered.
    fn delivered(&self) -> Vec<Value> {
        self.wait_for_all();
        let lines = fs::read_to_string(self.folder.path().join("lines.jsonl")).unwrap_or_default();
        lines.lines().map(|line| serde_json::from_str(line).expect("OTLP/JSON")).collect()
    }

    /// With which versions of the plugin the sink's traces were made, in their order.
    fn versions(&self) -> Vec<String> {
        let versions = self.delivered().into_iter().flat_map(|line| {
            let parts = line["resourceSpans"].as_array().expect("a list").clone();
            parts.into_iter().map(|part| part["scopeSpans"][0]["scope"]["version"].as_str().expect("one").to_owned())
        });
        versions.collect()
    }

    fn reloads(&self, result: &str) -> f64 {
        self.service.metric(RELOADS, &[&format!("result=\"{result}\"")])
    }
}

/// The traces of a file sink, by their ids.
fn trace_ids(lines: &[Value]) -> Vec<String> {
    let spans = lines.iter().flat_map(|line| line["resourceSpans"].as_array().expect("a list"));
    let spans = spans.flat_map(|part| part["scopeSpans"][0]["spans"].as_array().expect("a list"));
    let first = spans.filter(|span| span["name"] == "work");
    first.map(|span| span["traceId"].as_str().expect("an id").to_owned()).collect()
}

/// Files are exchanged again and again while records come in: every push is answered with 200, every record is delivered
/// once, by one version or the other, and each trace says by which.
#[test]
fn a_file_that_changes_under_load_is_loaded_and_no_record_is_lost_or_doubled() {
    const SENDERS: usize = 4;
    let fixture = Fixture::start("");
    let stop = AtomicBool::new(false);
    let pushed: u32 = thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS)
            .map(|sender| {
                let (address, stop) = (fixture.service.address(), &stop);
                scope.spawn(move || {
                    let mut number = 0;
                    while !stop.load(Ordering::Relaxed) {
                        let record = records::command(&format!("{sender}-{number}"), "");
                        assert_eq!(Request::push(record).send(address).status, 200);
                        number += 1;
                    }
                    number
                })
            })
            .collect();
        for (number, word) in ["version-2", "none", "version-2"].into_iter().enumerate() {
            guests::put_with_fault(&fixture.plugin(), word);
            fixture.service.wait_for_metric(RELOADS, &["replaced"], number as f64 + 1.0);
        }
        stop.store(true, Ordering::Relaxed);
        senders.into_iter().map(|sender| sender.join().expect("every push is taken")).sum()
    });
    fixture.pushed.set(pushed);
    let (traces, pushed) = (trace_ids(&fixture.delivered()), pushed as usize);
    assert_eq!((traces.len(), traces.iter().collect::<BTreeSet<_>>().len()), (pushed, pushed));
    let versions: BTreeSet<String> = fixture.versions().into_iter().collect();
    assert_eq!(versions, BTreeSet::from(["0.1.0".to_owned(), "0.2.0".to_owned()]));
    assert_eq!((fixture.reloads("failed"), fixture.service.metric("callspan_dead_letters", &[])), (0.0, 0.0));
}

/// Half a file, and then no file: what was in service still is, and it is said where people look, once for each change.
#[test]
fn a_file_that_cannot_be_loaded_changes_nothing_and_is_told() {
    let mut fixture = Fixture::start("");
    let whole = fs::read(fixture.plugin()).expect("it is there");
    fs::write(fixture.plugin(), &whole[..whole.len() / 2]).expect("the folder is ours");
    fixture.service.wait_for_log("\"code\":\"plugin_not_replaced\"");
    let ready = fixture.service.ask("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert!(
        ready.body.contains("the plugin obedient 0.1.0 stays in service, and a start would fail"),
        "{}",
        ready.body
    );
    fixture.push("a", "");
    fs::remove_file(fixture.plugin()).expect("the folder is ours");
    wait_until("it is missed", || fixture.reloads("failed") >= 2.0);
    let status = fixture.status();
    assert_eq!((&status["in_service"]["plugin"], &status["before"]), (&"obedient 0.1.0".into(), &Value::Null));
    assert!(status["trouble"].as_str().is_some_and(|it| it.contains("No such file")), "{status}");
    let finished = fixture.ask(["plugin", "reload", "calls"]);
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    assert!(finished.stdout.contains("stays in service: failed to read plugin"), "{}", finished.stdout);

    guests::put_with_fault(&fixture.plugin(), "version-2");
    fixture.service.wait_for_metric(RELOADS, &["replaced"], 1.0);
    fixture.push("b", "");
    assert_eq!(fixture.versions(), ["0.1.0", "0.2.0"]);
    assert!(!fixture.service.ask("/readyz").body.contains("remark"));
    assert_eq!(fixture.service.log().matches("plugin_not_replaced").count(), 3);
}

/// One that loads and cannot be used: it fails its trial, or refuses the options that are configured.
#[test]
fn one_that_is_not_fit_for_service_is_not_put_into_it() {
    let fixture = Fixture::start("reload: manual");
    for (word, reason) in [("loop", "computed for longer than"), ("no-name", "its description is wrong")] {
        guests::put_with_fault(&fixture.plugin(), word);
        let finished = fixture.ask(["plugin", "reload"]);
        assert_eq!(finished.code, Some(1), "{}", finished.stdout);
        assert!(finished.stdout.contains("obedient 0.1.0") && finished.stdout.contains(reason), "{}", finished.stdout);
    }
    fixture.push("a", "");
    assert_eq!(fixture.versions(), ["0.1.0"]);
}

/// The signal of old: it loads the file, changed or not, and ends nothing, not even where there is no file.
#[test]
fn a_hangup_loads_every_file_again() {
    let fixture = Fixture::start("reload: manual");
    fixture.service.signal(Signal::HUP);
    fixture.service.wait_for_metric(RELOADS, &["unchanged"], 1.0);
    guests::put_with_fault(&fixture.plugin(), "version-2");
    fixture.service.signal(Signal::HUP);
    fixture.service.wait_for_metric(RELOADS, &["replaced"], 1.0);
    fixture.push("a", "");
    assert_eq!(fixture.versions(), ["0.2.0"]);

    let mut builtin = Service::new().start();
    builtin.signal(Signal::HUP);
    assert_eq!(builtin.ask("/livez").status, 200);
    assert_eq!(builtin.terminate().code(), Some(0));
}

/// The one before is in service again at once, and what a restart will load is said.
#[test]
fn what_was_replaced_can_be_gone_back_to() {
    let fixture = Fixture::start("");
    let told = fixture.ask(["plugin", "rollback", "calls"]);
    assert!(told.code == Some(1) && told.stderr.contains("nothing to roll calls back to"), "{}", told.stderr);
    assert!(fixture.told(["plugin", "reload"]).contains("calls: unchanged, obedient 0.1.0"));
    fixture.push("a", "");
    assert_eq!(fixture.versions(), ["0.1.0"]);
    guests::put_with_fault(&fixture.plugin(), "version-2");
    let told = fixture.told(["plugin", "reload", "calls"]);
    assert!(told.contains("calls: obedient 0.2.0") && told.contains("rollback calls"), "{told}");
    fixture.push("b", "");
    assert_eq!(fixture.versions(), ["0.1.0", "0.2.0"]);

    let told = fixture.told(["plugin", "rollback", "calls"]);
    assert!(told.contains("obedient 0.1.0") && told.contains("in service again"), "{told}");
    assert!(told.contains("a restart loads what is configured") && told.contains("plugin.wasm"), "{told}");
    fixture.push("c", "");
    assert_eq!(fixture.versions(), ["0.1.0", "0.2.0", "0.1.0"]);
    assert_eq!((fixture.reloads("replaced"), fixture.reloads("rolled_back")), (1.0, 1.0));
    let told = fixture.ask(["plugin", "rollback", "calls"]);
    assert!(told.code == Some(1) && told.stderr.contains("nothing to roll"), "twice goes nowhere: {}", told.stderr);
}

/// Records wait for a plugin that fails whatever it is given; with another one in its place they wait no longer.
#[test]
fn a_held_plugin_is_released_by_another_in_its_place() {
    let mut fixture = Fixture::start("");
    guests::put_with_fault(&fixture.plugin(), "traps");
    fixture.service.wait_for_metric(RELOADS, &["replaced"], 1.0);
    let body: Vec<String> = (0..40).map(|number| records::command(&number.to_string(), "")).collect();
    assert_eq!(fixture.service.push(body.join("\n")).status, 200);
    fixture.pushed.set(40);
    fixture.service.wait_for_metric(HELD, &[], 1.0);
    assert_eq!(fixture.service.ask("/readyz").status, 503);
    let held = fixture.status();
    assert!(held["in_service"]["held"].as_str().is_some_and(|it| it.contains("failed 25 of its last 30")), "{held}");
    fixture.told(["plugin", "rollback", "calls"]);
    fixture.wait_for_all();
    fixture.service.wait_for_log("another plugin is in service, and records wait no longer");
    assert_eq!((fixture.service.metric(HELD, &[]), fixture.service.ask("/readyz").status), (0.0, 200));
    let (delivered, letters) =
        (fixture.service.metric(SETTLED, &["delivered"]), fixture.service.metric("callspan_dead_letters", &[]));
    assert!(delivered + letters == 40.0 && delivered >= 16.0, "{delivered} delivered, {letters} dead letters");
    // The refusals are those of the plugin that refused, whichever is in service when they are written.
    let letters = fixture.told(["dead-letter", "list", "--format", "json"]);
    assert!(letters.contains("obedient 0.2.0") && !letters.contains("obedient 0.1.0"), "{letters}");
}

/// A replay says whether the same bytes come out: over a switch they do not, and after it was taken back they do.
#[test]
fn what_records_were_mapped_with_is_remembered() {
    let fixture = Fixture::start("reload: manual");
    fixture.push("a", "");
    fixture.delivered();
    let replay = || fixture.told(["replay", "--since", "1h", "--sink", "lines", "--dry-run"]);
    assert!(replay().contains("byte-identical"), "{}", replay());
    guests::put_with_fault(&fixture.plugin(), "version-2");
    fixture.told(["plugin", "reload"]);
    assert!(replay().contains("mapped differently now"), "{}", replay());
    // As it is on disk: nothing was closed.
    let Fixture { folder, service, pushed } = fixture;
    service.kill();
    let fixture = Fixture { service: Fixture::service(folder.path(), "reload: manual"), folder, pushed };
    let told = fixture.told(["queue", "sinks", "--format", "json"]);
    let sink: Value = serde_json::from_str(&told).expect("an object");
    let mappings = sink["mappings"].as_array().expect("a list");
    assert_eq!((mappings.len(), &mappings[0][0], &mappings[1][0]), (2, &1.into(), &2.into()), "{told}");
}

/// Whoever asks for what is not there is told what is.
#[test]
fn commands_say_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().display().to_string();
    let nobody = Callspan::new(["plugin", "status", "--data-dir", &data_dir]).run();
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(1), ""));
    assert!(nobody.stderr.contains("no service answers at"), "{}", nobody.stderr);

    let _service = Service::new().durable().data_dir(folder.path()).start();
    let ask = |command: &str, transform: &str| {
        let command = Callspan::new(["plugin", command, "--data-dir", &data_dir]);
        let finished = if transform.is_empty() { command } else { command.arguments([transform]) }.run();
        assert_eq!(finished.code, Some(1), "{}", finished.stdout);
        finished.stderr
    };
    assert!(ask("reload", "nobody").contains("there is no transform `nobody`; there is calls"));
    for transform in ["", "calls"] {
        assert!(ask("reload", transform).contains("inside this program"), "{}", ask("reload", transform));
    }
    assert!(ask("rollback", "calls").contains("nothing to roll calls back to"));
}
