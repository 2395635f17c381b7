//! What must be absent: each stage is kept simple by what it does not know. The invariants are a table in
//! `ARCHITECTURE.md`, which names the test that holds each.

mod layers;

use std::fs;
use std::path::{Path, PathBuf};

/// The mapping is a function of its input alone.
#[test]
fn the_mapping_knows_no_clock_no_chance_no_file_and_no_environment() {
    let host = ["SystemTime", "Instant", "std::env", "std::fs", "std::net", "std::process", "std::thread", "std::io"];
    let chance = ["rand", "fastrand", "getrandom", "RandomState", "HashMap", "HashSet", "wasi"];
    assert_absent("../plugin/src", &[host.as_slice(), &chance].concat());
    let manifest = read("../plugin/Cargo.toml");
    let dependencies = manifest.split("[dev-dependencies]").next().unwrap_or_default();
    for unwanted in ["rand", "time", "chrono", "uuid", "wasi"] {
        assert!(!has_word(dependencies, unwanted), "the mapping depends on {unwanted}");
    }
}

/// The queue hands records to whoever takes them, and is told what became of them.
#[test]
fn the_queue_knows_nobody_who_takes_from_it() {
    assert_absent("src/queue", &["sink", "sinks", "export", "exporter", "transform", "plugin", "backend"]);
}

/// A transform maps records to spans, wherever they come from and wherever they go.
#[test]
fn the_transform_knows_no_protocol() {
    assert_absent(
        "src/transform",
        &["http", "hyper", "axum", "reqwest", "otlp", "tonic", "prost", "opentelemetry_proto"],
    );
}

/// An exporter sends spans, whoever made them, and says what became of them.
#[test]
fn the_export_knows_no_plugin_and_no_queue() {
    assert_absent("src/export", &["plugin", "queue", "wasmtime", "component", "transform"]);
}

/// Who answers for a record knows what became of it, not who decided so.
#[test]
fn the_intake_knows_no_sink_and_no_mapping() {
    assert_absent("src/intake", &["sink", "sinks", "plugin", "wasmtime", "transform", "delivery", "exporter"]);
}

/// A secret is compared or sent, and never written: it has no `Display`, and its `Debug` shows nothing of it.
#[test]
fn a_secret_cannot_be_written() {
    let secret = read("src/secret.rs");
    assert!(!secret.contains("Display for") && !secret.contains("Serialize") && !secret.contains("derive(Debug"));
}

/// The table in the documentation is the one that is tested: each of its rows names a test, and each test has a row.
#[test]
fn the_table_names_every_test() {
    let architecture = read("../ARCHITECTURE.md");
    let (_, section) = architecture.split_once("\n## Invariants\n").expect("ARCHITECTURE.md has the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let named: Vec<(&str, &str)> = section
        .split(".rs`, `")
        .zip(section.split(".rs`, `").skip(1))
        .filter_map(|(before, after)| Some((before.rsplit('`').next()?, after.split('`').next()?)))
        .collect();
    for (file, test) in &named {
        assert!(read(&format!("../{file}.rs")).contains(&format!("fn {test}(")), "there is no {test} in {file}.rs");
    }
    let this = read("tests/invariants/main.rs");
    for test in this.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next()) {
        let has_row = named.contains(&("host/tests/invariants/main", test)) || test == "the_table_names_every_test";
        assert!(has_row, "{test} has no row");
    }
}

/// None of these words stands in the sources of a module, in any case of letters: comments and tests excepted, and longer
/// words that hold one. A module is a file and the folder of its name beside it.
fn assert_absent(module: &str, words: &[&str]) {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join(module);
    let files: Vec<PathBuf> = [module.with_extension("rs")].into_iter().filter(|file| file.is_file()).collect();
    let files = [files, rust_files(&module)].concat();
    let texts: Vec<(PathBuf, String)> = files
        .into_iter()
        .map(|file| fs::read_to_string(&file).map(|text| (file, text)).expect("a source file can be read"))
        .collect();
    let tests: Vec<&str> = texts.iter().flat_map(|(_, text)| test_modules(text)).collect();
    let is_test = |file: &Path| {
        let below = file.strip_prefix(&module).unwrap_or(Path::new(""));
        below.iter().filter_map(|part| part.to_str()).any(|part| tests.contains(&part.trim_end_matches(".rs")))
    };
    let (mut violations, mut lines) = (Vec::new(), 0);
    for (file, text) in texts.iter().filter(|(file, _)| !is_test(file)) {
        for (number, line) in product_lines(text) {
            lines += 1;
            for word in words.iter().filter(|word| has_word(line, word)) {
                violations.push(format!("{}:{number}: {word}", file.display()));
            }
        }
    }
    assert!(lines > 100, "the test found too few lines to mean anything");
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// The modules of files of their own that are compiled for tests alone.
fn test_modules(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().zip(text.lines().skip(1)).filter(|(line, _)| line.trim() == "#[cfg(test)]");
    lines.filter_map(|(_, next)| next.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name))
}

/// The lines that are compiled into the product, with their numbers: no comments, and nothing from the tests' module on,
/// which stands last.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut lines = text.lines().enumerate().peekable();
    std::iter::from_fn(move || {
        let (index, line) = lines.next()?;
        let is_end = line == "#[cfg(test)]"
            && lines.peek().is_some_and(|(_, next)| next.starts_with("mod ") && next.ends_with('{'));
        (!is_end).then_some((index + 1, line))
    })
    .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn has_word(line: &str, word: &str) -> bool {
    let (line, word) = (line.to_lowercase(), word.to_lowercase());
    let is_part = |character: Option<char>| character.is_some_and(|it| it.is_alphanumeric() || it == '_');
    line.match_indices(&word).any(|(at, _)| {
        let (before, after) = (line.get(..at), line.get(at + word.len()..));
        !is_part(before.and_then(|text| text.chars().next_back()))
            && !is_part(after.and_then(|text| text.chars().next()))
    })
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("it can be read")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("its entries can be read").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
