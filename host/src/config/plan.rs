//! What is to be run, once a configuration is known to be right.

use crate::connections::ConnectionLimits;
use crate::delivery::Settings as DeliverySettings;
use crate::export::Endpoint;
use crate::intake::{file, http_server, opentelemetry, stdin};
use crate::queue::{ConsumerSettings, Settings as QueueSettings};
use crate::tls::ServerTls;
use crate::transform::{Settings as TransformSettings, Source as PluginSource};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The whole service. Every name in an `inputs` is one of the stage before; there is at least one part of each kind.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where metrics and health are served, if they are.
    pub admin: Option<SocketAddr>,
    /// How long a shutdown may take to finish what was taken in.
    pub graceful_shutdown_limit: Duration,
    /// The folder for what is remembered. It is there where a part needs it.
    pub data_dir: Option<PathBuf>,
    pub queue: QueueSettings,
    pub sources: Vec<Part<SourcePlan>>,
    pub transforms: Vec<Part<TransformPlan>>,
    pub sinks: Vec<Part<SinkPlan>>,
}

/// What a command that looks into the queue has to know.
#[derive(Clone, Debug)]
pub struct QueuePlan {
    /// The folder for what is remembered.
    pub data_dir: PathBuf,
    pub settings: QueueSettings,
    /// Whether texts that people wrote are shown as they are, after the first transform's policy.
    pub shows_free_text: bool,
}

/// One part of the service.
#[derive(Clone, Debug)]
pub struct Part<T> {
    /// As it is called in the configuration.
    pub name: String,
    /// The parts it takes from, by their names; none for a source.
    pub inputs: Vec<String>,
    pub plan: T,
}

#[derive(Clone, Debug)]
pub enum SourcePlan {
    HttpServer {
        address: SocketAddr,
        settings: Box<http_server::Settings>,
        connections: ConnectionLimits,
        /// How its connections are secured, if they are.
        tls: Option<Box<ServerTls>>,
    },
    /// At least one of the two addresses is there.
    Opentelemetry {
        grpc: Option<ListenerPlan>,
        http: Option<ListenerPlan>,
        settings: opentelemetry::Settings,
        connections: ConnectionLimits,
    },
    File(file::Settings),
    Stdin(stdin::Settings),
}

/// An address to listen on.
#[derive(Clone, Debug)]
pub struct ListenerPlan {
    pub address: SocketAddr,
    /// How its connections are secured, if they are.
    pub tls: Option<Box<ServerTls>>,
}

#[derive(Clone, Debug)]
pub struct TransformPlan {
    pub plugin: PluginSource,
    /// When it is loaded again.
    pub reload: Reload,
    /// What maps beside it from the start, for comparison.
    pub shadow: Option<PluginSource>,
    pub settings: TransformSettings,
}

/// When the file of a plugin is loaded again, beside when somebody asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reload {
    #[default]
    OnChange,
    Manual,
}

#[derive(Clone, Debug)]
pub struct SinkPlan {
    pub kind: SinkKind,
    /// How it takes part in the queue.
    pub consumer: ConsumerSettings,
    pub delivery: DeliverySettings,
}

#[derive(Clone, Debug)]
pub enum SinkKind {
    Opentelemetry(Box<BackendPlan>),
    /// OTLP/JSON, a line for each request, appended to this file.
    File {
        path: PathBuf,
    },
    Console {
        target: ConsoleTarget,
        codec: ConsoleCodec,
    },
}

/// A backend that speaks OTLP.
#[derive(Clone, Debug)]
pub struct BackendPlan {
    pub endpoint: Endpoint,
    /// The largest request, in bytes before compression. A trace that is larger all by itself is sent all the same.
    pub request_bytes_max: usize,
    /// Whether it is looked at the start if it can be reached.
    pub has_healthcheck: bool,
}

/// Which stream a console sink writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleTarget {
    #[default]
    Stdout,
    Stderr,
}

/// How a console sink writes a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConsoleCodec {
    /// Drawn for people.
    #[default]
    Waterfall,
    /// OTLP/JSON on one line.
    Json,
}

impl SourcePlan {
    /// Its `type` in the configuration.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::HttpServer { .. } => "http_server",
            Self::Opentelemetry { .. } => "opentelemetry",
            Self::File(_) => "file",
            Self::Stdin(_) => "stdin",
        }
    }
}

impl SinkKind {
    /// Its `type` in the configuration.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Opentelemetry(_) => "opentelemetry",
            Self::File { .. } => "file",
            Self::Console { .. } => "console",
        }
    }
}
