//! The command line.

mod plugin;
mod queue;

use crate::config::{DurabilityName, Overrides, WasiName};
use crate::telemetry::LogFormat;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use plugin::{Plugin, PluginCommand};
pub use queue::{
    Confirm, DeadLetter, DeadLetterCommand, Erase, Export, Letters, List, Listing, Purge, Queue, QueueAt, QueueCommand,
    Replay, ReplayLetters, Show,
};

/// Turns contact-centre call records into OpenTelemetry traces.
///
/// Tencent Cloud Contact Center pushes one JSON record for each finished call. callspan takes the records in, maps each
/// to a trace with a sandboxed WebAssembly component, and exports the traces over OTLP.
#[derive(Debug, Parser)]
#[command(name = "callspan", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 good, 1 failed while running, 2 wrong usage, 78 wrong configuration.")]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take records in and export their traces.
    ///
    /// A push is answered with 200 when its records are on disk. From there they go to every sink, for as long as that
    /// takes, also after a crash. Without a configuration file, callspan takes pushes on 127.0.0.1:8080, shows metrics and health on
    /// 127.0.0.1:9464, and exports to where OTEL_EXPORTER_OTLP_ENDPOINT, _PROTOCOL, _HEADERS, _TIMEOUT and _COMPRESSION
    /// point, by default gRPC to http://localhost:4317.
    ///
    /// Anybody who reaches that address may push. For the internet, configure `auth` of the source: users, tokens or
    /// signatures; beside it a secret in the path, and networks that senders are in.
    ///
    /// SIGTERM or SIGINT: takes nothing in any more, delivers what it can, and ends. A second one ends it at once; what
    /// is not delivered stays in the queue.
    Serve(Serve),
    /// Start a service that draws traces on this terminal, and push it some example calls.
    Demo(Demo),
    /// Map records from files or the standard input to OTLP/JSON, one line for each trace.
    ///
    /// The input is a JSON object, an array of objects, or NDJSON, told apart by content, each also gzipped. Traces go
    /// to the standard output in the order of the records. A record that is refused is a JSON line on the standard
    /// error: its index over the whole input, the line on which it begins, class, code, path and message, where
    /// positions count from the record's own beginning; the exit code is then 1.
    Transform(Transform),
    /// Show what a plugin says it can emit.
    Inspect(Inspect),
    /// Compile plugins ahead of time, for a service that starts from an image.
    ///
    /// A service compiles a plugin when it starts, and keeps the result in the folder that CALLSPAN_CACHE_DIR names. Where
    /// that is read-only or empty at every start, in an image above all, fill a folder while the image is built, and have
    /// the service find it: `callspan compile --output compiled`, then `CALLSPAN_CACHE_DIR=compiled callspan serve`.
    ///
    /// Compiled code is native code, so a service takes it from whom it trusts: from a folder of its own user that is
    /// closed to others (mode 700), or from root's that nobody else may write. Run as root this makes the latter, for
    /// services of every user, else the former. What is compiled serves this version of callspan on processors with the same
    /// features; another one passes it over, and compiles the plugin when it starts.
    Compile(Compile),
    /// Print the trace id of a session, to look it up in a backend.
    TraceId(TraceId),
    /// Look at records that were refused for good, deliver them once more, or give them up.
    ///
    /// A record that the mapping or a backend refuses becomes a dead letter, and waits for somebody to look at it. What
    /// is shown of it is what is no text of people; --privacy plain shows all. It works while the service runs and when
    /// it is stopped.
    DeadLetter(DeadLetter),
    /// Deliver what was received before once more.
    ///
    /// It reaches as far back as delivered records are kept, which `queue.keep` says, or as long as another sink has not
    /// taken them. The same record becomes the same trace under the same mapping; it is said whether that is another one
    /// now.
    Replay(Replay),
    /// Look at the plugins of a running service, and exchange them.
    ///
    /// A plugin that takes the place of another one is loaded, configured and tried before, and records wait for none of
    /// that. The service does the same by itself when the file of a plugin changes, unless the transform has `reload:
    /// manual`, and at SIGHUP.
    Plugin(Plugin),
    /// Look at the queue and at who takes from it.
    Queue(Queue),
    /// Erase every record of a session from the queue.
    ///
    /// Waiting records, delivered ones that are kept, and dead letters that hold the session's id as a value are taken
    /// out, and the files that held them are written anew: records, dead letters, journals. What is under way while the
    /// service runs may still be delivered. What stays: hashes by which a repeated push is told, until their window is
    /// over; damaged files that were set aside, in the queue's folder `quarantine`; and what backends and other sinks
    /// have been sent.
    Erase(Erase),
    /// Check configuration files without serving.
    ///
    /// Everything that is wrong is told at once, a line for each problem: file, line, column, key, what is wrong and
    /// what would be right. Plugins are loaded and their options checked, as serving would. The exit code is 78 if any
    /// file is wrong.
    Validate(Validate),
    /// Look for what would keep a service from working, here and now.
    ///
    /// With the arguments that `serve` is to get: whether the configuration holds, the clock is plausible, plugins load,
    /// strangers are kept out,
    /// the folder for what is remembered can be used and has room, addresses are free or held by the service that runs,
    /// and backends answer, to which an export request without a span is sent. Each finding says what was found and what to
    /// do. Nothing on disk is changed. The exit code is 1 if there is an error.
    Doctor(Doctor),
    /// Print the JSON Schema of the configuration, or what a service answers.
    ///
    /// Editors complete and check a configuration with it: `callspan schema > callspan.schema.json`, and as the first
    /// line of the file `# yaml-language-server: $schema=callspan.schema.json`.
    Schema(Schema),
    /// Print what a shell needs to complete callspan's arguments.
    ///
    /// For bash: `callspan completions bash > /etc/bash_completion.d/callspan`.
    Completions(Completions),
    /// Print the manual page.
    ///
    /// To read it: `callspan man | man -l -`.
    Man(Man),
}

