//! Records come in: those that came before are told apart, the others get their ids and a place in the log.

use super::database::{Table, Transaction};
use super::entry::Entry;
use super::reader::{RECORDS, is_damage};
use super::rows::SegmentRow;
use super::seen::{self, BodyDigest, PushKind, Short};
use super::{Store, id_key, locked};
use crate::queue::StoreError;
use crate::record::Record;
use std::collections::HashSet;
use std::sync::Arc;

/// A record that wants in.
#[derive(Clone, Debug)]
pub(in crate::queue) struct Arrival {
    pub(in crate::queue) source: Arc<str>,
    pub(in crate::queue) record: Record,
    pub(in crate::queue) digest: BodyDigest,
    /// What its sender calls this push, if it does: the same again is the same push.
    pub(in crate::queue) push_id: Option<Arc<str>>,
    /// The consumers it is meant for, if not for all.
    pub(in crate::queue) only: Vec<String>,
    /// Somebody asked for it to be delivered once more.
    pub(in crate::queue) is_replay: bool,
}

/// What became of an arrival.
#[derive(Clone, Debug)]
pub(in crate::queue) enum Taken {
    Stored(Arc<Entry>),
    /// It is stored already.
    Duplicate,
}

impl Store {
    /// Takes these records in; with `sync` they are on disk afterwards. On an error none of them is.
    pub(in crate::queue) fn admit(
        &mut self,
        arrivals: &[Arrival],
        now_ms: u64,
        sync: bool,
    ) -> Result<Vec<Taken>, StoreError> {
        self.turn_segment()?;
        let mut transaction = Transaction::default();
        let mut taken = Vec::with_capacity(arrivals.len());
        let mut pushes = HashSet::new();
        let (next_id_before, segment_before) = (self.log.next_id, self.segments.last_key_value());
        let Some((number, segment)) = segment_before.map(|(number, segment)| (*number, segment.clone())) else {
            return Err(StoreError::Closed);
        };
        let (mut changed, mut next_id) = (segment.clone(), next_id_before);
        for arrival in arrivals {
            let fingerprint = self.push_fingerprint(arrival);
            if let Some(fingerprint) = &fingerprint {
                if !pushes.insert(fingerprint.clone()) || self.was_seen(fingerprint, now_ms)? {
                    taken.push(Taken::Duplicate);
                    continue;
                }
                transaction.remember(fingerprint.clone(), seen::row(now_ms, None));
            }
            let entry = Entry {
                id: next_id,
                received_ms: now_ms,
                source: Arc::clone(&arrival.source),
                record: arrival.record.clone(),
                digest: arrival.digest,
                only: arrival.only.clone(),
                is_replay: arrival.is_replay,
            };
            next_id += 1;
            let row = self.seal().seal(RECORDS, entry.id, &entry.to_row());
            transaction.put(Table::Records(number), id_key(entry.id), row);
            note(&mut changed, &entry);
            taken.push(Taken::Stored(Arc::new(entry)));
        }
        let entries: Vec<&Arc<Entry>> = taken.iter().filter_map(Taken::entry).collect();
        self.log.next_id = next_id;
        self.segments.insert(number, changed);
        let received = self.count_received(&entries);
        if let Err(error) = self.commit(transaction, sync) {
            self.log.next_id = next_id_before;
            self.segments.insert(number, segment);
            for (follower, count) in &received {
                locked(follower).counts.received -= count;
            }
            return Err(error);
        }
        self.tally.duplicate_pushes += (taken.len() - entries.len()) as u64;
        Ok(taken)
    }

    fn count_received(&self, entries: &[&Arc<Entry>]) -> Vec<(super::SharedFollower, u64)> {
        let mut received = Vec::new();
        for follower in self.followers.values() {
            let mut following = locked(follower);
            if following.is_following() {
                let count = entries.iter().filter(|entry| following.takes(entry)).count() as u64;
                following.counts.received += count;
                received.push((Arc::clone(follower), count));
            }
        }
        received
    }

    fn push_fingerprint(&self, arrival: &Arrival) -> Option<Short> {
        let push_id = arrival.push_id.as_ref().filter(|_| !self.settings.duplicates.window.is_zero())?;
        Some(seen::of_push(PushKind::Record, &arrival.source, push_id, &arrival.digest))
    }

    pub(super) fn was_seen(&self, fingerprint: &[u8], now_ms: u64) -> Result<bool, StoreError> {
        let row = match self.reader.seen(fingerprint) {
            // What cannot be known was not seen: twice is better than not at all.
            Err(error) if is_damage(&error) => None,
            row => row?,
        };
        Ok(row.and_then(|row| seen::within_window(&row, now_ms, &self.settings.duplicates)).is_some())
    }

    /// Begins a new segment when the last one is large enough: while everybody keeps up, soon, so that it is given back
    /// soon; otherwise late, so that there are few.
    fn turn_segment(&mut self) -> Result<(), StoreError> {
        let is_full = self.segments.last_key_value().is_none_or(|(_, last)| {
            let keeps_up = self.segments.len() == 1;
            last.bytes >= if keeps_up { self.limits.segment_bytes } else { self.limits.segment_bytes_max }
        });
        if is_full { self.begin_segment() } else { Ok(()) }
    }

    /// Begins a new segment.
    pub(super) fn begin_segment(&mut self) -> Result<(), StoreError> {
        let last = self.segments.last_key_value().map(|(number, _)| *number);
        let number = last.map_or(0, |last| last + 1);
        self.reader.add_segment(number, self.log.next_id)?;
        self.segments.insert(number, SegmentRow { first_id: self.log.next_id, ..SegmentRow::default() });
        Ok(())
    }
}

impl Taken {
    pub(in crate::queue) fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Self::Stored(entry) => Some(entry),
            Self::Duplicate => None,
        }
    }
}

fn note(segment: &mut SegmentRow, entry: &Entry) {
    if segment.records == 0 {
        segment.first_ms = entry.received_ms;
    }
    segment.records += 1;
    segment.bytes += entry.bytes();
    segment.last_ms = segment.last_ms.max(entry.received_ms);
}
