//! YAML that is not callspan's own, read by python's `yaml`.

use crate::peers;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// The documents of a file. None when the reader is not installed.
pub fn documents(file: &Path) -> Option<Vec<Value>> {
    peers::packaged("yaml/__init__.py")?;
    let mut command = Command::new(peers::python()?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/yaml_to_json.py")).arg(file);
    let output = command.output().expect("python starts");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    Some(serde_json::from_slice(&output.stdout).expect("it prints JSON"))
}
