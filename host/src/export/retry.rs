//! How long to wait before the next attempt: exponential backoff with full jitter, and never shorter than a backend
//! asked for. It only counts; whoever retries does the waiting.

use std::time::Duration;

/// How delays grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackoffSettings {
    /// The longest delay before the first retry.
    pub initial_delay: Duration,
    /// The longest delay that attempts grow to; each doubles the one before.
    pub max_delay: Duration,
    /// The longest time for which a backend can ask to be left alone.
    pub max_retry_after: Duration,
}

impl Default for BackoffSettings {
    fn default() -> Self {
        Self {
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(30),
            max_retry_after: Duration::from_secs(300),
        }
    }
}

/// The delays of one series of failures.
#[derive(Clone, Debug)]
pub struct Backoff {
    settings: BackoffSettings,
    /// The upper bound of the next delay.
    bound: Duration,
    random: fastrand::Rng,
}

impl Backoff {
    /// Equal seeds give equal delays; senders that should not come back at the same time want different ones.
    #[must_use]
    pub fn new(settings: BackoffSettings, seed: u64) -> Self {
        Self { settings, bound: settings.initial_delay.min(settings.max_delay), random: fastrand::Rng::with_seed(seed) }
    }

    /// The time until the next attempt: somewhere up to a bound that doubles each time, counted from when the backend
    /// wants to be asked again. So not all who were told the same come at the same moment.
    pub fn next_delay(&mut self, retry_after: Option<Duration>) -> Duration {
        let delay = self.bound.mul_f64(self.random.f64());
        self.bound = self.bound.saturating_mul(2).min(self.settings.max_delay);
        delay.saturating_add(retry_after.unwrap_or_default().min(self.settings.max_retry_after))
    }

    /// To be called after a success: the next failure begins a new series.
    pub fn reset(&mut self) {
        self.bound = self.settings.initial_delay.min(self.settings.max_delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest_of_many(attempt: usize) -> Duration {
        let delays = (0..2_000).filter_map(|seed| {
            let mut backoff = Backoff::new(BackoffSettings::default(), seed);
            (0..=attempt).map(|_| backoff.next_delay(None)).last()
        });
        delays.max().unwrap_or_default()
    }

    #[test]
    fn the_bound_doubles_up_to_its_limit_and_delays_fill_it() {
        for (attempt, bound) in [1, 2, 4, 8, 16, 30, 30].into_iter().map(Duration::from_secs).enumerate() {
            let longest = longest_of_many(attempt);
            assert!(longest <= bound && longest > bound.mul_f64(0.95), "attempt {attempt}: {longest:?} of {bound:?}");
        }
    }

    #[test]
    fn a_backend_is_not_asked_before_it_wants_to_be_but_cannot_ask_for_ever() {
        let settings = BackoffSettings::default();
        let mut backoff = Backoff::new(settings, 1);
        for (asked, at_least) in
            [(Duration::from_secs(120), Duration::from_secs(120)), (Duration::MAX, settings.max_retry_after)]
        {
            backoff.reset();
            let delay = backoff.next_delay(Some(asked));
            assert!(delay >= at_least && delay <= at_least + settings.initial_delay, "{delay:?}");
        }
    }

    #[test]
    fn a_success_begins_a_new_series() {
        let mut backoff = Backoff::new(BackoffSettings::default(), 1);
        for _ in 0..10 {
            backoff.next_delay(None);
        }
        backoff.reset();
        assert!(backoff.next_delay(None) <= Duration::from_secs(1));
    }

    #[test]
    fn equal_seeds_give_equal_delays() {
        let delays = |seed| {
            let mut backoff = Backoff::new(BackoffSettings::default(), seed);
            [(); 5].map(|()| backoff.next_delay(None))
        };
        assert_eq!(delays(7), delays(7));
        assert_ne!(delays(7), delays(8));
    }

    #[test]
    fn extreme_settings_do_not_overflow() {
        let settings = BackoffSettings {
            initial_delay: Duration::MAX,
            max_delay: Duration::from_secs(1),
            max_retry_after: Duration::ZERO,
        };
        let mut backoff = Backoff::new(settings, 1);
        assert!((0..100).all(|_| backoff.next_delay(Some(Duration::MAX)) <= Duration::from_secs(1)));
    }
}
