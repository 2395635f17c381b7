//! The real curl, as people and scripts use it.

use crate::child::PATIENCE;
use crate::command::{Finished, run_to_end};
use crate::http::Reply;
use crate::peers::program;
use std::process::Command;

/// A command line.
pub struct Curl(Command);

impl Curl {
    /// A request to this URL. None when curl is not installed.
    pub fn new(url: &str) -> Option<Self> {
        let mut command = Command::new(program("curl")?);
        // Neither a proxy nor a configuration of whoever runs the tests.
        command.args(["--disable", "--noproxy", "*", "--silent", "--show-error", "--include"]);
        command.arg("--max-time").arg(PATIENCE.as_secs().to_string()).arg(url);
        Some(Self(command))
    }

    /// Adds to the command line.
    #[must_use]
    pub fn arguments(mut self, arguments: &[impl AsRef<str>]) -> Self {
        self.0.args(arguments.iter().map(AsRef::as_ref));
        self
    }

    /// Runs it to its end, whether there is an answer or not.
    pub fn run(self, input: impl Into<Vec<u8>>) -> Finished {
        run_to_end(self.0, input.into())
    }

    /// Runs it, and waits for the answer. The input is what `--data-binary @-` sends.
    pub fn send(self, input: impl Into<Vec<u8>>) -> Reply {
        let finished = self.run(input);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        Reply::parse(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {}", finished.stdout))
    }
}
