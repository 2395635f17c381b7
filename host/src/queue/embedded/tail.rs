//! The records that came last, in memory: a consumer that keeps up never reads from the disk.

use crate::queue::store::Entry;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Default)]
pub(super) struct Tail(Mutex<State>);

#[derive(Default)]
struct State {
    /// In the order of their ids.
    entries: VecDeque<Arc<Entry>>,
    bytes: u64,
    /// Every record from this one on that is stored is here.
    complete_from: Option<u64>,
}

const BYTES_MAX: u64 = 6 * 1024 * 1024;

impl Tail {
    /// Adds records that were just stored.
    pub(super) fn extend(&self, entries: impl IntoIterator<Item = Arc<Entry>>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries {
            state.complete_from.get_or_insert(entry.id);
            state.bytes += entry.bytes();
            state.entries.push_back(entry);
        }
        while state.bytes > BYTES_MAX {
            let Some(oldest) = state.entries.pop_front() else { break };
            state.bytes -= oldest.bytes();
            state.complete_from = Some(oldest.id + 1);
        }
    }

    /// Forgets everything: what is in the store is not what was thought.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = State::default();
    }

    /// So many records from this one on. None when they have to be read from the store.
    pub(super) fn from(&self, id: u64, count_max: usize) -> Option<Vec<Arc<Entry>>> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.complete_from.is_none_or(|first| id < first) {
            return None;
        }
        let begin = state.entries.partition_point(|entry| entry.id < id);
        Some(state.entries.iter().skip(begin).take(count_max).map(Arc::clone).collect())
    }
}
