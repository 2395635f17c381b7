//! Sends traces to a backend that speaks OTLP, and tells of each trace what became of it.
//!
//! ```text
//! traces ──▶ request ──▶ batch ──▶ grpc | http ──▶ outcome
//!                          ▲                          │
//!                          └──── halved, if too large ┘
//! ```
//!
//! Traces become messages of the protocol (`request`), are brought together into requests that a receiver takes
//! (`batch`), and are sent over gRPC or HTTP to an `endpoint`. The backend's answer is sorted by what is to be done
//! about it (`outcome`): a request that is too large is halved at once, anything else is left to the caller. Nothing
//! here waits and tries again; how long a caller should wait is counted by `retry`. Instead of a backend there may be a
//! `console`, on which each trace is drawn.
//!
//! The client is our own, since OpenTelemetry's hides partial success, the classes of errors and the delays that
//! backends ask for.

mod batch;
mod console;
mod endpoint;
mod grpc;
mod http;
mod json;
mod outcome;
mod quotes;
mod request;
mod retry;
mod rpc_status;

#[cfg(test)]
mod collector;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;

use crate::span::Trace;
use batch::Batch;
use grpc::Grpc;
use http::Http;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use outcome::Answer;
use std::error::Error;
use std::io::Write;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tracing::{error, warn};

pub use batch::REQUEST_BYTES_MAX_DEFAULT;
pub use console::{Style, waterfall};
pub use endpoint::{Compression, Endpoint, Protocol, TIMEOUT_DEFAULT, Unusable, UnusableSettings};
pub use json::json;
pub use outcome::Outcome;
pub use request::{Scope, request};
pub use retry::{Backoff, BackoffSettings};

const USER_AGENT: &str = concat!("callspan/", env!("CARGO_PKG_VERSION"));

/// Where traces go.
pub struct Exporter {
    sink: Sink,
    scope: Scope,
    request_bytes_max: usize,
    rejected_spans: AtomicU64,
}

enum Sink {
    Backend(Box<Backend>),
    Console { writer: Mutex<Box<dyn Write + Send>>, style: Style },
}

enum Backend {
    Grpc(Grpc),
    Http(Http),
}

/// A client for an endpoint cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("make a client for {endpoint}: {reason}")]
pub struct ConnectError {
    endpoint: String,
    reason: String,
}

impl Exporter {
    /// An exporter for a backend, which need not be there yet. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the certificates for TLS cannot be loaded, or the address is not one that the protocol can use.
    pub fn new(endpoint: &Endpoint, scope: Scope) -> Result<Self, ConnectError> {
        let backend = match endpoint.protocol() {
            Protocol::Grpc => Backend::Grpc(Grpc::new(endpoint)?),
            Protocol::HttpProtobuf | Protocol::HttpJson => Backend::Http(Http::new(endpoint)?),
        };
        Ok(Self::with_sink(Sink::Backend(Box::new(backend)), scope))
    }

    /// An exporter that draws each trace.
    pub fn console(writer: impl Write + Send + 'static, style: Style) -> Self {
        Self::with_sink(Sink::Console { writer: Mutex::new(Box::new(writer)), style }, Scope::default())
    }

    fn with_sink(sink: Sink, scope: Scope) -> Self {
        Self { sink, scope, request_bytes_max: REQUEST_BYTES_MAX_DEFAULT, rejected_spans: AtomicU64::new(0) }
    }

    /// The largest request to send, in bytes before compression. A trace that is larger all by itself is sent all the
    /// same.
    #[must_use]
    pub fn with_request_bytes_max(self, request_bytes_max: usize) -> Self {
        Self { request_bytes_max, ..self }
    }

    /// Spans that a backend left out of requests that it otherwise took. They are lost: the specification forbids
    /// sending them again.
    #[must_use]
    pub fn rejected_spans(&self) -> u64 {
        self.rejected_spans.load(Ordering::Relaxed)
    }

    /// Sends traces, each of them whole within one request, and gives one outcome for each, in their order.
    ///
    /// Once the backend does not answer, or asks for patience, nothing more is sent: what is left is to be retried too.
    pub async fn export(&self, traces: Vec<Trace>) -> Vec<Outcome> {
        match &self.sink {
            Sink::Backend(backend) => self.deliver(backend, traces).await,
            Sink::Console { writer, style } => traces.iter().map(|trace| draw(writer, trace, *style)).collect(),
        }
    }

    async fn deliver(&self, backend: &Backend, traces: Vec<Trace>) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Retry { after: None, reason: "not sent".to_owned() }; traces.len()];
        let mut waiting = batch::batches(traces, &self.scope, self.request_bytes_max);
        waiting.reverse();
        while let Some(batch) = waiting.pop() {
            let (settled, outcome) = match backend.send(batch.request()).await {
                Answer::Accepted => (vec![batch], Outcome::Accepted),
                Answer::PartiallyAccepted { rejected_spans, .. } => {
                    self.count_rejected(rejected_spans);
                    (vec![batch], Outcome::Accepted)
                }
                Answer::Refused { reason } => (vec![batch], Outcome::Refused { reason }),
                Answer::Retry { after, reason } => {
                    waiting.push(batch);
                    (mem::take(&mut waiting), Outcome::Retry { after, reason })
                }
                Answer::TooLarge { reason } => match batch.halves() {
                    Ok([first, second]) => {
                        waiting.extend([second, first]);
                        continue;
                    }
                    Err(single) => (vec![single], Outcome::Refused { reason }),
                },
            };
            for index in settled.iter().flat_map(Batch::indices) {
                if let Some(place) = outcomes.get_mut(index) {
                    place.clone_from(&outcome);
                }
            }
        }
        outcomes
    }

    /// The backend's own words are not logged: they may quote a span.
    fn count_rejected(&self, rejected_spans: u64) {
        self.rejected_spans.fetch_add(rejected_spans, Ordering::Relaxed);
        if rejected_spans > 0 {
            error!(rejected_spans, "backend left spans out of a request that it took");
        } else {
            warn!("backend took a request with a warning");
        }
    }
}

impl Backend {
    async fn send(&self, request: ExportTraceServiceRequest) -> Answer {
        match self {
            Self::Grpc(grpc) => grpc.send(request).await,
            Self::Http(http) => http.send(request).await,
        }
    }
}

impl ConnectError {
    fn new(endpoint: &Endpoint, error: &dyn Error) -> Self {
        Self { endpoint: endpoint.to_string(), reason: quotes::whole(error) }
    }
}

fn draw(writer: &Mutex<Box<dyn Write + Send>>, trace: &Trace, style: Style) -> Outcome {
    let picture = waterfall(trace, style);
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    match writeln!(writer, "{picture}").and_then(|()| writer.flush()) {
        Ok(()) => Outcome::Accepted,
        Err(error) => Outcome::Retry { after: None, reason: format!("the console cannot be written to: {error}") },
    }
}
