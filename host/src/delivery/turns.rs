//! Turns to deliver: a batch has one from when its records are taken out of the queue until it is settled, also while it
//! waits to be sent again. How many there are says the [`Limit`] of the sink, which learns from every answer.

use super::limit::{Concurrency, Limit, Round, Signal};
use crate::export::Answer;
use crate::telemetry::{Component, Gauge, metric};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// One for each sink, shared by all routes that lead to it.
#[derive(Clone)]
pub struct Turns(Arc<Shared>);

struct Shared {
    /// Turns that nobody has. Who waits longest is next.
    free: Semaphore,
    state: Mutex<State>,
    limit: Gauge,
    in_flight: Gauge,
}

struct State {
    limit: Limit,
    /// Turns that are taken beyond the limit, since it has shrunk: they are not given to others.
    surplus: usize,
}

/// The right to have one batch under way, until it is dropped.
pub(super) struct Turn(Arc<Shared>);

/// A request under way.
pub(super) struct Request<'t> {
    turns: &'t Turns,
    round: Round,
    begun: Instant,
}

impl Default for Turns {
    fn default() -> Self {
        Self::new(Concurrency::default(), &Component::default())
    }
}

impl Turns {
    /// The turns of this sink, none of which is taken.
    #[must_use]
    pub fn new(concurrency: Concurrency, sink: &Component) -> Self {
        let limit = Limit::new(concurrency);
        let shared = Shared {
            free: Semaphore::new(limit.limit()),
            limit: sink.gauge(metric::CONCURRENCY_LIMIT, &[]),
            in_flight: sink.gauge(metric::CONCURRENCY_IN_FLIGHT, &[]),
            state: Mutex::new(State { limit, surplus: 0 }),
        };
        shared.limit.set(shared.state().limit.limit() as u64);
        Turns(Arc::new(shared))
    }

    /// Waits for a turn.
    pub(super) async fn take(&self) -> Turn {
        // It is given back by the turn, if it is not surplus then. The semaphore is never closed.
        if let Ok(permit) = self.0.free.acquire().await {
            permit.forget();
        }
        self.0.state().limit.begin();
        Turn(Arc::clone(&self.0))
    }

    /// A request is sent now.
    pub(super) fn send(&self) -> Request<'_> {
        self.0.in_flight.add(1);
        Request { turns: self, round: self.0.state().limit.round(), begun: Instant::now() }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self, sent: Round, signal: Signal) {
        let mut state = self.state();
        let before = state.limit.limit();
        state.limit.answered(sent, signal);
        let now = state.limit.limit();
        if now > before {
            let paid = state.surplus.min(now - before);
            state.surplus -= paid;
            self.free.add_permits(now - before - paid);
        } else {
            state.surplus += (before - now) - self.free.forget_permits(before - now);
        }
        self.limit.set(now as u64);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.limit.end();
        match state.surplus.checked_sub(1) {
            Some(surplus) => state.surplus = surplus,
            None => self.0.free.add_permits(1),
        }
    }
}

impl Request<'_> {
    /// The backend has said this, or nothing. Gives the time that it took.
    pub(super) fn answered(self, answer: &Answer) -> Duration {
        let took = self.begun.elapsed();
        let signal = match answer {
            Answer::Accepted | Answer::PartiallyAccepted { .. } => Some(Signal::Taken(took)),
            Answer::Retry { .. } => Some(Signal::PushedBack),
            // How fast a backend refuses says nothing of its load.
            Answer::Refused(_) | Answer::TooLarge { .. } => None,
        };
        if let Some(signal) = signal {
            self.turns.0.answered(self.round, signal);
        }
        took
    }
}

impl Drop for Request<'_> {
    fn drop(&mut self) {
        self.turns.0.in_flight.subtract(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::AdaptiveConcurrency;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    fn adaptive(initial_concurrency: usize) -> Turns {
        let settings = AdaptiveConcurrency { initial_concurrency, ..Default::default() };
        Turns::new(Concurrency::Adaptive(settings), &Component::default())
    }

    fn pushed_back() -> Answer {
        Answer::Retry { after: None, reason: String::new() }
    }

    #[test]
    fn there_are_as_many_turns_as_the_limit_says_whichever_route_asks() {
        let turns = Turns::new(Concurrency::Fixed(2), &Component::default());
        let other_route = turns.clone();
        let (first, second) = (now(turns.take()), now(other_route.take()));
        assert!(first.is_some() && second.is_some() && now(turns.take()).is_none());
        drop(first);
        assert!(now(other_route.take()).is_some());
    }

    #[test]
    fn turns_beyond_a_limit_that_shrank_go_to_nobody() {
        let turns = adaptive(3);
        let [first, second, third] = [(); 3].map(|()| now(turns.take()).expect("a turn"));
        turns.send().answered(&pushed_back());
        assert_eq!(turns.0.limit.value(), 2);
        drop(first);
        assert!(now(turns.take()).is_none(), "two are taken, and two are all");
        drop(second);
        let second = now(turns.take()).expect("a turn");
        turns.send().answered(&Answer::Accepted);
        assert_eq!(turns.0.limit.value(), 3);
        assert!(now(turns.take()).is_some());
        drop((second, third));
    }

    #[test]
    fn a_refusal_says_nothing_of_the_load() {
        let turns = adaptive(3);
        turns.send().answered(&Answer::TooLarge { reason: String::new() });
        assert_eq!(
            (turns.0.limit.value(), turns.0.state().limit.round()),
            (3, Limit::new(Concurrency::default()).round())
        );
    }

    #[test]
    fn requests_under_way_are_counted_also_those_that_are_given_up() {
        let turns = Turns::default();
        let (first, second) = (turns.send(), turns.send());
        assert_eq!(turns.0.in_flight.value(), 2);
        first.answered(&Answer::Accepted);
        drop(second);
        assert_eq!(turns.0.in_flight.value(), 0);
    }

    proptest! {
        /// Nobody gets a turn while as many are taken as the limit says, and somebody does while fewer are.
        #[test]
        fn no_turn_is_lost_and_none_is_made_up(steps in vec(0..5_u8, 0..300)) {
            let turns = adaptive(4);
            let mut taken = Vec::new();
            for step in steps {
                match step {
                    0 | 1 => {
                        let is_room = taken.len() < turns.0.state().limit.limit();
                        let turn = now(turns.take());
                        prop_assert_eq!(turn.is_some(), is_room);
                        taken.extend(turn);
                    }
                    2 => { taken.pop(); }
                    3 => { turns.send().answered(&Answer::Accepted); }
                    _ => { turns.send().answered(&pushed_back()); }
                }
            }
            taken.clear();
            prop_assert_eq!(turns.0.free.available_permits(), turns.0.state().limit.limit());
        }
    }
}