#[derive(Args, Debug)]
pub struct Serve {
    #[command(flatten)]
    pub serving: Serving,
    #[command(flatten)]
    pub log: Log,
}

/// What is served, and how.
#[derive(Args, Debug)]
pub struct Serving {
    #[command(flatten)]
    pub mapping: Mapping,
    /// Listen on this address instead of the configured one; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<SocketAddr>,
    /// Serve metrics and health on this address instead of the configured one.
    #[arg(long, value_name = "ADDRESS")]
    pub admin_address: Option<SocketAddr>,
    /// Remember things in this folder instead of the configured one.
    #[arg(long, value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// When a record is acknowledged, whatever the configuration says.
    #[arg(long, value_enum, value_name = "DURABILITY")]
    pub durability: Option<DurabilityName>,
    /// End after this many seconds of finishing what was taken in, whatever the configuration says.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub graceful_shutdown_limit_secs: Option<u64>,
}

#[derive(Args, Debug)]
pub struct Doctor {
    #[command(flatten)]
    pub serving: Serving,
    /// Send each backend a trace of one span with the attribute callspan.test, instead of an empty request.
    #[arg(long)]
    pub send_test_trace: bool,
    /// What to write.
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
}

#[derive(Args, Debug)]
pub struct Demo {
    /// Listen on this address [default: 127.0.0.1:8080, or any free port if that is taken].
    #[arg(long, value_name = "ADDRESS")]
    pub address: Option<SocketAddr>,
    #[command(flatten)]
    pub log: Log,
}

#[derive(Args, Debug)]
pub struct Transform {
    /// Files to read, in this order; `-` or none for the standard input.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    #[command(flatten)]
    pub mapping: Mapping,
    /// Use the transform of this name, where the configuration has several.
    #[arg(long, value_name = "NAME")]
    pub transform: Option<String>,
    /// What to write for each trace.
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
}

