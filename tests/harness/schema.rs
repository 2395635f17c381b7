//! An independent judge of configurations: python's `jsonschema`, which shares no code with callspan.

use crate::peers;
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// What a JSON Schema has against the YAML documents of a file: of each document, for each error the keys that lead to it,
/// joined by dots. None when the judge is not installed.
pub fn errors(schema: &str, file: &Path) -> Option<Vec<Vec<String>>> {
    peers::packaged("jsonschema/__init__.py")?;
    let mut command = Command::new(peers::python()?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/schema.py")).arg(file);
    let mut judge = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python starts");
    judge.stdin.take().expect("it is piped").write_all(schema.as_bytes()).expect("it reads the schema");
    let output = judge.wait_with_output().expect("it is our child");
    assert!(output.status.success(), "the judge failed, its reason is above");
    let errors: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let texts = |list: &Value| list.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    errors.as_array()?.iter().map(texts).collect()
}
