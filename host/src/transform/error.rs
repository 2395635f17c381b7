//! What can go wrong with a plugin: while it is loaded, and while it runs.

use super::admit::Breach;
use super::loader::BUILTIN;
use super::wasi::{NotGranted, is_wasi};
use crate::record::Rejection;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use wasmtime::Trap;

/// Why a plugin is not taken into service: what was expected, what was found, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("start the WebAssembly engine: {0:#}")]
    Engine(wasmtime::Error),
    #[error("start the thread that interrupts guests: {0}")]
    Ticker(io::Error),
    #[error("read plugin {}: {error}; give the path of a component that this user may read, or {BUILTIN}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error(
        "load plugin {plugin}: it has {bytes} bytes, more than the limit of {limit}; take names and debugging sections out \
         of it (`wasm-tools strip`)"
    )]
    TooLarge { plugin: String, bytes: u64, limit: usize },
    #[error(
        "load plugin {plugin}: it is not WebAssembly, which begins with 00 61 73 6d: it {beginning}; a plugin is a \
         component, as `wasm-tools component new` or a guest SDK makes it"
    )]
    NotWebAssembly { plugin: String, beginning: String },
    #[error(
        "load plugin {plugin}: it is not a WebAssembly component but a core module; make one of it with \
         `wasm-tools component new`, or build it with a guest SDK"
    )]
    CoreModule { plugin: String },
    #[error(
        "load plugin {plugin}: it is not a WebAssembly component that this host can compile: {error:#}; build or fetch it \
         again if it was damaged, and without memory64, several memories, tail calls, relaxed SIMD and threads"
    )]
    NotAComponent { plugin: String, error: wasmtime::Error },
    #[error(
        "load plugin {plugin}: it asks for {}, but a plugin may import nothing; build it without WASI (for Rust: \
         wasm32-unknown-unknown){}",
        some(imports),
        or_grant(imports)
    )]
    Imports { plugin: String, imports: Vec<String> },
    #[error("load plugin {plugin}: what it expects of WASI is not what WASI has: {error:#}; build it for WASI 0.2")]
    Wasi { plugin: String, error: wasmtime::Error },
    #[error(
        "load plugin {plugin}: it does not export {expected}; it exports {}; {}",
        some(found),
        another(found, expected)
    )]
    Exports { plugin: String, expected: &'static str, found: Vec<String> },
    #[error(
        "load plugin {plugin}: its exports do not have the types of the contract: {error:#}; build it against \
         wit/callspan.wit as it was released, a released version never changes"
    )]
    Types { plugin: String, error: wasmtime::Error },
    #[error("load plugin {plugin}: its description is wrong: {problem}; wit/callspan.wit says what it may be")]
    Description { plugin: String, problem: String },
    #[error(
        "configure plugin {plugin}: {}; `callspan inspect` shows the schema of its options",
        OptionProblems(problems)
    )]
    Options { plugin: String, problems: Vec<OptionProblem> },
    #[error(
        "describe plugin {plugin}: it {error}; a plugin has to say what it is before it is given options or records"
    )]
    Describe { plugin: String, error: String },
    #[error(
        "configure plugin {plugin}: it {error}; a plugin has to answer options that it cannot take with diagnostics"
    )]
    Configure { plugin: String, error: String },
    #[error(
        "try plugin {plugin}: it {error}; a plugin has to refuse a record that it cannot map, such as {{}}, with \
         `rejected`"
    )]
    Trial { plugin: String, error: String },
    #[error(
        "keep the compiled plugin {plugin}: there is no folder for it; name one with --output or CALLSPAN_CACHE_DIR"
    )]
    NoFolder { plugin: String },
    #[error("keep the compiled plugin {plugin} in {}: {error}; make that good, or name another folder with --output", path.display())]
    Keep { plugin: String, path: PathBuf, error: io::Error },
}

/// One thing that is wrong with a plugin's options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionProblem {
    /// JSON Pointer into the options.
    pub path: String,
    pub message: String,
}

struct OptionProblems<'p>(&'p [OptionProblem]);

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

/// The first few of a list that may be long.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 4;
    let shown = names.get(..SHOWN).unwrap_or(names).join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 if names.is_empty() => "nothing".to_owned(),
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// What helps a plugin that asks for nothing but WASI.
fn or_grant(imports: &[String]) -> &'static str {
    if imports.iter().all(|import| is_wasi(import)) {
        ", or, if its language cannot do without, grant it WASI in name only: `wasi: stub`, or --wasi stub"
    } else {
        ""
    }
}

/// What helps a plugin that exports something else.
fn another(found: &[String], expected: &str) -> &'static str {
    let interface = expected.split('@').next().unwrap_or(expected);
    if found.iter().any(|name| name.split('@').next() == Some(interface)) {
        "that is another version: build it against this program's wit/callspan.wit, or run it with a callspan that speaks it"
    } else {
        "build it against wit/callspan.wit"
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
