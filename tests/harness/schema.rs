//! An independent judge of configurations: python's `jsonschema`, which shares no code with callspan.

use crate::peers;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a JSON Schema has against a YAML document: for each error the keys that lead to it, joined by dots. None when
/// the judge is not installed.
pub fn errors(schema: &str, document: &Path) -> Option<Vec<String>> {
    let mut command = Command::new(peers::python()?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/schema.py")).arg(document);
    let mut judge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    judge.stdin.take().expect("it is piped").write_all(schema.as_bytes()).expect("it reads the schema");
    let output = judge.wait_with_output().expect("it is our child");
    assert!(output.status.success(), "the judge failed, its reason is above");
    let errors: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    Some(errors.as_array()?.iter().map(|error| error.as_str().unwrap_or_default().to_owned()).collect())
}
