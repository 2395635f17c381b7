//! What is told of a route: the metrics of its transform and its sink, the health of the sink, and log lines when
//! something changes or is lost.

use crate::record::Rejection;
use crate::telemetry::{Component, Counter, Reporter, Seconds, metric};
use std::time::Duration;

/// For one route. Routes of one transform, or of one sink, add to the same numbers.
#[derive(Clone, Default)]
pub struct Reports {
    sink_name: String,
    transform: Component,
    sink: Component,
    health: Reporter,
    numbers: Numbers,
}

#[derive(Clone, Default)]
struct Numbers {
    received: Counter,
    mapped: Counter,
    skipped: Counter,
    rejected: Counter,
    transform_duration: Seconds,
    batches: Counter,
    to_send: Counter,
    sent: Counter,
    refused: Counter,
    given_back: Counter,
    requests: Counter,
    request_duration: Seconds,
}

impl Reports {
    /// Reports for a transform and a sink of these names.
    #[must_use]
    pub fn new(sink_name: &str, transform: Component, sink: Component, health: Reporter) -> Self {
        let numbers = Numbers {
            received: transform.counter(metric::RECEIVED_EVENTS, &[]),
            mapped: transform.counter(metric::SENT_EVENTS, &[]),
            skipped: transform.counter(metric::DISCARDED_EVENTS, &[("intentional", "true")]),
            rejected: transform.counter(metric::DISCARDED_EVENTS, &[("intentional", "false")]),
            transform_duration: transform.seconds(metric::TRANSFORM_DURATION),
            batches: transform.counter(metric::TRANSFORM_BATCHES, &[]),
            to_send: sink.counter(metric::RECEIVED_EVENTS, &[]),
            sent: sink.counter(metric::SENT_EVENTS, &[]),
            refused: sink.counter(metric::DISCARDED_EVENTS, &[("intentional", "false")]),
            given_back: sink.counter(metric::GIVEN_BACK_EVENTS, &[]),
            requests: sink.counter(metric::EXPORT_TRIES, &[]),
            request_duration: sink.seconds(metric::EXPORT_DURATION),
        };
        Reports { sink_name: sink_name.to_owned(), transform, sink, health, numbers }
    }

    pub(super) fn transformed(&self, records: usize, duration: Duration) {
        self.numbers.received.add(records as u64);
        self.numbers.batches.add(1);
        self.numbers.transform_duration.record(duration);
    }

    pub(super) fn mapped(&self, traces: usize) {
        self.numbers.mapped.add(traces as u64);
        self.numbers.to_send.add(traces as u64);
    }

    pub(super) fn skipped(&self) {
        self.numbers.skipped.add(1);
    }

    pub(super) fn rejected(&self, rejection: &Rejection) {
        let Rejection { class, code, .. } = rejection;
        self.numbers.rejected.add(1);
        let labels = [("error_code", code.as_str()), ("error_type", class.as_str()), ("stage", "processing")];
        self.transform.counter(metric::ERRORS, &labels).add(1);
        tracing::warn!(class, code, "record refused");
    }

    pub(super) fn tried(&self, duration: Duration) {
        self.numbers.requests.add(1);
        self.numbers.request_duration.record(duration);
    }

    pub(super) fn accepted(&self) {
        self.numbers.sent.add(1);
    }

    pub(super) fn refused(&self, reason: &str) {
        self.numbers.refused.add(1);
        self.error("backend_refused");
        tracing::error!(sink = self.sink_name, code = "backend_refused", reason, "the sink refused a trace for good");
    }

    pub(super) fn reachable(&self) {
        if self.health.well() {
            tracing::info!(sink = self.sink_name, "the sink takes traces again");
        }
    }

    pub(super) fn unreachable(&self, reason: &str) {
        self.error("backend_unavailable");
        if self.health.trouble_is(reason) {
            tracing::warn!(sink = self.sink_name, code = "backend_unavailable", reason, "the sink takes nothing now");
        }
    }

    pub(super) fn given_back(&self, records: usize) {
        self.numbers.given_back.add(records as u64);
        let code = "given_back";
        tracing::warn!(sink = self.sink_name, code, records, "the senders of these records are asked to come again");
    }

    fn error(&self, code: &str) {
        let labels = [("error_code", code), ("error_type", "request_failed"), ("stage", "sending")];
        self.sink.counter(metric::ERRORS, &labels).add(1);
    }
}
