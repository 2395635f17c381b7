//! Commands that look into a queue, where there is none to look into, and where something of it is missing.

use callspan_tests::{Callspan, Finished, Outbox, records};
use std::fs;
use std::path::Path;

fn ask<const N: usize>(data_dir: &Path, arguments: [&str; N]) -> Finished {
    Callspan::new(arguments).arguments(["--data-dir", &data_dir.display().to_string()]).run()
}

/// No queue is made by looking for one.
#[test]
fn a_folder_without_a_queue_is_told_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [["dead-letter", "list"], ["queue", "status"], ["queue", "sinks"]] {
        let finished = ask(folder.path(), arguments);
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(finished.stderr.contains("there is no queue in"), "{}", finished.stderr);
    }
    assert_eq!(fs::read_dir(folder.path()).expect("it is ours").count(), 0);
}

/// What cannot be undone is asked for, and what is missing is told before anything is opened.
#[test]
fn wrong_usage_and_a_wrong_configuration_have_their_codes() {
    let folder = tempfile::tempdir().expect("a folder");
    for arguments in [
        &["erase", "--session", "a"][..],
        &["erase", "--session", " ", "--yes"],
        &["dead-letter", "purge", "--all"],
        &["dead-letter", "purge"],
        &["dead-letter", "replay"],
        &["dead-letter", "replay", "1", "--all"],
        &["replay", "--since", "yesterday", "--sink", "a"],
    ] {
        let finished = arguments.iter().fold(Callspan::new([]), |command, it| command.arguments([*it])).run();
        assert_eq!(finished.code, Some(2), "{arguments:?}: {}", finished.stderr);
    }
    let config = folder.path().join("callspan.yaml");
    let asked = |text: &str| {
        fs::write(&config, text).expect("the folder is ours");
        ask(folder.path(), ["queue", "status", "--config", &config.display().to_string()]).code
    };
    assert_eq!(asked("queue: { durability: sometimes }\n"), Some(78));
    // A shell lacks the variables of a service.
    assert_eq!(asked("sinks:\n  a: { type: opentelemetry, inputs: [calls], endpoint: \"${NOT_SET}\" }\n"), Some(1));
}

/// What is missing in a queue is told by whoever opens it first, be it a command. The next one has nothing to tell.
#[test]
fn what_is_missing_is_told_by_the_command_that_finds_it() {
    let outbox = Outbox::new();
    let service = outbox.service().start();
    assert_eq!(service.push(records::call("one")).status, 200);
    service.kill();
    // The file that says that records up to this one had been synced.
    let synced_to: u64 = 100;
    let witness = [synced_to.to_be_bytes(), (!synced_to).to_be_bytes()].concat();
    fs::write(outbox.data_dir().join("queue/WATERMARK"), witness).expect("it is ours");

    let first = ask(&outbox.data_dir(), ["queue", "status"]);
    assert_eq!(first.code, Some(0), "{}", first.stderr);
    for told in ["callspan: records that had been stored cannot be found any more: 98", "was set aside: "] {
        assert!(first.stderr.contains(told), "no `{told}` in {}", first.stderr);
    }
    let second = ask(&outbox.data_dir(), ["queue", "status"]);
    assert_eq!((second.code, second.stderr.as_str()), (Some(0), ""));
}
