//! Takes records in over HTTP and answers when it is known what became of them.
//!
//! ```text
//! connection ──▶ receive ──▶ body ──▶ split ──▶ queue
//!  (serve)          │                             │
//!        ◀───────── reply ◀──── settlement ───────┘
//! ```
//!
//! `serve` keeps the connections, `receive` sees to one request: its `body` is read and inflated, `split` finds the
//! records in it, and each goes into the queue by itself. The answer waits for all of them, since a sender forgets what
//! was answered with 200. Whatever else is answered is an error in JSON with a message that helps, and no message
//! quotes a record.

mod body;
mod counters;
mod receive;
mod refusal;
mod reply;
mod serve;
pub mod split;

#[cfg(test)]
mod tests;

use crate::queue::{Full, MemoryQueue, Receipt, Settlement};
use crate::record::Record;
use axum::Router;
use std::sync::Arc;
use std::time::Duration;

pub use counters::Counters;
pub use serve::{ConnectionLimits, serve};

/// What is taken in, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The one path that is served.
    pub path: String,
    /// The largest body, before and after it is inflated.
    pub body_bytes_max: usize,
    /// How many records one body may hold.
    pub body_records_max: usize,
    /// How long a sender may take to send a body.
    pub body_timeout: Duration,
    /// How long a sender is kept waiting; after that it is asked to come again.
    pub answer_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            body_bytes_max: 1024 * 1024,
            body_records_max: 10_000,
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
        }
    }
}

/// What the intake needs of a queue.
pub trait Append: Send + Sync + 'static {
    /// Tells what became of a record.
    type Receipt: Future<Output = Settlement> + Send;

    /// Takes a record in.
    ///
    /// # Errors
    /// When the queue holds as much as it may.
    fn append(&self, record: Record) -> Result<Self::Receipt, Full>;
}

impl Append for MemoryQueue {
    type Receipt = Receipt;

    fn append(&self, record: Record) -> Result<Receipt, Full> {
        MemoryQueue::append(self, record)
    }
}

/// The service that puts what it is sent into the queue.
pub fn router<Q: Append>(queue: Arc<Q>, settings: Settings, counters: Arc<Counters>) -> Router {
    let intake = receive::Intake { queue, settings, counters };
    // The one path is compared by the handler, so that any path can be configured, whatever a router would read into
    // it.
    Router::new().fallback(receive::receive::<Q>).with_state(Arc::new(intake))
}
