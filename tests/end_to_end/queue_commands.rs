//! Commands that look into a queue, where there is none to look into.

use callspan_tests::{Callspan, Finished};
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
