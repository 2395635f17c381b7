//! Commands of `callspan`: those that come to an end by themselves, and any that is to be watched while it runs.

use crate::binary;
use crate::child::Child;
use crate::span::{Span, sorted};
use serde_json::Value;
use std::env;
use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use tempfile::TempDir;

/// A command line.
#[derive(Debug)]
pub struct Callspan {
    command: Command,
    input: Vec<u8>,
    /// For what it remembers.
    folder: TempDir,
}

/// What is left of one that has ended.
#[derive(Debug)]
pub struct Finished {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// All of its standard output.
    pub stdout: String,
    /// All of its standard error.
    pub stderr: String,
}

/// A command that goes on. Killed when it goes out of scope.
pub struct Running {
    child: Child,
    /// For what it remembers.
    _folder: TempDir,
}

impl Callspan {
    /// `callspan transform`.
    pub fn transform() -> Self {
        Self::new(["transform"])
    }

    /// `callspan` with these arguments.
    pub fn new<const N: usize>(arguments: [&str; N]) -> Self {
        let mut command = Command::new(binary::callspan());
        binary::forget_variables(&mut command);
        Self::of(command).arguments(arguments)
    }

    /// Lines for bash as a document shows them, run in this folder with the program under test as `callspan`.
    pub fn script(lines: &str, folder: &Path) -> Self {
        let mut command = Command::new("bash");
        let mut path = OsString::from(binary::callspan().parent().expect("a program lies in a folder"));
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        command.args(["-euo", "pipefail", "-c", lines]).current_dir(folder).env("PATH", path);
        Self::of(command)
    }

    fn of(mut command: Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        command.env("CALLSPAN_CACHE_DIR", binary::cache_dir());
        command.env("CALLSPAN_DATA_DIR", folder.path());
        Self { command, input: Vec::new(), folder }
    }

    /// Adds to the command line.
    #[must_use]
    pub fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.command.args(arguments);
        self
    }

    /// Adds to the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Lets it have no more than this many bytes of address space.
    #[must_use]
    pub fn within_address_space(mut self, bytes: u64) -> Self {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--as={bytes}")).arg(self.command.get_program()).args(self.command.get_args());
        limited.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        self.command = limited;
        self
    }

    /// Ends it, and all that it has started, after two minutes: for what would wait for ever where something is wrong.
    #[must_use]
    pub fn within_two_minutes(mut self) -> Self {
        let mut limited = Command::new("timeout");
        limited.args(["--kill-after=5", "120"]).arg(self.command.get_program()).args(self.command.get_args());
        limited.envs(self.command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        if let Some(folder) = self.command.get_current_dir() {
            limited.current_dir(folder);
        }
        self.command = limited;
        self
    }

    /// What it reads on its standard input.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// Starts it, to be watched.
    pub fn start(self) -> Running {
        let mut child = Child::start("callspan", self.command);
        child.stdin().write_all(&self.input).expect("callspan reads its input");
        Running { child, _folder: self.folder }
    }

    /// Runs it with a reader that takes one line of its output and goes away, and waits for its end.
    pub fn run_for_one_line(self) -> Finished {
        let Self { mut command, input, folder: _folder } = self;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().expect("callspan was just built");
        let mut stdin = process.stdin.take().expect("it is piped");
        let writer = thread::spawn(move || stdin.write_all(&input));
        let mut line = String::new();
        let mut reader = BufReader::with_capacity(1, process.stdout.take().expect("it is piped"));
        reader.read_line(&mut line).expect("its output is text");
        drop(reader);
        let output = process.wait_with_output().expect("it is our child");
        let _written = writer.join().expect("writing does not panic");
        Finished {
            code: output.status.code(),
            stdout: line,
            stderr: String::from_utf8(output.stderr).expect("its errors are text"),
        }
    }

    /// Runs it to its end.
    pub fn run(self) -> Finished {
        run_to_end(self.command, self.input)
    }
}

impl Running {
    /// Waits until it has written what `find` looks for, and hands that out. Lines are those of both streams.
    pub fn wait_for<T>(&mut self, what: &str, find: impl Fn(&[String]) -> Option<T>) -> T {
        self.child.wait_for(what, find)
    }

    /// Ends it as Ctrl-C or a service manager does.
    pub fn terminate(&mut self) -> ExitStatus {
        self.child.terminate()
    }
}

impl Finished {
    /// The traces that `transform` wrote, one for each line.
    pub fn traces(&self) -> Vec<Vec<Span>> {
        self.stdout.lines().map(|line| Span::of_request(&parse(line))).collect()
    }

    /// The one trace it wrote.
    pub fn trace(&self) -> Vec<Span> {
        let mut traces = self.traces();
        assert_eq!(traces.len(), 1, "not one trace: {self:#?}");
        traces.remove(0)
    }

    /// The refusals it wrote.
    pub fn refusals(&self) -> Vec<Value> {
        let lines = self.stderr.lines().filter(|line| line.starts_with("{\"index\""));
        lines.map(parse).collect()
    }

    /// The one refusal it wrote.
    pub fn refusal(&self) -> Value {
        let mut refusals = self.refusals();
        assert_eq!(refusals.len(), 1, "not one refusal: {self:#?}");
        refusals.remove(0)
    }
}

/// The spans that `callspan transform` makes of a record, sorted.
pub fn mapped(record: impl Into<Vec<u8>>) -> Vec<Span> {
    sorted(Callspan::transform().input(record).run().trace())
}

/// Runs any command to its end.
pub(crate) fn run_to_end(mut command: Command, input: Vec<u8>) -> Finished {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().expect("it was just built, or installed");
    let mut stdin = process.stdin.take().expect("it is piped");
    // From its own thread: input and output may both be longer than a pipe holds. It may end without reading all.
    let writer = thread::spawn(move || stdin.write_all(&input));
    let output = process.wait_with_output().expect("it is our child");
    let _written = writer.join().expect("writing does not panic");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("its output is text"),
        stderr: String::from_utf8(output.stderr).expect("its errors are text"),
    }
}

fn parse(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {error}: {line}"))
}
