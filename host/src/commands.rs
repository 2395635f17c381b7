//! The commands, a file for each, and how their results become messages and exit codes.

mod access;
mod compile;
mod completions;
mod dead_letter;
mod demo;
mod doctor;
mod erase;
mod inspect;
mod listing;
mod man;
mod outline;
mod plugin;
mod queue;
mod replay;
mod schema;
mod serve;
mod trace_id;
mod transform;
mod validate;

use crate::args::{Arguments, Command};
use crate::config::plan::{Part, Plan, TransformPlan};
use crate::config::{Config, ConfigError};
use crate::transform::{Cache, Engine, LoadError, Loader, Plugin};
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
    /// Before it ran: something is missing on the command line.
    Usage(anyhow::Error),
}

/// What a command that came to its end says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// It ran, and some of the records were refused.
    SomeRefused,
    /// It ran, and found something that would keep a service from working.
    Unwell,
    /// It ran, and found configurations that do not hold, which it told.
    Misconfigured,
}

/// `EX_CONFIG` of sysexits.h.
const EXIT_CONFIGURATION: u8 = 78;
/// As the parser of the command line has it.
const EXIT_USAGE: u8 = 2;

/// Runs a command; a failure is told on the standard error.
pub fn run(arguments: Arguments) -> ExitCode {
    let result = match arguments.command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::Demo(arguments) => demo::run(arguments),
        Command::Doctor(arguments) => doctor::run(arguments),
        Command::Transform(arguments) => transform::run(arguments),
        Command::Inspect(arguments) => inspect::run(arguments),
        Command::Compile(arguments) => compile::run(arguments),
        Command::TraceId(arguments) => trace_id::run(arguments),
        Command::Completions(arguments) => completions::run(arguments),
        Command::Man(arguments) => man::run(arguments),
        Command::Validate(arguments) => validate::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::DeadLetter(arguments) => dead_letter::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
        Command::Plugin(arguments) => plugin::run(arguments),
        Command::Queue(arguments) => queue::run(arguments),
        Command::Erase(arguments) => erase::run(arguments),
    };
    match result {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::SomeRefused | Verdict::Unwell) => ExitCode::FAILURE,
        Ok(Verdict::Misconfigured) => ExitCode::from(EXIT_CONFIGURATION),
        Err(Failure::Runtime(error)) => {
            tell(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Configuration(error)) => {
            tell(&error);
            ExitCode::from(EXIT_CONFIGURATION)
        }
        Err(Failure::Usage(error)) => {
            tell(&error);
            ExitCode::from(EXIT_USAGE)
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
    Ok(path.map(|path| Config::read(path, &variable)).transpose()?.unwrap_or_default())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn loader() -> Result<Loader, Failure> {
    Ok(Loader::new(Engine::new()?, cache()))
}

/// Where compiled plugins are kept.
fn cache() -> Cache {
    Cache::from_environment(|name| std::env::var_os(name))
}

/// The plugin of each transform, in their order.
fn load_all(loader: &Loader, plan: &Plan) -> Result<Vec<Plugin>, Failure> {
    let load = |part: &Part<TransformPlan>| {
        let loaded = loader.load(&part.plan.plugin, part.plan.settings.clone());
        loaded.map_err(|error| Failure::from(error).about(&format!("transforms.{}", part.name)))
    };
    plan.transforms.iter().map(load).collect()
}

impl Failure {
    /// Says what it is about, in front of each of its lines.
    fn about(self, part: &str) -> Self {
        let about = |error: anyhow::Error| {
            let lines: Vec<String> = format!("{error:#}").lines().map(|line| format!("{part}: {line}")).collect();
            anyhow::Error::msg(lines.join("\n"))
        };
        match self {
            Failure::Runtime(error) => Failure::Runtime(about(error)),
            Failure::Configuration(error) => Failure::Configuration(about(error)),
            Failure::Usage(error) => Failure::Usage(about(error)),
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Failure::Configuration(error.into())
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::Engine(_) | LoadError::Ticker(_) | LoadError::NoFolder { .. } | LoadError::Keep { .. } => {
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
