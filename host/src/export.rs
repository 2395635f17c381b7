//! Sends traces to a backend that speaks OTLP, and tells of each trace what became of it.
//!
//! ```text
//! traces ──▶ pieces ──▶ prepared ──▶ grpc | http ──▶ outcome
//!                          ▲                            │
//!                          └─ settled, halved, sent again ─┘
//! ```
//!
//! Each trace is encoded once (`pieces`), in protocol buffers (`encode`) or in `json`. What was encoded is divided into
//! requests that a receiver takes (`prepared`), and these are sent over gRPC or HTTP to an `endpoint`, one by one. The
//! backend's answer is sorted by what is to be done about it (`outcome`, `refusal`); it is done by the caller, who
//! settles the request, halves it, or sends it again. Nothing here waits and tries again; how long a caller should wait
//! is counted by `retry`. Instead of a backend there may be a `file`, or a `console`, on which each
//! trace is drawn or written as a line of JSON.
//!
//! A client is made with the certificates and tokens of its endpoint, and made anew when their files change (`watched`):
//! what is under way ends with the one that it began with. It is made anew too when a request gets no answer in time,
//! since its connection may be lost without a word. What TLS is held to, and what its failures mean, is told in `tls`.
//!
//! Whether a backend can be reached at all is told by `reach`, without a request.
//!
//! The client is our own, since OpenTelemetry's hides partial success, the classes of errors and the delays that
//! backends ask for. `request` makes the protocol's own messages, for whoever wants to look at them.

mod compression;
mod connector;
mod console;
mod encode;
mod endpoint;
mod file;
mod grpc;
mod http;
mod json;
mod outcome;
mod pieces;
mod prepared;
mod quotes;
mod reach;
mod refusal;
mod request;
mod retry;
mod rpc_status;
mod tls;

#[cfg(test)]
mod certificates;
#[cfg(test)]
mod collector;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod specification;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use crate::span::Trace;
use crate::watched::{Latest, Watched};
use bytes::Bytes;
use file::File;
use grpc::Grpc;
use http::Http;
use pieces::{Encoding, Format, Pieces};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use console::{Style, waterfall};
pub use endpoint::{Compression, Endpoint, EndpointSettings, Protocol, TIMEOUT_DEFAULT, TlsSettings, UnusableSettings};
pub use json::json;
pub use outcome::Answer;
pub use prepared::{Prepared, REQUEST_BYTES_MAX_DEFAULT};
pub use reach::{Reach, Unreachable, reach};
pub use refusal::{Cause, Refusal};
pub use request::{Scope, request};
pub use retry::{Backoff, BackoffSettings};
pub use rpc_status::{RETRY_INFO, encoded_status};

const USER_AGENT: &str = concat!("callspan/", env!("CARGO_PKG_VERSION"));

/// More of an answer is not read: all that is needed is in its first lines.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Where traces go.
pub struct Exporter {
    sink: Sink,
    format: Format,
    request_bytes_max: usize,
}

enum Sink {
    Grpc(Arc<Watched<Grpc>>),
    Http(Arc<Watched<Http>>),
    File(Arc<File>),
    Console(Arc<Console>),
    /// Says what a test wants to hear of a request.
    #[cfg(test)]
    Double(Box<dyn Fn(Bytes) -> Later + Send + Sync>),
}

/// An answer that may be long in coming.
#[cfg(test)]
type Later = std::pin::Pin<Box<dyn Future<Output = Answer> + Send>>;

/// What sends requests to a backend over connections of its own.
trait Client: Send + Sync + 'static {
    /// Sends an encoded `ExportTraceServiceRequest`.
    fn send(&self, request: Bytes) -> impl Future<Output = Result<Answer, Unanswered>> + Send;
}

/// A backend did not answer within this time.
struct Unanswered(Duration);

type Console = Mutex<Box<dyn Write + Send>>;

/// A client for an endpoint cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("make a client for {endpoint}: {reason}")]
pub struct ConnectError {
    endpoint: String,
    reason: String,
}

/// What connections are made with to a server that is no backend: it has to be one that this machine trusts.
///
/// # Errors
/// When this machine has no certificates to tell by.
pub fn client_config() -> Result<rustls::ClientConfig, UnusableSettings> {
    tls::Tls::default().client_config(&["h2", "http/1.1"]).map_err(UnusableSettings)
}

impl Exporter {
    /// An exporter for a backend, which need not be there yet. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When files of certificates, keys or tokens cannot be used, or the address is not one that the protocol can use.
    pub fn new(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let format = match endpoint.protocol() {
            Protocol::Grpc | Protocol::HttpProtobuf => Format::Protobuf,
            Protocol::HttpJson => Format::Json,
        };
        let (protocol, files, endpoint) = (endpoint.protocol(), endpoint.files(), endpoint.clone());
        let sink = match protocol {
            Protocol::Grpc => Sink::Grpc(watched(files, endpoint, Grpc::new)?),
            Protocol::HttpProtobuf | Protocol::HttpJson => Sink::Http(watched(files, endpoint, Http::new)?),
        };
        Ok(Self::with_sink(sink, format))
    }

    /// An exporter that draws each trace.
    pub fn console(writer: impl Write + Send + 'static, style: Style) -> Self {
        Self::with_console(writer, Format::Waterfall(style))
    }

    /// An exporter that writes each trace as a line of OTLP/JSON.
    pub fn console_json(writer: impl Write + Send + 'static) -> Self {
        Self::with_console(writer, Format::JsonLines)
    }

