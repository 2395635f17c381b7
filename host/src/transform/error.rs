//! What can go wrong with a plugin: while it is loaded, and while it runs.

use super::admit::Breach;
use super::wasi::{NotGranted, is_wasi};
use crate::record::Rejection;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use wasmtime::Trap;

/// Why a plugin is not taken into service.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("start the WebAssembly engine: {0:#}")]
    Engine(wasmtime::Error),
    #[error("start the thread that interrupts guests: {0}")]
    Ticker(io::Error),
    #[error("read plugin {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("load plugin {plugin}: it has {bytes} bytes, more than the limit of {limit}")]
    TooLarge { plugin: String, bytes: u64, limit: usize },
    #[error(
        "load plugin {plugin}: it is not WebAssembly; a plugin is a component, as `wasm-tools component new` or a guest SDK makes it"
    )]
    NotWebAssembly { plugin: String },
    #[error("load plugin {plugin}: it is not a WebAssembly component: {error:#}")]
    NotAComponent { plugin: String, error: wasmtime::Error },
    #[error("load plugin {plugin}: it asks for {imports}")]
    Imports { plugin: String, imports: Imports },
    #[error("load plugin {plugin}: what it expects of WASI is not what WASI has: {error:#}")]
    Wasi { plugin: String, error: wasmtime::Error },
    #[error("load plugin {plugin}: it does not export {expected}; it exports {}", found.join(", "))]
    Exports { plugin: String, expected: &'static str, found: Vec<String> },
    #[error("load plugin {plugin}: its exports do not have the types of the contract: {error:#}")]
    Types { plugin: String, error: wasmtime::Error },
    #[error("load plugin {plugin}: its description is wrong: {problem}")]
    Description { plugin: String, problem: String },
    #[error("configure plugin {plugin}: {}", OptionProblems(problems))]
    Options { plugin: String, problems: Vec<OptionProblem> },
    #[error("describe plugin {plugin}: it {error}")]
    Describe { plugin: String, error: String },
    #[error("configure plugin {plugin}: it {error}")]
    Configure { plugin: String, error: String },
    #[error("try plugin {plugin}: it {error}")]
    Trial { plugin: String, error: String },
}

/// So many of the things that a component asks for are told.
const IMPORTS_SHOWN: usize = 3;

/// What a component imports and does not get.
#[derive(Debug)]
pub struct Imports(pub(super) Vec<String>);

/// One thing that is wrong with a plugin's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionProblem {
    /// JSON Pointer into the options.
    pub path: String,
    pub message: String,
}

struct OptionProblems<'p>(&'p [OptionProblem]);

impl fmt::Display for Imports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Imports(imports) = self;
        let (shown, others) = imports.split_at(imports.len().min(IMPORTS_SHOWN));
        f.write_str(&shown.join(", "))?;
        if !others.is_empty() {
            write!(f, " and {} more", others.len())?;
        }
        f.write_str(", but a plugin may import nothing; ")?;
        f.write_str("build it without WASI (for Rust: wasm32-unknown-unknown)")?;
        if imports.iter().all(|import| is_wasi(import)) {
            f.write_str(
                ", or, if its language cannot do without, grant it WASI in name only: `wasi: stub`, or --wasi stub",
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for OptionProblems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            let path = if problem.path.is_empty() { "options" } else { &problem.path };
            write!(f, "{separator}{path}: {}", problem.message)?;
        }
        Ok(())
    }
}

/// How a plugin failed a record, or a whole batch. None of them quotes a record.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("could not be started: {0:#}")]
    Start(wasmtime::Error),
    #[error("trapped: {0}")]
    Trap(Trap),
    #[error(transparent)]
    NotGranted(NotGranted),
    #[error("computed for longer than {} ms", budget.as_millis())]
    Overrun { budget: Duration },
    #[error("asked for more memory than the limit")]
    Memory,
    #[error("returned something that cannot be taken: {0:#}")]
    Output(wasmtime::Error),
    #[error("gave {outcomes} outcomes for {records} records")]
    OutcomeCount { records: usize, outcomes: usize },
    #[error("refused options that it took before")]
    OptionsRefused,
    #[error("returned {0}")]
    Breach(Breach),
}

impl CallError {
    /// Stable, for logs and metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            CallError::Start(_) => "start",
            CallError::Trap(_) => "trap",
            CallError::NotGranted(_) => "not_granted",
            CallError::Overrun { .. } => "overrun",
            CallError::Memory => "memory",
            CallError::Output(_) => "output",
            CallError::OutcomeCount { .. } => "outcome_count",
            CallError::OptionsRefused => "options_refused",
            CallError::Breach(Breach::Limit { .. }) => "output_limit",
            CallError::Breach(_) => "contract",
        }
    }

    /// Why the record is refused that the plugin of this name and version failed.
    pub(super) fn rejection(&self, plugin: &str) -> Rejection {
        let message = format!("the plugin {plugin} {self}");
        Rejection { class: PLUGIN.to_owned(), code: self.code().to_owned(), path: None, message, position: None }
    }
}

/// The class of refusals that are the plugin's fault, not the record's.
pub(super) const PLUGIN: &str = "plugin";
