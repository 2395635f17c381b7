//! One consumer of a queue on disk: takes records in the order in which they came, and answers for each.

mod delivery;
mod seat;
#[cfg(test)]
mod tests;

use super::Shared;
use crate::queue::store::{Lane, LaneNumber, SharedFollower, Stretch, locked};
use crate::queue::{Consume, StoreError};
use seat::{Seat, Taken};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

pub use delivery::EmbeddedDelivery;
pub(super) use delivery::Settled;

/// The end at which records are taken out.
pub struct EmbeddedConsumer {
    seat: Arc<Seat>,
    /// Taken from the log, and not handed out yet.
    ready: VecDeque<Taken>,
}

/// Read from the store at a time.
const RECORDS_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: u64 = 4 * 1024 * 1024;
/// When so many records wait for what becomes of another one, nothing more is taken from the log.
const PARKED_MAX: usize = 1024;
/// How long it is waited when the store cannot be read, before it is tried again.
const UNREADABLE_DELAY: Duration = Duration::from_millis(200);

impl EmbeddedConsumer {
    pub(super) fn new(queue: Arc<Shared>, follower: SharedFollower) -> Self {
        EmbeddedConsumer { seat: Arc::new(Seat::new(queue, follower)), ready: VecDeque::new() }
    }

    /// What had been taken before the last process ended, and was not answered for.
    async fn take_what_was_open(&mut self) {
        let open: Vec<(LaneNumber, bool, u64)> = {
            let follower = locked(&self.seat.follower);
            let of_lane = |(number, lane): (&LaneNumber, &Lane)| {
                let (number, is_replay) = (*number, lane.is_replay());
                lane.open().map(move |id| (number, is_replay, id)).collect::<Vec<_>>()
            };
            follower.lanes.iter().flat_map(of_lane).collect()
        };
        for (lane, is_replay, id) in open {
            let stretch = loop {
                match self.read(id, id + 1).await {
                    Ok(stretch) => break stretch,
                    Err(_) => tokio::time::sleep(UNREADABLE_DELAY).await,
                }
            };
            match stretch.entries.into_iter().next() {
                Some(entry) => self.ready.push_back(Taken { lane, is_replay, entry: Arc::new(entry) }),
                None => self.seat.note_damage(&[id], Some(lane)),
            }
        }
    }

    /// Takes what comes next from the log. False when there is nothing now.
    async fn refill(&mut self) -> Result<bool, StoreError> {
        if self.seat.parked() >= PARKED_MAX {
            return Ok(false);
        }
        let stored = *self.seat.queue.stored.borrow();
        // What comes in before what went by: a replay of history holds nobody up.
        let lanes: Vec<(LaneNumber, u64, u64, bool)> = {
            let follower = locked(&self.seat.follower);
            let mut lanes: Vec<_> =
                follower.lanes.iter().filter(|(_, lane)| lane.next() < lane.end().unwrap_or(stored)).collect();
            lanes.sort_by_key(|(_, lane)| (lane.end().is_some(), lane.is_replay()));
            lanes
                .iter()
                .map(|(number, lane)| {
                    (**number, lane.next(), lane.end().unwrap_or(stored).min(stored), lane.is_replay())
                })
                .collect()
        };
        for (lane, next, end, is_replay) in lanes {
            if next >= end {
                continue;
            }
            let (entries, next, damaged) = match self.seat.queue.tail.from(next, RECORDS_AT_ONCE) {
                Some(entries) => {
                    let entries: Vec<_> = entries.into_iter().filter(|entry| entry.id < end).collect();
                    let next = match entries.last() {
                        Some(last) if entries.len() == RECORDS_AT_ONCE => last.id + 1,
                        _ => end,
                    };
                    (entries, next, Vec::new())
                }
                None => {
                    let stretch = self.read(next, end).await?;
                    (stretch.entries.into_iter().map(Arc::new).collect(), stretch.next, stretch.damaged)
                }
            };
            let mut follower = locked(&self.seat.follower);
            // What was given up while it was read is of no concern any more.
            let given_up_to = follower.lanes.get(&lane).map_or(u64::MAX, Lane::next);
            let damaged: Vec<u64> = damaged.into_iter().filter(|id| *id >= given_up_to).collect();
            let entries = entries.into_iter().filter(|entry| entry.id >= given_up_to && follower.takes(entry));
            for entry in entries.collect::<Vec<_>>() {
                if let Some(lane) = follower.lanes.get_mut(&lane) {
                    lane.take(entry.id);
                }
                self.ready.push_back(Taken { lane, is_replay, entry });
            }
            if let Some(lane) = follower.lanes.get_mut(&lane) {
                lane.pass_to(next);
            }
            drop(follower);
            self.seat.note_damage(&damaged, None);
            return Ok(true);
        }
        Ok(false)
    }

