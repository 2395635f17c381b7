//! What a consumer and its deliveries share: what came back, and what waits for others of the same trace.

use crate::queue::embedded::Shared;
use crate::queue::store::{Entry, Fate, LaneNumber, SharedFollower, TraceIdentity, locked};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// One for each consumer.
pub(in crate::queue::embedded) struct Seat {
    pub(super) queue: Arc<Shared>,
    pub(super) follower: SharedFollower,
    /// The consumer's.
    pub(super) number: u32,
    state: Mutex<State>,
    /// Something came back.
    came_back: Notify,
}

#[derive(Default)]
pub(super) struct State {
    /// Handed out, and to be handed out again.
    returned: VecDeque<Taken>,
    /// Traces that are under way, and the records that wait for what becomes of them, because they become the same.
    pub(super) under_way: HashMap<TraceIdentity, Vec<Taken>>,
    /// How many wait so.
    pub(super) parked: usize,
}

/// A record, and the way on which it was taken.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) lane: LaneNumber,
    pub(super) is_replay: bool,
    pub(super) entry: Arc<Entry>,
}

impl Seat {
    pub(super) fn new(queue: Arc<Shared>, follower: SharedFollower) -> Self {
        let number = locked(&follower).number;
        Seat { queue, follower, number, state: Mutex::default(), came_back: Notify::new() }
    }

    pub(in crate::queue::embedded) fn follower(&self) -> &SharedFollower {
        &self.follower
    }

    /// Whether nothing that was taken waits for an answer.
    pub(super) fn is_idle(&self) -> bool {
        locked(&self.follower).lanes.values().all(|lane| lane.open().next().is_none())
    }

    /// How many records wait for what becomes of another one.
    pub(super) fn parked(&self) -> usize {
        self.state().parked
    }

    /// Takes out what is to be handed out again.
    pub(super) fn take_returned(&self) -> VecDeque<Taken> {
        std::mem::take(&mut self.state().returned)
    }

    /// Has a record handed out again.
    pub(super) fn hand_back(&self, taken: Taken) {
        self.state().returned.push_back(taken);
        self.look();
    }

    pub(super) async fn something_came_back(&self) {
        self.came_back.notified().await;
    }

    /// Has the consumer look at what came back.
    pub(super) fn look(&self) {
        self.came_back.notify_one();
    }

    /// A trace is not under way any more; what waited for that is handed out again, to be looked at anew.
    pub(super) fn release(&self, identity: &TraceIdentity) {
        let mut state = self.state();
        if let Some(waiting) = state.under_way.remove(identity).filter(|waiting| !waiting.is_empty()) {
            state.parked -= waiting.len();
            state.returned.extend(waiting);
            drop(state);
            self.look();
        }
    }

    /// Records that cannot be read any more: nobody waits for them.
    pub(super) fn note_damage(&self, ids: &[u64], lane: Option<LaneNumber>) {
        if ids.is_empty() {
            return;
        }
        let mut follower = locked(&self.follower);
        if let Some(lane) = lane {
            for id in ids {
                follower.settle(lane, *id, Fate::Damaged);
            }
        } else {
            follower.count(Fate::Damaged, ids.len() as u64);
        }
        let (consumer, records) = (follower.name.clone(), ids.len());
        drop(follower);
        tracing::error!(
            consumer,
            records,
            first = ids.first(),
            code = "records_damaged",
            "records cannot be read any more"
        );
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
