//! What a source has done so far.

use crate::queue::Settlement;
use crate::telemetry::metric;
use crate::telemetry::{Component, Counter, Seconds};
use std::time::Duration;

/// Only ever counts up. What happens to ordinary records is counted without looking anything up.
pub struct SourceCounters {
    /// Knows the counters that only errors need.
    component: Component,
    pub(super) received_bytes: Counter,
    pub(super) received_events: Counter,
    pub(super) acknowledged: Counter,
    pub(super) to_be_retried: Counter,
    pub(super) rejected: Counter,
    abandoned: Counter,
    request_duration: Seconds,
}

/// A record in the queue. Dropped when the sender goes away, it counts as abandoned.
pub(super) struct Unsettled<'a>(&'a SourceCounters);

impl SourceCounters {
    /// The counters of this source.
    #[must_use]
    pub fn new(component: &Component) -> Self {
        let settled = |settlement| component.counter(metric::SETTLED_EVENTS, &[("settlement", settlement)]);
        Self {
            component: component.clone(),
            received_bytes: component.counter(metric::RECEIVED_BYTES, &[]),
            received_events: component.counter(metric::RECEIVED_EVENTS, &[]),
            acknowledged: settled("acknowledged"),
            to_be_retried: settled("to_be_retried"),
            rejected: settled("rejected"),
            abandoned: settled("abandoned"),
            request_duration: component.seconds(metric::REQUEST_DURATION),
        }
    }

    /// Whose counters these are.
    pub(super) fn component(&self) -> &Component {
        &self.component
    }

    /// A record that the queue has taken.
    pub(super) fn received(&self) -> Unsettled<'_> {
        self.received_events.add(1);
        Unsettled(self)
    }

    /// Requests that are answered with this status.
    pub(super) fn requests(&self, status: &str) -> Counter {
        self.component.counter(metric::REQUESTS, &[("status", status)])
    }

    pub(super) fn answered_after(&self, duration: Duration) {
        self.request_duration.record(duration);
    }

    /// A request that is not taken as a whole.
    pub(super) fn refused_request(&self, code: &str) {
        self.error(code, "request_failed");
    }

    /// A record that is not even put into the queue; its class is that of a rejection.
    pub(super) fn refused_record(&self, code: &str, class: &str) {
        self.error(code, class);
    }

    /// A sender that is not let in.
    pub(super) fn auth_failure(&self, reason: &str) {
        self.component.counter(metric::AUTH_FAILURES, &[("reason", reason)]).add(1);
    }

    fn error(&self, code: &str, kind: &str) {
        let labels = [("error_code", code), ("error_type", kind), ("stage", "receiving")];
        self.component.counter(metric::ERRORS, &labels).add(1);
    }
}

impl Unsettled<'_> {
    pub(super) fn settle(self, settlement: &Settlement) {
        let counters = self.0;
        std::mem::forget(self);
        match settlement {
            Settlement::Acknowledged => counters.acknowledged.add(1),
            Settlement::RetryAfter(_) | Settlement::NotTaken(_) => counters.to_be_retried.add(1),
            Settlement::Rejected(rejection) => {
                counters.rejected.add(1);
                counters.error(&rejection.code, &rejection.class);
            }
        }
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        self.0.abandoned.add(1);
    }
}
