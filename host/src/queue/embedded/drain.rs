//! How fast consumers come through, and so when a queue that is full will have room again.
//!
//! Room is given back a segment at a time, when the last consumer that must not lose anything has come through it. So it
//! takes as long as the slowest of those needs for the rest of the oldest segment, at the pace it had of late.

use crate::queue::store::{SharedFollower, locked};
use crate::queue::{Pace, RETRY_AFTER_MAX, RETRY_AFTER_MIN};
use std::collections::HashMap;
use std::time::Duration;

#[derive(Default)]
pub(super) struct Drain {
    /// By the numbers of consumers, of which there are as many as somebody configured.
    paces: HashMap<u32, Pace>,
}

impl Drain {
    /// A consumer is done with so many bytes.
    pub(super) fn add(&mut self, follower: &SharedFollower, bytes: u64) {
        let number = locked(follower).number;
        self.paces.entry(number).or_default().add(bytes);
    }

    /// How long it takes until each of these consumers has come through so many bytes. Where one does not move, or nobody
    /// is waited for, nobody knows: then it is the longest time.
    pub(super) fn time_for(&self, rests: &[(u32, u64)]) -> Duration {
        let time = |(number, bytes): &(u32, u64)| self.paces.get(number).and_then(|pace| pace.time_for(*bytes));
        let slowest = rests.iter().map(|rest| time(rest).unwrap_or(RETRY_AFTER_MAX)).max();
        slowest.unwrap_or(RETRY_AFTER_MAX).max(RETRY_AFTER_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_that_is_waited_for_counts() {
        let paces = [(1, 1_000_000), (2, 1_000)];
        let mut drain = Drain::default();
        for (number, bytes) in paces {
            drain.paces.entry(number).or_default().add(bytes);
        }
        assert_eq!(drain.time_for(&[(1, 100_000)]), RETRY_AFTER_MIN);
        let (one, both) = (drain.time_for(&[(2, 100_000)]), drain.time_for(&[(1, 100_000), (2, 100_000)]));
        assert!(one > Duration::from_secs(50) && both >= one, "{one:?} {both:?}");
        assert_eq!(drain.time_for(&[(1, 1), (3, 1)]), RETRY_AFTER_MAX, "the third does not move");
        assert_eq!(drain.time_for(&[]), RETRY_AFTER_MAX, "dead letters fill it, and nobody drains those");
    }
}
