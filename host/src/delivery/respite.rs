//! How long a backend wants to be left alone (`Retry-After`, or gRPC's `RetryInfo`): what it says to one request holds
//! for all of its sink. Those who waited do not come back at one moment, but spread over a short time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Whoever has waited until the end of it comes back within this time.
const SPREAD: Duration = Duration::from_millis(200);

pub(super) struct Respite {
    /// The longest that can be asked for.
    longest: Duration,
    /// Nothing is sent before.
    until: Mutex<Instant>,
}

impl Respite {
    /// None that was asked for, nor any longer than this to be.
    pub(super) fn new(longest: Duration) -> Self {
        Self { longest, until: Mutex::new(Instant::now()) }
    }

    /// The backend wants to be left alone for so long from now. If it said so before, the later end holds.
    pub(super) fn ask(&self, respite: Duration) {
        let now = Instant::now();
        let until = now.checked_add(respite.min(self.longest)).unwrap_or(now);
        let mut latest = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = until.max(*latest);
    }

    /// How much of it is left.
    pub(super) fn left(&self) -> Duration {
        self.until().saturating_duration_since(Instant::now())
    }

    /// Waits until it is over, at once if it is.
    pub(super) async fn over(&self) {
        while !self.left().is_zero() {
            let until = self.until();
            sleep_until(until.checked_add(SPREAD.mul_f64(fastrand::f64())).unwrap_or(until)).await;
        }
    }

    fn until(&self) -> Instant {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::task::JoinSet;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_later_end_holds_and_none_is_longer_than_the_longest() {
        let respite = Respite::new(Duration::from_secs(300));
        assert_eq!(respite.left(), Duration::ZERO);
        respite.ask(Duration::from_secs(200));
        respite.ask(Duration::from_secs(1));
        let left = respite.left();
        assert!(left > Duration::from_secs(100) && left <= Duration::from_secs(200), "{left:?}");
        for longest in [DAY, Duration::MAX] {
            respite.ask(longest);
            let left = respite.left();
            assert!(left > Duration::from_secs(200) && left <= Duration::from_secs(300), "{left:?}");
        }
    }

    #[tokio::test]
    async fn it_is_waited_for_until_its_end_also_when_that_is_put_off_meanwhile() {
        let respite = Respite::new(DAY);
        respite.over().await;
        let begun = Instant::now();
        respite.ask(Duration::from_millis(20));
        let put_off = async {
            tokio::task::yield_now().await;
            respite.ask(Duration::from_millis(250));
        };
        tokio::join!(respite.over(), put_off);
        assert!(begun.elapsed() >= Duration::from_millis(250));
    }

    #[tokio::test]
    async fn those_who_waited_do_not_come_back_at_one_moment() {
        let respite = Arc::new(Respite::new(DAY));
        respite.ask(Duration::from_millis(20));
        let mut waiting = JoinSet::new();
        for _ in 0..16 {
            let respite = Arc::clone(&respite);
            waiting.spawn(async move {
                respite.over().await;
                Instant::now()
            });
        }
        let back = waiting.join_all().await;
        let between = back.iter().max().and_then(|last| Some(last.duration_since(*back.iter().min()?)));
        assert!(between.is_some_and(|between| between >= Duration::from_millis(10)), "{between:?}");
    }
}