    /// An exporter that appends to this file a line of OTLP/JSON for each request. The file is made with the first.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        Self::with_sink(Sink::File(Arc::new(File::new(path))), Format::JsonLines)
    }

    fn with_console(writer: impl Write + Send + 'static, format: Format) -> Self {
        let console: Console = Mutex::new(Box::new(writer));
        // People look at traces one by one.
        Self::with_sink(Sink::Console(Arc::new(console)), format).with_request_bytes_max(0)
    }

    /// An exporter whose backend is a function of a request in protocol buffers.
    #[cfg(test)]
    pub(crate) fn double(answer: impl Fn(Bytes) -> Answer + Send + Sync + 'static) -> Self {
        Self::slow_double(move |request| std::future::ready(answer(request)))
    }

    /// The same with answers that come in their own time.
    #[cfg(test)]
    pub(crate) fn slow_double<A>(answer: impl Fn(Bytes) -> A + Send + Sync + 'static) -> Self
    where
        A: Future<Output = Answer> + Send + 'static,
    {
        let later = move |request| -> Later { Box::pin(answer(request)) };
        Self::with_sink(Sink::Double(Box::new(later)), Format::Protobuf)
    }

    fn with_sink(sink: Sink, format: Format) -> Self {
        Self { sink, format, request_bytes_max: REQUEST_BYTES_MAX_DEFAULT }
    }

    /// The largest request to send, in bytes before compression. A trace that is larger all by itself is sent all the
    /// same.
    #[must_use]
    pub fn with_request_bytes_max(self, request_bytes_max: usize) -> Self {
        Self { request_bytes_max, ..self }
    }

    /// Encodes traces of one scope, to be sent by this exporter, as often as needed. It takes microseconds for each.
    #[must_use]
    pub fn prepare(&self, traces: Vec<Trace>, scope: &Scope) -> Prepared {
        Prepared::new(traces, Encoding::new(self.format, scope), self.request_bytes_max)
    }

    /// Sends a request without a single trace, to hear whether there is a backend that would take one. To be called
    /// within a tokio runtime.
    pub async fn probe(&self) -> Answer {
        let encoding = Encoding::new(self.format, &Scope::default());
        let request = Pieces::new(Vec::new(), &encoding).request(0..0, &encoding);
        // In protocol buffers nothing is written as nothing, and servers stumble over a body that is not there: this is
        // one `ResourceSpans` without anything in it.
        let request = if request.is_empty() { Bytes::from_static(b"\x0a\x00") } else { request };
        self.sink.send(request).await
    }

    /// Sends the next request of what was prepared here, and tells what the backend said. None when nothing is left. It
    /// stays the next request: what becomes of its traces is for the caller to say, by [`Prepared::settle`] and its
    /// like. If the future is dropped, nothing has changed.
    pub async fn send(&self, prepared: &mut Prepared) -> Option<Answer> {
        let request = prepared.request()?;
        Some(self.sink.send(request).await)
    }
}

impl Sink {
    async fn send(&self, request: Bytes) -> Answer {
        match self {
            Self::Grpc(grpc) => send(grpc, request).await,
            Self::Http(http) => send(http, request).await,
            Self::File(file) => {
                let file = Arc::clone(file);
                blocking(move || file.append(&request)).await
            }
            Self::Console(console) => {
                let console = Arc::clone(console);
                blocking(move || print(&console, &request)).await
            }
            #[cfg(test)]
            Self::Double(answer) => answer(request).await,
        }
    }
}

impl ConnectError {
    fn new(endpoint: &Endpoint, error: &dyn Error) -> Self {
        Self { endpoint: endpoint.to_string(), reason: quotes::whole(error) }
    }
}

/// A backend that does not answer may be slow, or it hears nothing: what becomes of a connection whose other end vanished
/// is known to nobody until the kernel gives up, after a quarter of an hour. So the next request goes over a new one.
async fn send<C: Client>(clients: &Arc<Watched<C>>, request: Bytes) -> Answer {
    let Latest { value, trouble } = clients.latest().await;
    let answer = match value.send(request).await {
        Ok(answer) => answer,
        Err(Unanswered(timeout)) => {
            clients.replace(value).await;
            Answer::timed_out(timeout)
        }
    };
    with_trouble(answer, trouble)
}

/// A client for an endpoint, made anew when these files change.
fn watched<T: Send + Sync + 'static>(
    files: Vec<PathBuf>,
    endpoint: Endpoint,
    make: fn(&Endpoint) -> Result<T, ConnectError>,
) -> Result<Arc<Watched<T>>, ConnectError> {
    let owner = endpoint.to_string();
    let made = Watched::new(owner.as_str(), files, move || make(&endpoint).map_err(|error| error.reason));
    made.map_err(|reason| ConnectError { endpoint: owner, reason })
}

/// A backend that cannot be reached may be waiting for what stands in files that cannot be used.
fn with_trouble(answer: Answer, trouble: Option<String>) -> Answer {
    match (answer, trouble) {
        (Answer::Retry { after, reason }, Some(trouble)) => {
            Answer::Retry { after, reason: format!("{reason}; what changed cannot be used: {trouble}") }
        }
        (answer, _) => answer,
    }
}

/// A write that has begun is finished, even if nobody waits for it any more.
async fn blocking(write: impl FnOnce() -> Answer + Send + 'static) -> Answer {
    let written = tokio::task::spawn_blocking(write).await;
    written.unwrap_or_else(|error| Answer::Retry { after: None, reason: format!("the writing broke off: {error}") })
}

fn print(console: &Console, text: &[u8]) -> Answer {
    let mut writer = console.lock().unwrap_or_else(PoisonError::into_inner);
    match writer.write_all(text).and_then(|()| writer.flush()) {
        Ok(()) => Answer::Accepted,
        Err(error) => Answer::Retry { after: None, reason: format!("the console cannot be written to: {error}") },
    }
}
