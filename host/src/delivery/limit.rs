//! How many batches a sink may have under way, found by trying: more while its backend answers as fast as before, fewer
//! when it answers slower or asks to be spared. It is additive increase and multiplicative decrease, as in TCP and in
//! Vector's adaptive concurrency.
//!
//! What happened is looked at once for each round trip: a round is over when a request is answered that was sent after
//! the round had begun. Then the limit
//!
//! - shrinks by a ratio, if the backend could not take a request;
//! - shrinks too, if all turns were taken at some time in the round and its requests took longer than usual: than the mean
//!   of the rounds before by more than so many deviations;
//! - grows by one, if all turns were taken and they did not.
//!
//! With turns to spare a slow answer says nothing: fewer turns would not have made it faster, and a sink with a call now
//! and then would lose one turn after another to chance.
//!
//! It only counts: who waits for a turn, and what time it is, others know (`turns`).

use std::time::Duration;

/// The largest limit that can be asked for, adaptive or not.
pub const CONCURRENCY_MAX: usize = 200;

/// How many batches of a sink are under way at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Concurrency {
    /// So many, whatever the backend makes of them.
    Fixed(usize),
    /// As many as the backend answers without delay.
    Adaptive(AdaptiveConcurrency),
}

/// How the limit is found. The names are Vector's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaptiveConcurrency {
    /// The limit to begin with.
    pub initial_concurrency: usize,
    /// What it grows to at most.
    pub max_concurrency_limit: usize,
    /// What is left of the limit when it shrinks: more than 0, less than 1.
    pub decrease_ratio: f64,
    /// How much the last round counts in the mean: more than 0, less than 1.
    pub ewma_alpha: f64,
    /// By how many deviations from the mean a round is slow.
    pub rtt_deviation_scale: f64,
}

/// The limit of one sink.
#[derive(Debug)]
pub(super) struct Limit {
    settings: AdaptiveConcurrency,
    /// It never shrinks below.
    least: usize,
    limit: usize,
    /// Batches under way: more than the limit when it has shrunk since they began.
    taken: usize,
    round: Round,
    was_reached: bool,
    was_pushed_back: bool,
    /// The round trips of this round: their sum in seconds, and how many there are.
    round_trips: (f64, u32),
    /// None before the first round trip.
    usual: Option<Usual>,
}

/// Rounds, by their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Round(u64);

/// What one answer says of the backend's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// The request was taken after this time.
    Taken(Duration),
    /// It was not, and may be sent again later; also when nobody answered.
    PushedBack,
}

/// The rounds before this one, later ones counting more. In seconds, and seconds squared.
#[derive(Clone, Copy, Debug)]
struct Usual {
    mean: f64,
    variance: f64,
}

impl Default for Concurrency {
    fn default() -> Self {
        Self::Adaptive(AdaptiveConcurrency::default())
    }
}

impl Default for AdaptiveConcurrency {
    /// Vector's, but for the limits. A batch under way is in memory with its records and its requests, some 20 MB if it
    /// is as large as batches get: eight of them are what a small machine has room for. And so few overwhelm no
    /// backend: beginning with one, as Vector does, would let the first request that hangs hold up all others.
    fn default() -> Self {
        Self {
            initial_concurrency: 8,
            max_concurrency_limit: 8,
            decrease_ratio: 0.9,
            ewma_alpha: 0.4,
            rtt_deviation_scale: 2.5,
        }
    }
}

impl Limit {
    pub(super) fn new(concurrency: Concurrency) -> Self {
        let (least, settings) = match concurrency {
            // Between equal bounds nothing grows or shrinks.
            Concurrency::Fixed(limit) => {
                let (initial_concurrency, max_concurrency_limit) = (limit, limit);
                let default = AdaptiveConcurrency::default();
                (limit, AdaptiveConcurrency { initial_concurrency, max_concurrency_limit, ..default })
            }
            Concurrency::Adaptive(settings) => (1, settings),
        };
        let least = least.max(1);
        Self {
            limit: settings.initial_concurrency.min(settings.max_concurrency_limit).max(least),
            settings,
            least,
            taken: 0,
            round: Round(0),
            was_reached: false,
            was_pushed_back: false,
            round_trips: (0.0, 0),
            usual: None,
        }
    }

    /// How many batches may be under way now.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// The round that a request is sent in, to be told with what becomes of it.
    pub(super) fn round(&self) -> Round {
        self.round
    }

    /// A batch begins.
    pub(super) fn begin(&mut self) {
        self.taken += 1;
        self.was_reached |= self.is_reached();
    }

    /// A batch has ended.
    pub(super) fn end(&mut self) {
        self.taken = self.taken.saturating_sub(1);
    }

