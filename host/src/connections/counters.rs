//! What became of the connections of a listener, for whoever shows it. At any moment those that were accepted are those
//! that are open, those that were refused, those on which TLS was not agreed, and those that have ended.

use super::handshake::Failure;
use crate::telemetry::metric;
use crate::telemetry::{Component, Counter, Gauge};

/// The counters of a component's connections; the default are some that nobody reads. Clones are the same.
#[derive(Clone)]
pub struct ConnectionCounters {
    /// Knows the counters that only refusals need.
    component: Component,
    accepted: Counter,
    open: Gauge,
    ended: Counter,
    delayed: Counter,
}

/// A connection that is counted as open, until it is dropped.
pub(super) struct Open {
    counters: ConnectionCounters,
    /// Why it was never served, if it was not.
    pub(super) failure: Option<Failure>,
}

impl ConnectionCounters {
    /// Those of this component.
    #[must_use]
    pub fn new(component: &Component) -> Self {
        Self {
            component: component.clone(),
            accepted: component.counter(metric::CONNECTIONS_ACCEPTED, &[]),
            open: component.gauge(metric::OPEN_CONNECTIONS, &[]),
            ended: component.counter(metric::CONNECTIONS_ENDED, &[]),
            delayed: component.counter(metric::CONNECTIONS_DELAYED, &[]),
        }
    }

    /// Nobody is accepted for now, since there are as many as may be.
    pub(super) fn delayed(&self) {
        self.delayed.add(1);
    }

    /// One that is closed at once, since this limit is reached.
    pub(super) fn refused(&self, limit: &str) {
        self.accepted.add(1);
        self.component.counter(metric::CONNECTIONS_REFUSED, &[("reason", limit)]).add(1);
    }

    pub(super) fn open(&self) -> Open {
        self.accepted.add(1);
        self.open.add(1);
        Open { counters: self.clone(), failure: None }
    }
}

impl Default for ConnectionCounters {
    fn default() -> Self {
        Self::new(&Component::default())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let Self { counters, failure } = self;
        counters.open.subtract(1);
        match failure {
            Some(failure) => {
                let labels = [("reason", failure.reason())];
                counters.component.counter(metric::HANDSHAKES_FAILED, &labels).add(1);
            }
            None => counters.ended.add(1),
        }
    }
}
