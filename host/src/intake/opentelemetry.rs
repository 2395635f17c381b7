//! Takes OTLP logs in over gRPC and HTTP; the body of each log record is a call record as the vendor pushed it.

use std::time::Duration;

/// What is taken in, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The largest request, before and after it is inflated.
    pub body_bytes_max: usize,
    /// How many log records one request may hold.
    pub body_records_max: usize,
    /// How long a sender may take to send a body.
    pub body_timeout: Duration,
    /// How long a sender is kept waiting; after that it is asked to come again.
    pub answer_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // What OTLP receivers take over gRPC unless they are told otherwise.
            body_bytes_max: 4 * 1024 * 1024,
            body_records_max: 10_000,
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
        }
    }
}
pub fn router<Q: super::Append>(_q: std::sync::Arc<Q>, _s: Settings, _c: &crate::telemetry::Component) -> axum::Router {
    axum::Router::new()
}
