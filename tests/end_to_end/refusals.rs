//! A record that cannot be mapped costs itself alone, and says why in a form that scripts can read.

use callspan_tests::{Callspan, records};
use serde_json::{Value, json};

/// The third of five lines is torn.
#[test]
fn a_bad_line_costs_that_line() {
    let mut lines: Vec<String> = (0..5).map(|number| records::call(&number.to_string())).collect();
    lines[2].truncate(30);
    let finished = Callspan::transform().input(lines.join("\n")).run();
    assert_eq!((finished.code, finished.traces().len()), (Some(1), 4), "{finished:#?}");
    let refusal = finished.refusal();
    assert_eq!((&refusal["index"], &refusal["class"]), (&json!(2), &json!("malformed")));
    assert!(is_code(&refusal["code"]), "{refusal}");
    assert!(refusal["message"].as_str().is_some_and(|message| message.contains("column")), "{refusal}");
}

#[test]
fn an_element_of_an_array_costs_itself() {
    let input = format!("[{}, 5, {}]", records::call("a"), records::call("b"));
    let finished = Callspan::transform().input(input).run();
    assert_eq!((finished.code, finished.traces().len()), (Some(1), 2), "{finished:#?}");
    assert_eq!(finished.refusal()["index"], 1);
}

/// `index` counts over the whole input, file after file, so that a refusal leads to its record.
#[test]
fn the_index_counts_over_all_files() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/records/01-transferred.json");
    let finished = Callspan::transform().arguments([path, "-", path]).input("{}").run();
    assert_eq!((finished.code, finished.traces().len()), (Some(1), 2), "{finished:#?}");
    assert_eq!(finished.refusal()["index"], 1);
}

#[test]
fn a_record_without_a_session_or_a_time_is_incomplete() {
    for (record, code) in [("{}", "incomplete"), (r#"{"SessionId":"a"}"#, "no_time")] {
        let finished = Callspan::transform().input(record).run();
        let refusal = finished.refusal();
        assert_eq!((finished.code, &refusal["class"], &refusal["code"]), (Some(1), &json!("incomplete"), &json!(code)));
        assert!(refusal.get("path").is_some(), "{refusal}");
    }
}

/// The vendor's sample as its page prints it; Python's json finds the missing comma at the same place.
#[test]
fn the_raw_sample_is_refused_at_its_line_and_column() {
    let finished = Callspan::transform().input(records::SEED_RAW).run();
    assert_eq!(finished.code, Some(1));
    let refusal = finished.refusal();
    assert_eq!(
        (&refusal["index"], &refusal["class"], &refusal["code"]),
        (&json!(0), &json!("malformed"), &json!("not_json"))
    );
    assert!(refusal["message"].as_str().is_some_and(|message| message.contains("line 10 column 1")), "{refusal}");
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [["transform", "--no-such-option"], ["transform", "--format=picture"], ["no-such-command", "x"]] {
        let finished = Callspan::new(arguments).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert!(!finished.stderr.is_empty());
    }
}

/// Everything that is wrong is told at once, by its place.
#[test]
fn wrong_configuration_exits_with_78() {
    for arguments in [
        ["--options", r#"{"no_such_option":1}"#],
        ["--options", "not json"],
        ["--privacy", "no-such-choice"],
        ["--privacy", "hmac"],
        ["--config", "/no/such/file.yaml"],
        ["--plugin", "/no/such/file.wasm"],
    ] {
        let finished = Callspan::transform().arguments(arguments).input(records::SEED).run();
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(78), ""), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.starts_with("callspan: "), "{}", finished.stderr);
    }
    let finished = Callspan::transform().arguments(["--options", r#"{"phases":1,"errors":"all"}"#]).run();
    assert!(finished.stderr.contains("/phases") && finished.stderr.contains("/errors"), "{}", finished.stderr);
}

#[test]
fn a_file_that_is_not_there_is_a_run_time_failure() {
    let finished = Callspan::transform().arguments(["/no/such/records.json"]).run();
    assert_eq!(finished.code, Some(1));
    assert!(finished.stderr.contains("/no/such/records.json"), "{}", finished.stderr);
}

fn is_code(value: &Value) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    value.as_str().is_some_and(|code| (1..=64).contains(&code.len()) && code.bytes().all(is_part))
}
