//! Independent judges of what callspan says that it answers: python's `openapi-spec-validator` of the document alone, and
//! Schemathesis, which sends what the document allows and what it does not, and holds the answers against it.

use crate::command::{Finished, run_to_end};
use crate::peers;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// The same requests every time.
const SEED: &str = "20261124";
/// For each operation and each phase.
const EXAMPLES: &str = "30";

/// What the validator says of a document: its exit code is 0 where nothing is wrong. None when it is not installed.
pub fn validate(document: &str) -> Option<Finished> {
    peers::packaged("openapi_spec_validator/__init__.py")?;
    let mut command = Command::new(peers::python()?);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/openapi.py"));
    Some(run_to_end(command, document.into()))
}

/// A run of Schemathesis, with every check that it has.
pub struct Schemathesis {
    command: Command,
    excluded: Vec<String>,
    /// Of the document and its configuration.
    folder: TempDir,
}

impl Schemathesis {
    /// One that holds what listens at `host:port` against this document. None when it is not installed.
    pub fn new(document: &str, address: &str) -> Option<Self> {
        peers::packaged("schemathesis/__init__.py")?;
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let path = folder.path().join("openapi.json");
        std::fs::write(&path, document).expect("the folder is ours");
        let mut command = Command::new(peers::python()?);
        // It looks for a configuration where it is run, and leaves its notes there.
        command.current_dir(&folder).args(["-m", "schemathesis.cli", "run"]).arg(path);
        command.args(["--url", &format!("http://{address}"), "--checks", "all", "--continue-on-failure"]);
        command.args(["--seed", SEED, "--max-examples", EXAMPLES, "--generation-database", "none"]);
        command.args(["--warnings", "off", "--no-color"]);
        Some(Self { command, excluded: Vec::new(), folder })
    }

    /// Asks for paths that match this expression, and for no others.
    #[must_use]
    pub fn paths(mut self, expression: &str) -> Self {
        self.command.args(["--include-path-regex", expression]);
        self
    }

    /// Leaves a check out; why stands where it is called.
    #[must_use]
    pub fn without(mut self, check: &str) -> Self {
        self.excluded.push(check.to_owned());
        self
    }

    /// Shows a user and a password, but where it looks whether that can be left out.
    #[must_use]
    pub fn user(mut self, user_and_password: &str) -> Self {
        self.command.args(["--auth", user_and_password]);
        self
    }

    /// Sends the parameter of this name with this value alone.
    #[must_use]
    pub fn with(self, parameter: &str, value: &str) -> Self {
        let text = format!("[parameters]\n{parameter:?} = {value:?}\n");
        std::fs::write(self.folder.path().join("schemathesis.toml"), text).expect("the folder is ours");
        self
    }

    /// Runs it. It has to find this many operations, and nothing that is wrong with any of them.
    #[track_caller]
    pub fn finds_nothing_in(mut self, operations: usize) {
        if !self.excluded.is_empty() {
            self.command.args(["--exclude-checks", &self.excluded.join(",")]);
        }
        let Finished { code, stdout, stderr } = run_to_end(self.command, Vec::new());
        assert_eq!(code, Some(0), "{stdout}{stderr}");
        assert!(stdout.contains(&format!("Tested: {operations}\n")), "not {operations} operations: {stdout}");
    }
}
