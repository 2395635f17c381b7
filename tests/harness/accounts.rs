//! What a service says became of the records that it took.

use crate::service::Service;

const RECEIVED: &str = "callspan_consumer_received_events_total";
const SETTLED: &str = "callspan_consumer_settled_events_total";
const WAITING: &str = "callspan_consumer_waiting_events";

impl Service {
    /// What was received is what was settled and what waits, and nothing is a dead letter. Numbers come a moment after
    /// answers.
    #[track_caller]
    pub fn assert_nothing_is_lost(&self, received: usize) {
        self.wait_for_metric(RECEIVED, &[], received as f64);
        assert_eq!(self.metric(SETTLED, &[]) + self.metric(WAITING, &[]), received as f64);
        assert_eq!(self.metric("callspan_dead_letters", &[]), 0.0);
    }

    /// Waits until so many were delivered: all that were received.
    #[track_caller]
    pub fn wait_until_delivered(&self, received: usize) {
        self.wait_until_drained();
        self.wait_for_metric(SETTLED, &["outcome=\"delivered\""], received as f64);
        self.assert_nothing_is_lost(received);
    }
}
