//! The commands, a file for each, and how their results become messages and exit codes.

mod completions;
mod demo;
mod inspect;
mod man;
mod serve;
mod trace_id;
mod transform;

use crate::args::{Arguments, Command};
use crate::config::{Config, ConfigError};
use crate::transform::{Cache, Engine, LoadError, Loader};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// Why a command failed; decides the exit code.
#[derive(Debug)]
enum Failure {
    /// While it ran.
    Runtime(anyhow::Error),
    /// Before it ran: what the operator configured does not hold.
    Configuration(anyhow::Error),
}

/// What a command that came to its end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// It ran, and some of the records were refused.
    SomeRefused,
}

/// `EX_CONFIG` of sysexits.h.
const EXIT_CONFIGURATION: u8 = 78;

/// Runs a command; a failure is told on the standard error.
pub fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Transform(arguments) => transform::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::TraceId(arguments) => trace_id::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => man::run(arguments),
    };
    match result {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::SomeRefused) => ExitCode::FAILURE,
        Err(Failure::Runtime(error)) => {
            tell(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Configuration(error)) => {
            tell(&error);
            ExitCode::from(EXIT_CONFIGURATION)
        }
    }
}

/// One line for each problem. If nobody can be told, the exit code still says it.
fn tell(error: &anyhow::Error) {
    let mut stderr = io::stderr().lock();
    for line in format!("{error:#}").lines() {
        let _told = writeln!(stderr, "callspan: {line}");
    }
}

/// A reader that goes away is no failure: `callspan … | head` has all it wants.
fn or_reader_gone(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Runtime(anyhow::Error::new(error).context("write the output")))
        }
        _ => Ok(()),
    }
}

fn read_config(path: Option<&Path>) -> Result<Config, Failure> {
    Ok(path.map(Config::read).transpose()?.unwrap_or_default())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn loader() -> Result<Loader, Failure> {
    let cache = Cache::from_environment(|name| std::env::var_os(name));
    Ok(Loader::new(Engine::new()?, cache))
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Configuration(error.into())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Engine(_) | LoadError::Ticker(_) => {
                Failure::Runtime(anyhow::Error::msg(format!("failed to {error}")))
            }
            _ => Failure::Configuration(anyhow::Error::msg(format!("failed to {error}"))),
        }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Runtime(error)
    }
}
