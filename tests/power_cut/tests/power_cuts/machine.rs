//! A machine with one folder, whose power is cut at will.

use std::fs::{self, DirEntry};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use tempfile::TempDir;

pub(crate) struct Machine {
    folder: TempDir,
}

/// A process on the machine.
pub(crate) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Machine {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        fs::create_dir(folder.path().join("watched")).expect("a folder can be made");
        fs::create_dir(folder.path().join("image")).expect("a folder can be made");
        Self { folder }
    }

    /// A path below the watched folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("watched").join(name)
    }

    /// Starts a process with these actions, in the watched folder.
    pub(crate) fn start(&self, actions: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_power-cut-child"));
        let (watched, image) = (self.path(""), self.image());
        command.args(actions).envs(callspan_power_cut::environment(&watched, &image).expect("both folders are there"));
        let mut child = command.current_dir(watched).stdout(Stdio::piped()).spawn().expect("the process starts");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Process { child, output }
    }

    /// Cuts the power: what is left is what was durable. Gives what the process has said since it was last listened to.
    pub(crate) fn cut(&self, process: Process) -> Vec<String> {
        let lines = process.kill();
        self.restore();
        lines
    }

    /// Cuts the power of a machine whose disk has some of what was not synced besides.
    pub(crate) fn cut_with_write_back(&self, process: Process, seed: u64) -> Vec<String> {
        let lines = process.kill();
        callspan_power_cut::write_back(&self.image(), &self.path(""), seed).expect("the image is whole");
        self.restore();
        lines
    }

    /// Has actions done, and cuts the power after the last one.
    pub(crate) fn cut_after(&self, actions: &[&str]) {
        self.cut(self.start_and_wait(actions));
    }

    /// Starts a process with these actions, and waits until all are done.
    pub(crate) fn start_and_wait(&self, actions: &[&str]) -> Process {
        let mut process = self.start(actions);
        assert_eq!(process.line(), "done", "it fails at its actions");
        process
    }

    /// The content of a file, if there is one.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    /// The names in the folder.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("")).expect("the folder is there");
        let mut names: Vec<_> = entries.map(|entry| name(&entry.expect("it can be read"))).collect();
        names.sort();
        names
    }

    fn restore(&self) {
        callspan_power_cut::restore(&self.image(), &self.path("")).expect("the image is whole");
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }
}

impl Process {
    /// Waits for its next line.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("it writes text");
        line.trim_end().to_owned()
    }

    /// Ends it, and gives what it has said since it was last listened to.
    fn kill(mut self) -> Vec<String> {
        self.child.kill().expect("it was not waited for");
        self.child.wait().expect("it was killed");
        self.output.lines().map(|line| line.expect("it writes text")).collect()
    }
}

fn name(entry: &DirEntry) -> String {
    entry.file_name().into_string().expect("names are text")
}