    /// A request that was sent in this round was answered.
    pub(super) fn answered(&mut self, sent: Round, signal: Signal) {
        match signal {
            Signal::Taken(round_trip) => {
                let (sum, count) = self.round_trips;
                self.round_trips = (sum + round_trip.as_secs_f64(), count + 1);
            }
            Signal::PushedBack => self.was_pushed_back = true,
        }
        if sent == self.round {
            self.end_round();
        }
    }

    fn end_round(&mut self) {
        let (sum, count) = self.round_trips;
        let mean = (count > 0).then(|| sum / f64::from(count));
        let AdaptiveConcurrency { ewma_alpha, rtt_deviation_scale, max_concurrency_limit, .. } = self.settings;
        let is_slow = mean.zip(self.usual).is_some_and(|(mean, usual)| usual.is_exceeded(mean, rtt_deviation_scale));
        if self.was_pushed_back || (self.was_reached && is_slow) {
            self.limit = self.shrunk().max(self.least);
        } else if self.was_reached {
            self.limit = (self.limit + 1).min(max_concurrency_limit.max(self.least));
        }
        if let Some(mean) = mean {
            self.usual = Some(self.usual.map_or(Usual::of_first(mean), |usual| usual.with(mean, ewma_alpha)));
        }
        self.round = Round(self.round.0 + 1);
        self.was_reached = self.is_reached();
        self.was_pushed_back = false;
        self.round_trips = (0.0, 0);
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is at most the limit, which is small"
    )]
    fn shrunk(&self) -> usize {
        (self.limit as f64 * self.settings.decrease_ratio) as usize
    }

    fn is_reached(&self) -> bool {
        self.taken >= self.limit
    }
}

impl Usual {
    /// One round says nothing of the deviation: it is taken for half of what it took (RFC 6298, section 2.2).
    fn of_first(mean: f64) -> Self {
        Self { mean, variance: (mean / 2.0).powi(2) }
    }

    fn with(self, mean: f64, alpha: f64) -> Self {
        let difference = mean - self.mean;
        Self {
            mean: self.mean + alpha * difference,
            variance: (1.0 - alpha) * (self.variance + alpha * difference.powi(2)),
        }
    }

