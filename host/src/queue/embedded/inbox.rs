//! What waits for the thread that writes. All of it is taken out at once, so that it becomes one transaction.

use super::consumer::Settled;
use crate::queue::receipt::Settler;
use crate::queue::store::{Arrival, Store};
use crate::record::Rejection;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Bounded by whoever adds to it: records by their source's room, answers by the batches under way.
#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    something_came: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Waiting,
    is_closed: bool,
}

/// Something to be done with the store, between transactions.
pub(super) type Errand = Box<dyn FnOnce(&mut Store) + Send>;

#[derive(Default)]
pub(super) struct Waiting {
    pub(super) arrivals: Vec<(Arrival, Settler)>,
    /// Refused when they were received.
    pub(super) refusals: Vec<(Arrival, Rejection, Settler)>,
    pub(super) settled: Vec<Settled>,
    pub(super) errands: Vec<Errand>,
}

impl Waiting {
    /// Whether somebody waits for an answer. What consumers settled can wait for company.
    fn is_urgent(&self) -> bool {
        !(self.arrivals.is_empty() && self.refusals.is_empty() && self.errands.is_empty())
    }

    fn is_empty(&self) -> bool {
        !self.is_urgent() && self.settled.is_empty()
    }
}

impl Inbox {
    /// Adds to what waits. False when nobody will look at it any more: then it was not added.
    pub(super) fn add(&self, add: impl FnOnce(&mut Waiting)) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.is_closed {
            return false;
        }
        let before = (state.waiting.is_urgent(), state.waiting.is_empty());
        add(&mut state.waiting);
        let after = (state.waiting.is_urgent(), state.waiting.is_empty());
        drop(state);
        if after != before {
            self.something_came.notify_one();
        }
        true
    }

    /// Everything that waits: at once when somebody waits for an answer, else a moment after something came, or after this
    /// time when nothing does. None once it is closed and everything was taken out.
    pub(super) fn take(&self, moment: Duration, patience: Duration) -> Option<Waiting> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let is_idle = |state: &mut State| state.waiting.is_empty() && !state.is_closed;
        let waited = self.something_came.wait_timeout_while(state, patience, is_idle);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let is_calm = |state: &mut State| !state.waiting.is_empty() && !state.waiting.is_urgent() && !state.is_closed;
        let waited = self.something_came.wait_timeout_while(state, moment, is_calm);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut state.waiting);
        if state.is_closed && waiting.is_empty() { None } else { Some(waiting) }
    }

    /// Nothing is added from now on.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.something_came.notify_one();
    }
}
