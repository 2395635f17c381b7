//! Modules use what stands to their right in the drawing of `src/lib.rs`, never what stands to their left.

#![expect(clippy::panic, reason = "a test fails on the spot")]

use super::rust_files;
use std::fs;
use std::path::Path;

/// The drawing, from left to right.
const LAYERS: [&[&str]; 9] = [
    &["main"],
    &["args", "commands"],
    &["service", "shutdown"],
    &["config"],
    &["admin", "delivery", "intake"],
    &["export"],
    &["transform"],
    &["queue"],
    &["connections", "openapi", "record", "secret", "setting_file", "span", "telemetry", "tls", "watched"],
];

#[test]
fn modules_use_only_what_stands_to_their_right() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut violations = Vec::new();
    let mut uses = 0;
    for file in rust_files(&source) {
        let path = file.strip_prefix(&source).expect("it lies in the folder");
        let first = path.iter().next().and_then(|part| part.to_str()).expect("a file has a name");
        let module = first.trim_end_matches(".rs");
        if module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&file).expect("a source file can be read");
        for used in used_modules(&text) {
            uses += 1;
            if used != module && layer(used) < layer(module) {
                violations.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert!(uses > 50, "the test found too few uses to mean anything");
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// The drawing in the documentation is the one that is tested.
#[test]
fn the_drawing_is_the_tested_one() {
    let drawing = LAYERS.map(|layer| layer.join(", ")).join(" → ");
    for document in ["src/lib.rs", "../ARCHITECTURE.md"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).expect("it can be read");
        assert!(text.contains(&drawing), "{document} does not show: {drawing}");
    }
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("{module} has no place in the drawing"))
}

/// Every module named after `crate::` or `callspan::`.
fn used_modules(text: &str) -> impl Iterator<Item = &str> {
    let after = |marker: &'static str| text.split(marker).skip(1);
    after("crate::").chain(after("use callspan::")).filter_map(|rest| {
        let end =
            rest.find(|character: char| !character.is_ascii_lowercase() && character != '_').unwrap_or(rest.len());
        rest.get(..end).filter(|name| !name.is_empty())
    })
}