    fn is_exceeded(self, mean: f64, deviations: f64) -> bool {
        mean > self.mean + deviations * self.variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const USUAL: Signal = Signal::Taken(Duration::from_millis(10));

    fn adaptive(initial_concurrency: usize, max_concurrency_limit: usize) -> Limit {
        let settings = AdaptiveConcurrency { initial_concurrency, max_concurrency_limit, ..Default::default() };
        Limit::new(Concurrency::Adaptive(settings))
    }

    /// One whole round, in which one request is sent and answered.
    fn play(limit: &mut Limit, signal: Signal) -> usize {
        let sent = limit.round();
        limit.answered(sent, signal);
        limit.limit()
    }

    /// The same with every turn taken.
    fn play_full(limit: &mut Limit, signal: Signal) -> usize {
        let turns = limit.limit();
        (0..turns).for_each(|_| limit.begin());
        let now = play(limit, signal);
        (0..turns).for_each(|_| limit.end());
        now
    }

    #[test]
    fn it_grows_by_one_in_a_round_up_to_its_bound_while_it_is_reached() {
        let mut limit = adaptive(1, 4);
        let limits = [(); 6].map(|()| play_full(&mut limit, USUAL));
        assert_eq!(limits, [2, 3, 4, 4, 4, 4]);
    }

    #[test]
    fn it_does_not_grow_beyond_what_is_asked_for() {
        let mut limit = adaptive(3, 8);
        for _ in 0..5 {
            limit.begin();
            limit.begin();
            assert_eq!(play(&mut limit, USUAL), 3);
            limit.end();
            limit.end();
        }
    }

    #[test]
    fn it_shrinks_by_the_ratio_down_to_one_when_the_backend_pushes_back() {
        let mut limit = adaptive(20, 20);
        let limits = [(); 8].map(|()| play_full(&mut limit, Signal::PushedBack));
        assert_eq!(limits, [18, 16, 14, 12, 10, 9, 8, 7]);
        for _ in 0..8 {
            play_full(&mut limit, Signal::PushedBack);
        }
        assert_eq!(limit.limit(), 1);
        assert_eq!(play_full(&mut limit, USUAL), 2, "it comes back");
    }

    #[test]
    fn a_round_that_is_slower_than_usual_shrinks_it_and_one_that_varies_as_usual_does_not() {
        let mut limit = adaptive(8, 8);
        for milliseconds in [10, 11, 9, 12, 8, 11, 10, 12] {
            assert_eq!(play_full(&mut limit, Signal::Taken(Duration::from_millis(milliseconds))), 8);
        }
        assert_eq!(play_full(&mut limit, Signal::Taken(Duration::from_millis(30))), 7);
    }

    #[test]
    fn a_slow_round_with_turns_to_spare_says_nothing() {
        let mut limit = adaptive(8, 8);
        play(&mut limit, USUAL);
        assert_eq!(play(&mut limit, Signal::Taken(Duration::from_secs(5))), 8);
        assert_eq!(play(&mut limit, Signal::PushedBack), 7, "that does");
    }

    #[test]
    fn the_scale_says_what_is_slow() {
        let after = |rtt_deviation_scale, milliseconds| {
            let settings = AdaptiveConcurrency { rtt_deviation_scale, ..Default::default() };
            let mut limit = Limit::new(Concurrency::Adaptive(settings));
            // The first round stands for a mean of 10 ms and a deviation of 5.
            play_full(&mut limit, USUAL);
            play_full(&mut limit, Signal::Taken(Duration::from_millis(milliseconds)))
        };
        assert_eq!((after(2.0, 19), after(2.0, 21), after(3.0, 21), after(0.0, 11)), (8, 7, 8, 7));
    }

    #[test]
    fn the_mean_follows_a_backend_that_stays_slow() {
        let mut limit = adaptive(8, 8);
        play_full(&mut limit, USUAL);
        let slow = Signal::Taken(Duration::from_secs(1));
        assert_eq!(play_full(&mut limit, slow), 7);
        for _ in 0..20 {
            play_full(&mut limit, slow);
        }
        assert_eq!(limit.limit(), 8, "a second is what it takes now");
    }

    /// Eight requests that were under way when the backend broke down say one thing, not eight.
    #[test]
    fn answers_to_what_was_sent_before_the_round_do_not_end_it() {
        let mut limit = adaptive(8, 8);
        let sent = limit.round();
        (0..8).for_each(|_| limit.answered(sent, Signal::PushedBack));
        assert_eq!(limit.limit(), 7);
        assert_eq!(play(&mut limit, USUAL), 6, "the others were of the round that this one ends");
    }

    #[test]
    fn a_fixed_limit_stays_whatever_happens() {
        for fixed in [1, 3, CONCURRENCY_MAX] {
            let mut limit = Limit::new(Concurrency::Fixed(fixed));
            for signal in [USUAL, Signal::PushedBack, Signal::Taken(Duration::from_secs(9)), USUAL] {
                assert_eq!(play_full(&mut limit, signal), fixed);
            }
        }
    }

    #[test]
    fn no_limit_is_none() {
        assert_eq!(Limit::new(Concurrency::Fixed(0)).limit(), 1);
        assert_eq!(adaptive(0, 0).limit(), 1);
        assert_eq!(adaptive(9, 4).limit(), 4);
    }

    #[derive(Clone, Debug)]
    enum Event {
        Begin,
        End,
        /// An answer to a request sent so many rounds ago, after so many milliseconds; None when it is pushed back.
        Answered(u64, Option<u64>),
    }

    fn events() -> impl Strategy<Value = Event> {
        prop_oneof![
            Just(Event::Begin),
            Just(Event::End),
            (0..3_u64, any::<Option<u64>>()).prop_map(|(ago, millis)| Event::Answered(ago, millis)),
            (0..3_u64, 0..50_u64).prop_map(|(ago, millis)| Event::Answered(ago, Some(millis))),
        ]
    }

    proptest! {
        /// Also with settings that no configuration takes.
        #[test]
        fn whatever_happens_the_limit_stays_within_its_bounds_and_moves_as_told(
            settings in (0..300_usize, 1..300_usize, 0.0..1.0_f64, 0.0..1.0_f64, 0.0..10.0_f64),
            events in vec(events(), 0..400),
        ) {
            let (initial_concurrency, max_concurrency_limit, decrease_ratio, ewma_alpha, rtt_deviation_scale) = settings;
            let settings = AdaptiveConcurrency {
                initial_concurrency, max_concurrency_limit, decrease_ratio, ewma_alpha, rtt_deviation_scale,
            };
            let mut limit = Limit::new(Concurrency::Adaptive(settings));
            for event in events {
                let (before, round) = (limit.limit(), limit.round());
                let is_pushed_back = match event {
                    Event::Begin => { limit.begin(); false }
                    Event::End => { limit.end(); false }
                    Event::Answered(ago, millis) => {
                        let signal = millis.map_or(Signal::PushedBack, |it| Signal::Taken(Duration::from_millis(it)));
                        limit.answered(Round(round.0.saturating_sub(ago)), signal);
                        signal == Signal::PushedBack
                    }
                };
                let after = limit.limit();
                prop_assert!((1..=max_concurrency_limit).contains(&after));
                prop_assert!(after <= before + 1, "it grows by one");
                prop_assert!(after == before || limit.round() != round, "it moves once in a round");
                if is_pushed_back && limit.round() != round {
                    prop_assert!(after < before || before == 1);
                }
            }
        }
    }
}
