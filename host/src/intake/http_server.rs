//! Takes the vendor's pushes in over HTTP, and answers when it is known what became of their records.
//!
//! ```text
//! connection ──▶ receive ──▶ body ──▶ split ──▶ queue
//!                   │                             │
//!        ◀───────── reply ◀──── settlement ───────┘
//! ```
//!
//! `receive` sees to one request: its `body` is read and inflated, `split` finds the records in it, and each goes into
//! the queue by itself. The answer waits for all of them, since a sender forgets what was answered with 200. Whatever
//! else is answered is an error in JSON with a message that helps, and no message quotes a record.

mod counters;
mod receive;
mod refusal;
mod reply;

#[cfg(test)]
mod tests;

use super::Append;
use crate::secret::Secret;
use axum::Router;
use axum::http::Method;
use std::sync::Arc;
use std::time::Duration;

pub use counters::Counters;

/// What is taken in, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The path that is served.
    pub path: String,
    /// Whether only this very path is served, and none that begins with it.
    pub strict_path: bool,
    /// The method that is served.
    pub method: Method,
    /// Whom senders have to be; anybody, if nobody is named.
    pub auth: Option<Credentials>,
    /// The largest body, before and after it is inflated.
    pub body_bytes_max: usize,
    /// How many records one body may hold.
    pub body_records_max: usize,
    /// How long a sender may take to send a body.
    pub body_timeout: Duration,
    /// How long a sender is kept waiting; after that it is asked to come again.
    pub answer_timeout: Duration,
}

/// What a sender shows with HTTP Basic authentication (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            strict_path: true,
            method: Method::POST,
            auth: None,
            body_bytes_max: 1024 * 1024,
            body_records_max: 10_000,
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
        }
    }
}

/// The service that puts what it is sent into the queue.
pub fn router<Q: Append>(queue: Arc<Q>, settings: Settings, counters: Arc<Counters>) -> Router {
    let intake = receive::Intake { queue, settings, counters };
    // The one path is compared by the handler, so that any path can be configured, whatever a router would read into
    // it.
    Router::new().fallback(receive::receive::<Q>).with_state(Arc::new(intake))
}