    async fn read(&self, from: u64, end: u64) -> Result<Stretch, StoreError> {
        let reader = self.seat.queue.reader.clone();
        let read = move || reader.stretch(from, end, RECORDS_AT_ONCE, BYTES_AT_ONCE);
        tokio::task::spawn_blocking(read).await.unwrap_or(Err(StoreError::Closed))
    }

    fn take_returned(&mut self) {
        for taken in self.seat.take_returned().into_iter().rev() {
            self.ready.push_front(taken);
        }
    }
}

impl Consume for EmbeddedConsumer {
    type Delivery = EmbeddedDelivery;

    async fn begin(&mut self) {
        self.take_what_was_open().await;
    }

    async fn has_more(&mut self) -> bool {
        let mut stored = self.seat.queue.stored.subscribe();
        let mut closing = self.seat.queue.closing.subscribe();
        loop {
            self.take_returned();
            if !self.ready.is_empty() {
                return true;
            }
            stored.mark_unchanged();
            // Looked at before the log: what was stored before the end is seen.
            let is_closing = *closing.borrow_and_update();
            match self.refill().await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(_) => {
                    tokio::time::sleep(UNREADABLE_DELAY).await;
                    if is_closing {
                        return false;
                    }
                    continue;
                }
            }
            // What is out may come back, or let others through.
            if is_closing && self.seat.is_idle() {
                return false;
            }
            // A replay that somebody asked for shows in the lanes: it is looked for now and then.
            let _something = timeout(Duration::from_millis(500), async {
                tokio::select! {
                    _ = stored.changed() => {}
                    _ = closing.changed() => {}
                    () = self.seat.something_came_back() => {}
                }
            })
            .await;
        }
    }

    fn waiting(&self) -> usize {
        let next = *self.seat.queue.stored.borrow();
        let taken_to =
            locked(&self.seat.follower).lanes.values().filter(|lane| lane.end().is_none()).map(Lane::next).min();
        let behind = taken_to.map_or(0, |taken_to| next.saturating_sub(taken_to));
        self.ready.len() + usize::try_from(behind).unwrap_or(usize::MAX)
    }

    async fn take(&mut self, records_max: usize, bytes_max: usize) -> Vec<EmbeddedDelivery> {
        while self.ready.len() < records_max && matches!(self.refill().await, Ok(true)) {}
        // What was erased, or given up, since it was taken is not delivered.
        {
            let follower = locked(&self.seat.follower);
            self.ready.retain(|taken| follower.lanes.get(&taken.lane).is_some_and(|lane| lane.is_open(taken.entry.id)));
        }
        let mut batch = Vec::with_capacity(records_max.min(self.ready.len()));
        let mut bytes: usize = 0;
        while batch.len() < records_max {
            let Some(next) = self.ready.front() else { break };
            bytes = bytes.saturating_add(next.entry.record.body.len());
            if !batch.is_empty() && bytes > bytes_max {
                break;
            }
            batch.extend(self.ready.pop_front().map(|taken| EmbeddedDelivery::new(Arc::clone(&self.seat), taken)));
        }
        batch
    }
}
