//! A configuration that changed while records waited: what it means for them is done, or told.

use callspan_tests::{Outbox, Request, Service, records};
use std::fs;
use std::path::Path;

const UNREACHABLE: &str = "type: opentelemetry";

/// What the sources of these names take in goes through the transforms to the sink `out`.
fn config(sources: &[&str], transforms: &[(&str, &str)], sink: &str) -> String {
    let source = |name: &&str| format!("  {name}: {{ type: http_server, address: '127.0.0.1:0' }}\n");
    let transform = |(name, inputs): &(&str, &str)| format!("  {name}: {{ type: plugin, inputs: {inputs} }}\n");
    let names: Vec<&str> = transforms.iter().map(|(name, _)| *name).collect();
    format!(
        "sources:\n{}transforms:\n{}sinks:\n  out: {{ {sink}, inputs: [{}] }}\n",
        sources.iter().map(source).collect::<String>(),
        transforms.iter().map(transform).collect::<String>(),
        names.join(", ")
    )
}

fn file(path: &Path) -> String {
    format!("type: file, path: '{}'", path.display())
}

/// A source that gets another name loses nobody's records: what waits of the old one is delivered, and so is what comes
/// in by the new one.
#[test]
fn a_source_that_was_renamed_keeps_its_backlog() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = folder.path().join("lines.jsonl");
    let service = |source: &str, sink: &str| {
        let config = config(&[source], &[("calls", &format!("[{source}]"))], sink);
        Service::new().config(&config).durable().data_dir(&folder.path().join("data")).start()
    };
    let old = service("old", UNREACHABLE);
    assert_eq!(old.push(records::call("before-it")).status, 200);
    old.kill();
    let new = service("new", &file(&lines));
    assert_eq!(new.push(records::call("after-it")).status, 200);
    new.wait_until_drained();
    let delivered = fs::read_to_string(&lines).expect("it was written to");
    assert!(delivered.contains("before-it") && delivered.contains("after-it"), "{delivered}");
    assert!(!new.log().contains("inputs_changed"), "{}", new.log());
}

/// A transform that takes nothing from a source any more gives up what waits of it: that is told, with how much it is, and
/// what waits of its other sources is delivered.
#[test]
fn an_input_that_was_removed_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let lines = folder.path().join("lines.jsonl");
    let service = |transforms: &[(&str, &str)], sink: &str| {
        let config = config(&["stays", "goes"], transforms, sink);
        Service::new().config(&config).durable().data_dir(&folder.path().join("data")).start()
    };
    let before = service(&[("calls", "[stays, goes]")], UNREACHABLE);
    for (source, session) in [("stays", "one"), ("goes", "two"), ("goes", "three")] {
        let address = before.addresses_of(source).remove(0);
        assert_eq!(Request::push(records::call(session)).send(&address).status, 200);
    }
    before.kill();
    let after = service(&[("calls", "[stays]"), ("others", "[goes]")], &file(&lines));
    let log = after.log();
    let line = log.lines().find(|line| line.contains("inputs_changed")).unwrap_or_default();
    assert!(line.contains(r#""consumer":"calls/out""#) && line.contains(r#""records":2"#), "{log}");
    after.wait_until_drained();
    assert_eq!(fs::read_to_string(&lines).expect("it was written to").lines().count(), 1);
}

/// Whoever turns to memory is told that there is a queue on disk, which is not delivered; where there is none, nothing is
/// told.
#[test]
fn a_queue_that_is_not_used_is_told() {
    let outbox = Outbox::new();
    for is_told in [false, true] {
        let in_memory = Service::new().data_dir(&outbox.data_dir()).start();
        assert_eq!(in_memory.log().contains(r#""code":"queue_unused""#), is_told, "{}", in_memory.log());
        outbox.service().start().kill();
    }
}
