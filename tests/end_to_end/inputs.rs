//! `callspan transform` reads records as people have them: pretty-printed, in an array, one on each line, compressed.

use callspan_tests::{Callspan, Finished, records};
use std::fs;

/// Whatever the dress, the trace is the same, byte for byte.
#[test]
fn shapes_are_told_apart_by_content() {
    let pretty = records::SEED.to_owned();
    let compact = compact(&pretty);
    let expected = transform(&pretty);
    assert_eq!(expected.traces().len(), 1);
    for (shape, input) in [
        ("on one line", compact.clone()),
        ("on one line, with its end", format!("{compact}\n")),
        ("in an array", format!("[{pretty}]")),
        ("in an array over lines", format!("[\n  {pretty}\n]\n")),
        ("behind a byte order mark", format!("\u{feff}{pretty}")),
        ("with the line ends of Windows", pretty.replace('\n', "\r\n")),
        ("after blank lines", format!("\n\n  \n{compact}\n\n")),
    ] {
        assert_eq!(transform(&input).stdout, expected.stdout, "{shape}");
    }
}

#[test]
fn an_array_and_lines_hold_many_records() {
    let records: Vec<String> = (0..5).map(|number| records::call(&number.to_string())).collect();
    for (shape, input) in [("array", format!("[{}]", records.join(","))), ("lines", records.join("\n"))] {
        assert_eq!(sessions(&transform(&input)), ["0", "1", "2", "3", "4"], "{shape}");
    }
}

/// Files are read in the order in which they are named, whatever they are called, each in its own shape; `-` is the
/// standard input.
#[test]
fn files_are_read_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("it can be written");
        path.display().to_string()
    };
    let lines = file("z.json", &format!("{}\n{}", records::call("first"), records::call("second")));
    let array = file("a.ndjson", &format!("[{}]", records::call("third")));
    let finished = Callspan::transform().arguments([&lines, &array, "-"]).input(records::call("fourth")).run();
    assert_eq!(sessions(&finished), ["first", "second", "third", "fourth"]);
}

#[test]
fn compressed_input_is_recognised() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/payloads/gzip.json.gz");
    let finished = Callspan::transform().arguments([path]).run();
    assert_eq!((finished.code, finished.traces().len()), (Some(0), 1), "{finished:#?}");
}

/// Enough records for many batches on many threads.
#[test]
fn output_keeps_the_order_of_the_input() {
    let expected: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    let input: Vec<String> = expected.iter().map(|session| records::call(session)).collect();
    assert_eq!(sessions(&transform(&input.join("\n"))), expected);
}

/// `callspan transform … | head -1` is how people look at their data.
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let input: Vec<String> = (0..20_000).map(|number| records::call(&number.to_string())).collect();
    let finished = Callspan::transform().input(input.join("\n")).run_for_one_line();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert!(finished.stdout.starts_with(r#"{"resourceSpans":["#), "{}", finished.stdout);
}

#[test]
fn empty_input_is_good_and_yields_nothing() {
    for input in ["", "\n \n", "[]"] {
        let finished = transform(input);
        assert_eq!((finished.code, finished.stdout.as_str(), finished.stderr.as_str()), (Some(0), "", ""), "{input:?}");
    }
}

fn transform(input: &str) -> Finished {
    Callspan::transform().input(input).run()
}

fn sessions(finished: &Finished) -> Vec<String> {
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let traces = finished.traces();
    traces.iter().map(|spans| spans[0].attribute("tccc.session.id").as_str().unwrap_or_default().to_owned()).collect()
}

fn compact(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).expect("the sample is repaired");
    value.to_string()
}
