//! Takes the vendor's pushes in over HTTP, and answers when it is known what became of their records.
//!
//! ```text
//! connection ──▶ receive ──▶ body ──▶ split ──▶ queue
//!                   │                             │
//!        ◀───────── reply ◀──── settlement ───────┘
//! ```
//!
//! `receive` sees to one request: when its head is there, room is taken for its body, or it is to come again. Its `body` is read and inflated, `split` finds the records in it, and each goes into
//! the queue by itself. The answer waits for all of them, since a sender forgets what was answered with 200. Whatever
//! else is answered is an error in JSON with a message that helps, and no message quotes a record. Any content type is
//! taken: what a body is, is told by the body.
//!
//! | status | `code` | when |
//! |---|---|---|
//! | 200 | | every record is stored, or was before; or the push is known and not ours |
//! | 400 | `records_refused` | all records that are refused are no JSON |
//! | 400 | `no_record`, `body_broken_off`, `broken_encoding` | no record can be read out of the body |
//! | 401 | `unauthorized` | the credentials are missing or wrong |
//! | 403 | `forbidden` | the sender is somewhere else, or its token does not allow pushes |
//! | 404 | `unknown_path` | another path |
//! | 405 | `method_not_allowed` | another method |
//! | 408 | `body_too_slow` | the body takes too long to arrive |
//! | 413 | `body_too_large`, `too_many_records` | more than the limits allow |
//! | 414 | `uri_too_long` | the address of the request is longer than the limit |
//! | 415 | `unknown_encoding` | a content encoding that is not known |
//! | 422 | `records_refused` | the mapping refuses records, or the backend does so for good |
//! | 429 | `queue_full` | the queue has no room; the whole body is to be sent again |
//! | 429 | `share_taken` | bodies from the sender's address take all the room that one address may have |
//! | 429 | `locked_out` | too many requests with wrong credentials came from the sender's address |
//! | 503 | `credentials_not_checked` | the keys of the issuer of a token are not known yet |
//! | 431 | `headers_too_large`, `too_many_headers` | more than the limits allow |
//! | 503 | `too_many_requests` | as many requests as may be are being answered; the whole body is to be sent again |
//! | 503 | `no_room` | bodies take all the room that they may |
//! | 503 | `not_stored` | nothing can be stored for now, or it takes too long; the whole body is to be sent again |

pub mod auth;
mod counters;
mod openapi;
mod place;
mod receive;
mod refusal;
mod reply;

#[cfg(test)]
mod tests;

use super::Append;
use super::body_room::BodyRoom;
use crate::telemetry::LogLines;
use auth::{AuthError, AuthSettings, Gate};
use axum::http::Method;
use receive::Intake;
use std::sync::Arc;
use std::time::Duration;

pub use counters::Counters;
pub use openapi::describe;
pub use receive::Receiver;

/// What is taken in, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The path that is served.
    pub path: String,
    /// Whether only this very path is served, and none that begins with it.
    pub strict_path: bool,
    /// The method that is served.
    pub method: Method,
    /// Whom senders have to be.
    pub auth: AuthSettings,
    /// The largest body, as it comes.
    pub body_bytes_max: usize,
    /// The largest body after it is inflated.
    pub expanded_bytes_max: usize,
    /// How many records one body may hold.
    pub body_records_max: usize,
    /// What all bodies together may take of memory, from when their heads are there until they are answered.
    pub bodies_bytes_max: usize,
    /// How long a sender may take to send a body.
    pub body_timeout: Duration,
    /// How long a sender is kept waiting; after that it is asked to come again.
    pub answer_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            strict_path: true,
            method: Method::POST,
            auth: AuthSettings::default(),
            body_bytes_max: 1024 * 1024,
            expanded_bytes_max: 1024 * 1024,
            body_records_max: 10_000,
            bodies_bytes_max: 32 * 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            // Senders are not known to wait for longer than five.
            answer_timeout: Duration::from_secs(4),
        }
    }
}

impl Settings {
    /// A path that begins with the configured one does so up to its end or to a slash.
    fn serves(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix(&self.path) else { return false };
        rest.is_empty() || !self.strict_path && (self.path.ends_with('/') || rest.starts_with('/'))
    }
}

/// What puts the pushes it is sent into the queue. The name is that of the source, for its logs and its tokens.
///
/// # Errors
/// When the files of secrets and keys cannot be used.
pub fn receiver<Q: Append>(
    name: &str,
    queue: Arc<Q>,
    settings: Settings,
    counters: Arc<Counters>,
) -> Result<Receiver<Q>, AuthError> {
    let gate = Gate::new(name, &settings.auth, &counters)?;
    let (name, log_lines) = (name.to_owned(), LogLines::default());
    let held_for_max = settings.body_timeout.saturating_add(settings.answer_timeout);
    let body_room = BodyRoom::new(settings.bodies_bytes_max, held_for_max, &counters.source);
    Ok(Receiver(Arc::new(Intake { name, queue, settings, gate, body_room, counters, log_lines })))
}
