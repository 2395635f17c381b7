//! One consumer of a queue on disk: takes records in the order in which they came, and answers for each.

#[cfg(test)]
mod tests;

use super::Shared;
use crate::queue::store::{Entry, Fate, Lane, LaneNumber, SharedFollower, Stretch, TraceIdentity, Verdict, locked};
use crate::queue::{Consume, Deliver, SameTrace, Settlement, StoreError, now_ms};
use crate::record::{Record, Rejection};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::timeout;

/// The end at which records are taken out.
pub struct EmbeddedConsumer {
    seat: Arc<Seat>,
    /// Taken from the log, and not handed out yet.
    ready: VecDeque<Taken>,
}

/// A record that was taken out. Dropped without an answer, it is taken again.
pub struct EmbeddedDelivery {
    seat: Arc<Seat>,
    /// Until it is answered.
    taken: Option<Taken>,
    /// What it becomes, once that is known and it is to be delivered.
    identity: Option<TraceIdentity>,
    /// Whether others that become the same wait for it.
    has_claim: bool,
}

/// What a consumer and its deliveries share.
pub(super) struct Seat {
    queue: Arc<Shared>,
    follower: SharedFollower,
    mapper: String,
    number: u32,
    state: Mutex<State>,
    /// Something came back.
    came_back: Notify,
}

#[derive(Default)]
struct State {
    /// Handed out, and to be handed out again.
    returned: VecDeque<Taken>,
    /// Traces that are under way, and the records that wait for what becomes of them, because they become the same.
    under_way: HashMap<TraceIdentity, Vec<Taken>>,
    /// How many wait so.
    parked: usize,
}

/// A record, and the way on which it was taken.
#[derive(Clone)]
struct Taken {
    lane: LaneNumber,
    is_replay: bool,
    entry: Arc<Entry>,
}

/// What became of a record, on its way to the store.
pub(super) struct Settled {
    pub(super) seat: Arc<Seat>,
    taken: Taken,
    pub(super) verdict: Verdict,
    claim: Option<TraceIdentity>,
}

/// Read from the store at a time.
const RECORDS_AT_ONCE: usize = 256;
const BYTES_AT_ONCE: u64 = 4 * 1024 * 1024;
/// When so many records wait for what becomes of another one, nothing more is taken from the log.
const PARKED_MAX: usize = 1024;
/// How long it is waited when the store cannot be read, before it is tried again.
const UNREADABLE_DELAY: Duration = Duration::from_millis(200);

impl EmbeddedConsumer {
    pub(super) fn new(queue: Arc<Shared>, follower: SharedFollower, mapper: String) -> Self {
        let number = locked(&follower).number;
        let state = Mutex::default();
        let seat = Seat { queue, follower, mapper, number, state, came_back: Notify::new() };
        EmbeddedConsumer { seat: Arc::new(seat), ready: VecDeque::new() }
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
        if self.seat.state().parked >= PARKED_MAX {
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
        let mut state = self.seat.state();
        while let Some(taken) = state.returned.pop_back() {
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
                    () = self.seat.came_back.notified() => {}
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
            let taken = self.ready.pop_front();
            batch.push(EmbeddedDelivery { seat: Arc::clone(&self.seat), taken, identity: None, has_claim: false });
        }
        batch
    }
}

impl Deliver for EmbeddedDelivery {
    fn record(&self) -> &Record {
        static NONE: Record = Record { body: bytes::Bytes::new(), metadata: Vec::new() };
        self.taken.as_ref().map_or(&NONE, |taken| &taken.entry.record)
    }