/// How records are mapped.
#[derive(Args, Debug, Default)]
pub struct Mapping {
    /// Read the configuration from this file: YAML, JSON, or TOML if its name ends in .toml.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Map with this component instead of the configured one; `builtin:tccc` is the one inside this program.
    #[arg(long, value_name = "FILE")]
    pub plugin: Option<String>,
    /// Options of the plugin, as JSON; `callspan inspect` shows their schema.
    #[arg(long, value_name = "JSON")]
    pub options: Option<String>,
    /// Treat every class of sensitive value like this, as far as the class can be: plain, mask, hmac or drop.
    #[arg(long, value_name = "CHOICE")]
    pub privacy: Option<String>,
    /// Let the plugin import WASI in name only: `stub` is for languages that cannot do without.
    #[arg(long, value_enum, value_name = "GRANT")]
    pub wasi: Option<WasiName>,
}

#[derive(Args, Debug)]
pub struct Inspect {
    /// The plugin's file, or `builtin:tccc`.
    #[arg(value_name = "PLUGIN", default_value = crate::transform::BUILTIN)]
    pub plugin: String,
}

#[derive(Args, Debug)]
pub struct Compile {
    /// The plugins' files, or `builtin:tccc`.
    #[arg(value_name = "PLUGIN", default_value = crate::transform::BUILTIN)]
    pub plugins: Vec<String>,
    /// Compile the plugins of this configuration instead.
    #[arg(long, value_name = "FILE", conflicts_with = "plugins")]
    pub config: Option<PathBuf>,
    /// Keep what is compiled in this folder, which is made if it is not there, instead of where CALLSPAN_CACHE_DIR says.
    #[arg(long, value_name = "FOLDER")]
    pub output: Option<PathBuf>,
    /// What to write for each plugin.
    #[arg(long, value_enum, default_value_t = Listing::Text)]
    pub format: Listing,
}

#[derive(Args, Debug)]
pub struct TraceId {
    /// The application's id, SdkAppId in the record; 0 if the record has none.
    #[arg(value_name = "SDKAPPID")]
    pub sdk_app_id: i64,
    /// The session's id, SessionId in the record.
    #[arg(value_name = "SESSIONID")]
    pub session_id: String,
}

#[derive(Args, Debug)]
pub struct Schema {
    /// Print the OpenAPI description (version 3.1) of what a service answers: to pushes, to requests for tokens, and on
    /// its admin listener.
    #[arg(long)]
    pub openapi: bool,
    /// Describe the service of this configuration; without it, one that has every default.
    #[arg(long, value_name = "FILE", requires = "openapi")]
    pub config: Option<PathBuf>,
    /// Describe the source of this name, where pushes come to several.
    #[arg(long, value_name = "NAME", requires = "openapi")]
    pub source: Option<String>,
}

#[derive(Args, Debug)]
pub struct Completions {
    /// The shell to write for.
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[derive(Args, Debug)]
pub struct Man {
    /// Write a page for callspan and one for each command into this folder instead.
    #[arg(long, value_name = "FOLDER")]
    pub directory: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub struct Validate {
    /// Files to check, each by itself.
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Disable checks of the environment: variables may be unset, and files of secrets and plugins need not be there.
    #[arg(long)]
    pub no_environment: bool,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct Log {
    /// How log lines are written; which are written is said by CALLSPAN_LOG, for example `debug` [default: info].
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// An ExportTraceServiceRequest in OTLP/JSON, on one line.
    Json,
    /// A drawing for people.
    Waterfall,
}

impl Serving {
    /// What these arguments say over a configuration file.
    pub fn overrides(&self) -> Overrides {
        Overrides {
            graceful_shutdown_limit: self.graceful_shutdown_limit_secs.map(Duration::from_secs),
            data_dir: self.data_dir.clone(),
            durability: self.durability,
            ..self.mapping.overrides(self.address)
        }
    }
}

impl Mapping {
    /// What these arguments say over a configuration file.
    pub fn overrides(&self, address: Option<SocketAddr>) -> Overrides {
        Overrides {
            address,
            plugin: self.plugin.clone(),
            options: self.options.clone(),
            privacy: self.privacy.clone(),
            wasi: self.wasi,
            ..Overrides::default()
        }
    }
}
