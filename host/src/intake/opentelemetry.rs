//! Takes OTLP logs in over gRPC and HTTP; the body of each log record is a call record as the vendor pushed it.
//!
//! ```text
//! connection ──▶ grpc ──┐
//!                       ├──▶ intake ──▶ value ──▶ split ──▶ queue
//! connection ──▶ http ──┘        │                            │
//!                  └─ json       └──▶ answer ◀── settlement ──┘
//! ```
//!
//! A body that is text or bytes is taken as it is, and split as a push is; a list or a map is written as JSON; anything
//! else is its own text, which the mapping then refuses. Nothing else of a log record is used: its times are readings
//! of the sender's clock, and its attributes may hold such, so that the same call record sent twice would become
//! something else the second time.
//!
//! A request is answered when it is known what became of all its records. Those that are refused for good are a partial
//! success, which senders do not repeat. If anything is to be sent again, then the whole request: what is stored twice
//! becomes the same trace.
//!
//! | what happened | gRPC | HTTP |
//! |---|---|---|
//! | every record is stored | `OK` | 200 |
//! | some records are refused for good | `OK`, `partial_success` | 200, `partial_success` |
//! | the queue has no room | `RESOURCE_EXHAUSTED`, `RetryInfo` | 429, `Retry-After` |
//! | requests from the sender's address take all the memory that one address may | `RESOURCE_EXHAUSTED`, `RetryInfo` | 429, `Retry-After` |
//! | requests take all the memory that they may, or there are too many | `UNAVAILABLE`, `RetryInfo` | 503, `Retry-After` |
//! | nothing can be stored for now, or it takes too long | `UNAVAILABLE`, `RetryInfo` | 503, `Retry-After` |
//! | more log records, or more records in them, than the limit | `INVALID_ARGUMENT` | 413 |
//! | the request is too large, inflated or not | `RESOURCE_EXHAUSTED` without `RetryInfo` | 413 |
//! | the request cannot be read | `INVALID_ARGUMENT` or `INTERNAL` | 400 |
//! | it takes too long to arrive | `DEADLINE_EXCEEDED` | 408 |
//!
//! Over HTTP every error has a `google.rpc.Status` for its body, in the encoding of the request
//! ([OTLP 1.x, failures](https://opentelemetry.io/docs/specs/otlp/#failures)).

mod answer;
mod grpc;
mod http;
mod intake;
mod json;
mod receiver;
mod value;

#[cfg(test)]
mod tests;

use super::body_room::{BodyRoom, RECORD_BYTES};
use super::{Append, SourceCounters};
use crate::telemetry::LogLines;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use intake::Intake;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::LogsServiceServer;
use std::sync::Arc;
use std::time::Duration;
use tonic::codec::CompressionEncoding;

pub use receiver::Receiver;

/// What is taken in, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The largest request, as it comes.
    pub body_bytes_max: usize,
    /// The largest request after it is inflated. gRPC holds one to it as it comes, too.
    pub expanded_bytes_max: usize,
    /// How many log records one request may hold.
    pub body_records_max: usize,
    /// What all requests together may take of memory, from when their heads are there until they are answered.
    pub bodies_bytes_max: usize,
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
            expanded_bytes_max: 4 * 1024 * 1024,
            body_records_max: 10_000,
            bodies_bytes_max: 4 * (2 * 4 * 1024 * 1024 + 10_000 * RECORD_BYTES),
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(4),
        }
    }
}

/// Where gRPC calls its one method.
const GRPC_PATH: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";

/// What puts the log records it is sent into the queue, over gRPC and HTTP alike: each listener may serve both. The
/// name is that of the source, for its logs.
pub fn receiver<Q: Append>(
    name: &str,
    queue: Arc<Q>,
    settings: Settings,
    counters: Arc<SourceCounters>,
) -> Receiver<Q> {
    let held_for_max = settings.body_timeout.saturating_add(settings.answer_timeout);
    let body_room = BodyRoom::new(settings.bodies_bytes_max, held_for_max, &counters);
    let intake = Arc::new(Intake {
        name: name.to_owned(),
        queue,
        settings,
        body_room,
        counters,
        log_lines: LogLines::default(),
    });
    Receiver { router: router(Arc::clone(&intake)), intake }
}

fn router<Q: Append>(intake: Arc<Intake<Q>>) -> Router {
    let expanded_bytes_max = intake.settings.expanded_bytes_max;
    let grpc = LogsServiceServer::from_arc(Arc::clone(&intake))
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(expanded_bytes_max);
    Router::new()
        .route_service(GRPC_PATH, grpc)
        .route_layer(from_fn_with_state(Arc::clone(&intake), grpc::watch::<Q>))
        .route(http::PATH, any(http::export::<Q>))
        .fallback(http::export::<Q>)
        .with_state(intake)
}
