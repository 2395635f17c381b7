//! A record that a consumer took out, until it is answered for, and what became of it after that.

use super::seat::{Seat, Taken};
use crate::queue::store::{Entry, LaneNumber, TraceIdentity, Verdict};
use crate::queue::{Deliver, SameTrace, Settlement, now_ms};
use crate::record::{Record, Rejection};
use std::sync::Arc;

/// A record that was taken out. Dropped without an answer, it is taken again.
pub struct EmbeddedDelivery {
    seat: Arc<Seat>,
    /// Until it is answered.
    taken: Option<Taken>,
    /// Who has mapped it, for the case that it becomes a dead letter.
    mapper: Option<Arc<str>>,
    /// What it becomes, once that is known and it is to be delivered.
    identity: Option<TraceIdentity>,
    /// Whether others that become the same wait for it.
    has_claim: bool,
}

/// What became of a record, on its way to the store.
pub(in crate::queue::embedded) struct Settled {
    pub(in crate::queue::embedded) seat: Arc<Seat>,
    taken: Taken,
    pub(in crate::queue::embedded) verdict: Verdict,
    claim: Option<TraceIdentity>,
}

impl Deliver for EmbeddedDelivery {
    fn record(&self) -> &Record {
        static NONE: Record = Record { body: bytes::Bytes::new(), metadata: Vec::new() };
        self.taken.as_ref().map_or(&NONE, |taken| &taken.entry.record)
    }

    fn mapped_by(&mut self, mapper: &Arc<str>) {
        self.mapper = Some(Arc::clone(mapper));
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
            Settlement::Rejected(rejection) => Verdict::Refused { rejection, mapper: self.mapper() },
            // It is dropped, and taken again.
            Settlement::RetryAfter(_) | Settlement::NotTaken(_) => return,
        };
        self.answer(verdict);
    }

    fn settle_in_part(mut self, rejection: Rejection) {
        let mapper = self.mapper();
        self.answer(Verdict::DeliveredInPart { identity: self.identity, rejection, mapper });
    }
}

impl EmbeddedDelivery {
    pub(super) fn new(seat: Arc<Seat>, taken: Taken) -> Self {
        EmbeddedDelivery { seat, taken: Some(taken), mapper: None, identity: None, has_claim: false }
    }

    fn mapper(&self) -> String {
        self.mapper.as_deref().unwrap_or_default().to_owned()
    }

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
        self.seat.hand_back(taken);
    }
}

impl Settled {
    pub(in crate::queue::embedded) fn lane(&self) -> LaneNumber {
        self.taken.lane
    }

    pub(in crate::queue::embedded) fn entry(&self) -> &Entry {
        &self.taken.entry
    }

    /// It is written: whoever waited for what becomes of this trace can go on.
    pub(in crate::queue::embedded) fn written(self) {
        if let Some(identity) = &self.claim {
            self.seat.release(identity);
        }
        if *self.seat.queue.closing.borrow() {
            self.seat.look();
        }
    }
}
