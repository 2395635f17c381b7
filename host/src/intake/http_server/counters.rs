//! What the source has done so far, for whoever shows it.

use crate::intake::counters::SourceCounters;
use crate::telemetry::metric;
use crate::telemetry::{Component, Counter};

/// Only ever counts up.
pub struct Counters {
    pub(super) source: SourceCounters,
    /// Requests that were answered with 200.
    pub(super) answered_ok: Counter,
    /// Requests for `action=record` and `action=voicemail`, which are answered and not stored.
    pub(super) other_actions: Counter,
    /// Requests for an action that nobody has heard of, stored all the same.
    pub(super) unknown_actions: Counter,
    /// Requests with another version than 1, stored all the same.
    pub(super) unknown_versions: Counter,
    /// Tokens that clients were given.
    pub(super) tokens: Counter,
}

impl Counters {
    /// The counters of this source.
    #[must_use]
    pub fn new(component: &Component) -> Self {
        let source = SourceCounters::new(component);
        Self {
            answered_ok: source.requests("200"),
            source,
            other_actions: component.counter(metric::OTHER_ACTIONS, &[]),
            unknown_actions: component.counter(metric::UNKNOWN_ACTIONS, &[]),
            unknown_versions: component.counter(metric::UNKNOWN_VERSIONS, &[]),
            tokens: component.counter(metric::TOKENS, &[]),
        }
    }

    /// A sender that was not let in.
    pub(super) fn auth_failure(&self, reason: &str) {
        self.source.auth_failure(reason);
    }
}