    fn claim(mut self, identity: TraceIdentity) -> Option<Self> {
        let taken = self.taken.as_ref()?;
        if taken.entry.is_replay {
            self.identity = Some(identity);
            return Some(self);
        }
        let seat = Arc::clone(&self.seat);
        let mut state = seat.state();
        if let Some(waiting) = state.under_way.get_mut(&identity) {
            waiting.extend(self.taken.take());
            state.parked += 1;
            return None;
        }
        let known = seat.queue.reader.delivered(seat.number, &identity, now_ms());
        let duplicates = *seat.queue.reader.duplicates();
        let is_same = |digest: &[u8]| *digest == taken.entry.digest;
        let verdict = match known {
            // When it cannot be known, it is delivered: twice is better than not at all.
            Ok(None) | Err(_) => None,
            // History is delivered as it was, and what was left out of it then is left out now.
            Ok(Some(digest)) if is_same(&digest) => (!taken.is_replay).then_some(Verdict::Duplicate),
            Ok(Some(_)) if duplicates.same_trace == SameTrace::Latest => None,
            Ok(Some(_)) => Some(Verdict::Superseded),
        };
        if let Some(verdict) = verdict {
            drop(state);
            self.answer(verdict);
            return None;
        }
        state.under_way.insert(identity, Vec::new());
        drop(state);
        self.identity = Some(identity);
        self.has_claim = true;
        Some(self)
    }

    fn settle(mut self, settlement: Settlement) {
        let verdict = match settlement {
            // Without a trace there was nothing to deliver.
            Settlement::Acknowledged if self.identity.is_none() => Verdict::Skipped,
            Settlement::Acknowledged => Verdict::Delivered(self.identity),
            Settlement::Rejected(rejection) => Verdict::Refused { rejection, mapper: self.seat.mapper.clone() },
            // It is dropped, and taken again.
            Settlement::RetryAfter(_) => return,
        };
        self.answer(verdict);
    }

    fn settle_in_part(mut self, rejection: Rejection) {
        let mapper = self.seat.mapper.clone();
        self.answer(Verdict::DeliveredInPart { identity: self.identity, rejection, mapper });
    }
}

impl EmbeddedDelivery {
    fn answer(&mut self, verdict: Verdict) {
        let Some(taken) = self.taken.take() else { return };
        let claim = self.identity.take().filter(|_| self.has_claim);
        let settled = Settled { seat: Arc::clone(&self.seat), taken, verdict, claim };
        // Once the queue is closed, it is taken again after the next start.
        self.seat.queue.inbox.add(|waiting| waiting.settled.push(settled));
    }
}

impl Drop for EmbeddedDelivery {
    fn drop(&mut self) {
        let Some(taken) = self.taken.take() else { return };
        if let Some(identity) = self.identity.take().filter(|_| self.has_claim) {
            self.seat.release(&identity);
        }
        self.seat.state().returned.push_back(taken);
        self.seat.came_back.notify_one();
    }
}

impl Seat {
    pub(super) fn follower(&self) -> &SharedFollower {
        &self.follower
    }

    /// Whether nothing that was taken waits for an answer.
    fn is_idle(&self) -> bool {
        locked(&self.follower).lanes.values().all(|lane| lane.open().next().is_none())
    }

    /// A trace is not under way any more; what waited for that is handed out again, to be looked at anew.
    fn release(&self, identity: &TraceIdentity) {
        let mut state = self.state();
        if let Some(waiting) = state.under_way.remove(identity).filter(|waiting| !waiting.is_empty()) {
            state.parked -= waiting.len();
            state.returned.extend(waiting);
            drop(state);
            self.came_back.notify_one();
        }
    }

    /// Records that cannot be read any more: nobody waits for them.
    fn note_damage(&self, ids: &[u64], lane: Option<LaneNumber>) {
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

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settled {
    pub(super) fn lane(&self) -> LaneNumber {
        self.taken.lane
    }

    pub(super) fn entry(&self) -> &Entry {
        &self.taken.entry
    }

    /// It is written: whoever waited for what becomes of this trace can go on.
    pub(super) fn written(self) {
        if let Some(identity) = &self.claim {
            self.seat.release(identity);
        }
        if *self.seat.queue.closing.borrow() {
            self.seat.came_back.notify_one();
        }
    }
}
