//! System calls of a service, looked at and interfered with: what it asks the kernel for is what it does.

use crate::peers;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A trace of one process, into a file of its own.
#[derive(Debug)]
pub struct Strace {
    program: PathBuf,
    calls: String,
    /// Only calls that concern this file.
    file: Option<PathBuf>,
    /// What is done at which call.
    injections: Vec<String>,
    folder: TempDir,
}

impl Strace {
    /// A trace of these calls, separated by commas. None when it is not installed, or not permitted here.
    pub fn of(calls: &str) -> Option<Self> {
        let program = peers::program("strace")?;
        let folder = tempfile::tempdir().expect("a folder");
        let tried = Command::new(&program).args(["-o", "/dev/null", "true"]).output().expect("it is installed");
        if !tried.status.success() {
            peers::skip(&format!("strace may not trace here: {}", String::from_utf8_lossy(&tried.stderr)));
            return None;
        }
        Some(Self { program, calls: calls.to_owned(), file: None, injections: Vec::new(), folder })
    }

    /// Leaves out calls that do not concern this file.
    #[must_use]
    pub fn on(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    /// Lets this call take so much longer: a slow disk.
    #[must_use]
    pub fn slow(mut self, call: &str, time: Duration) -> Self {
        self.injections.push(format!("inject={call}:delay_exit={}", time.as_micros()));
        self
    }

    /// Kills the process when one of its threads enters this call for the nth time, counted from 1. The call itself is
    /// not made.
    #[must_use]
    pub fn kill_at(mut self, call: &str, nth: usize) -> Self {
        self.injections.push(format!("inject={call}:error=EIO:signal=KILL:when={nth}"));
        self
    }

    /// The command line that a service is started under. The service keeps its process id, and the tracer is another
    /// process, which does not outlive it.
    pub fn command(&self) -> Vec<String> {
        let words = ["-D", "-f", "-y", "-s", "64", "-o"].map(str::to_owned);
        let mut command = vec![self.program.display().to_string()];
        command.extend(words);
        command.push(self.path().display().to_string());
        command.extend(["-e".to_owned(), format!("trace={}", self.calls)]);
        command.extend(self.file.iter().flat_map(|file| ["-P".to_owned(), file.display().to_string()]));
        command.extend(self.injections.iter().flat_map(|injection| ["-e".to_owned(), injection.clone()]));
        command
    }

    /// The calls so far, a line for each; one that others came between has two, where it begins and where it ends.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read(self.path()).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("trace")
    }
}
