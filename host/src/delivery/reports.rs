//! What is told of a route: the metrics of its transform and its sink, the health of the sink, and log lines when
//! something changes or is lost.

use crate::record::Rejection;
use crate::telemetry::{Component, Counter, Gauge, LogLines, Reporter, Seconds, metric};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// For one route. Routes of one transform, or of one sink, add to the same numbers.
#[derive(Clone, Default)]
pub struct Reports {
    sink_name: String,
    transform: Component,
    sink: Component,
    health: Reporter,
    numbers: Numbers,
    warned: Arc<Occasion>,
    log_lines: Arc<LogLines>,
}

/// Something that is said now and then, however often it happens.
#[derive(Default)]
struct Occasion(Mutex<Option<Instant>>);

/// How long nothing is said of what was said before.
const SILENCE: Duration = Duration::from_secs(60);

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
    /// Left out of requests that were otherwise taken, or of all of one.
    rejected_spans: Counter,
    /// 1 while the sink is held.
    held: Gauge,
    requests: Counter,
    request_duration: Seconds,
}

impl Reports {
    /// Reports for a sink of this name, and a transform.
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
            rejected_spans: sink.counter(metric::REJECTED_SPANS, &[]),
            held: sink.gauge(metric::SINK_HELD, &[]),
            requests: sink.counter(metric::EXPORT_TRIES, &[]),
            request_duration: sink.seconds(metric::EXPORT_DURATION),
        };
        Reports {
            sink_name: sink_name.to_owned(),
            transform,
            sink,
            health,
            numbers,
            warned: Arc::default(),
            log_lines: Arc::default(),
        }
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

    /// By the plugin of this name and version.
    pub(super) fn rejected(&self, plugin: &str, rejection: &Rejection) {
        let Rejection { class, code, .. } = rejection;
        self.numbers.rejected.add(1);
        let labels = [("error_code", code.as_str()), ("error_type", class.as_str()), ("stage", "processing")];
        self.transform.counter(metric::ERRORS, &labels).add(1);
        if let Some(omitted) = self.log_lines.next(Instant::now()) {
            tracing::warn!(plugin, class, code, omitted, "record refused");
        }
    }

    pub(super) fn tried(&self, duration: Duration) {
        self.numbers.requests.add(1);
        self.numbers.request_duration.record(duration);
    }

    pub(super) fn accepted(&self) {
        self.numbers.sent.add(1);
    }

    /// One trace was, for good.
    pub(super) fn refused(&self, code: &str, reason: &str) {
        self.numbers.refused.add(1);
        self.error(code);
        if let Some(omitted) = self.log_lines.next(Instant::now()) {
            tracing::error!(sink = self.sink_name, code, reason, omitted, "the sink refused a trace for good");
        }
    }

    /// A request was refused, and its parts are sent.
    pub(super) fn halved(&self) {
        self.error("request_refused");
    }

    /// A trace was refused alone, which may not be its fault.
    pub(super) fn suspected(&self, reason: &str) {
        self.error("trace_suspected");
        tracing::debug!(sink = self.sink_name, reason, "the sink refused a trace, which is tried once more");
    }

    /// The request was taken, but for these spans; for none of them when the backend only has something to say.
    pub(super) fn rejected_spans(&self, rejected_spans: u64, reason: &str) {
        let sink = &self.sink_name;
        self.numbers.rejected_spans.add(rejected_spans);
        if rejected_spans > 0 {
            self.error("spans_rejected");
            tracing::error!(
                sink,
                code = "spans_rejected",
                rejected_spans,
                reason,
                "the sink left spans out of a request"
            );
        } else if self.warned.is_due() {
            tracing::warn!(sink, code = "backend_warned", reason, "the sink took a request with a warning");
        }
    }

    pub(super) fn taken(&self) {
        self.numbers.held.set(0);
        if self.health.well() {
            tracing::info!(sink = self.sink_name, "the sink takes traces again");
        }
    }

    pub(super) fn unavailable(&self, reason: &str) {
        self.error("backend_unavailable");
        if self.health.trouble_is(reason) {
            tracing::warn!(sink = self.sink_name, code = "backend_unavailable", reason, "the sink takes nothing now");
        }
    }

    /// Nothing more is sent but probes.
    pub(super) fn held(&self, reason: &str) {
        self.numbers.held.set(1);
        self.still_held(reason);
        tracing::error!(
            sink = self.sink_name,
            code = "sink_held",
            reason,
            "the sink is held: records wait, and are tried again now and then"
        );
    }

    pub(super) fn still_held(&self, reason: &str) {
        self.error("sink_held");
        self.health.trouble_is(reason);
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

impl Occasion {
    /// Whether it is time to say it, for the first time or once more.
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= SILENCE);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_is_not_said_again_at_once() {
        let occasion = Occasion::default();
        assert!(occasion.is_due() && !occasion.is_due());
    }
}
