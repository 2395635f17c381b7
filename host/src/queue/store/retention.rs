//! What is given back, and when there is no room for more.

use super::database::{Database, Table, Transaction, copy_key};
use super::follower::Fate;
use super::reader::is_damage;
use super::rows::SegmentRow;
use super::{SharedFollower, Store, locked, seen, segment_key};
use crate::queue::{StoreError, WhenFull};
use std::sync::Arc;
use std::time::Duration;

/// Why nothing more is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Fullness {
    /// The queue takes as much as it may, and a consumer that must not lose anything is behind.
    Queue,
    /// The disk has less room left than it should have.
    Disk,
}

/// A segment that everybody is done with is given back after this time even if it is not full.
const IDLE: Duration = Duration::from_secs(60);
/// So much may come before what is in memory is written to files, so that old journals can go.
const UNFLUSHED_BYTES: u64 = 64 * 1024 * 1024;
/// Dead letters that are looked at in one go.
const LETTERS_AT_ONCE: usize = 1000;

impl Store {
    /// What records and dead letters take, about. Journals come on top.
    pub(in crate::queue) fn bytes(&self) -> u64 {
        self.segments.values().map(|segment| segment.bytes).sum::<u64>() + self.log.letter_bytes
    }

    /// How many records there are, waiting or kept, and when the oldest of them was received.
    pub(in crate::queue) fn records(&self) -> (u64, Option<u64>) {
        let count = self.segments.values().map(|segment| segment.records).sum();
        (count, self.segments.values().find(|segment| segment.records > 0).map(|segment| segment.first_ms))
    }

    /// What it takes on disk, all in all.
    pub(in crate::queue) fn disk_space(&self) -> u64 {
        self.reader.with(|database| Ok(database.disk_space())).unwrap_or(0)
    }

    /// Whether there is no room for so many bytes more.
    pub(in crate::queue) fn fullness(&mut self, bytes: u64) -> Result<Option<Fullness>, StoreError> {
        if self.free_bytes().is_some_and(|free| free < self.settings.free_bytes_min) {
            return Ok(Some(Fullness::Disk));
        }
        while self.bytes() + bytes > self.settings.bytes_max {
            if !self.make_room()? {
                return Ok(Some(Fullness::Queue));
            }
        }
        Ok(None)
    }

    /// Gives back what nobody needs any more.
    pub(in crate::queue) fn keep_house(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let keep_ms = millis(self.settings.keep);
        while let Some((number, segment, end)) = self.oldest() {
            let age_ms = now_ms.saturating_sub(segment.last_ms);
            if segment.records > 0 && (self.has_holders(end) || age_ms < keep_ms) {
                break;
            }
            if self.segments.len() == 1 {
                if segment.records == 0 || age_ms < millis(IDLE) {
                    break;
                }
                self.begin_segment()?;
            }
            self.give_back(number)?;
        }
        self.turn_generation(now_ms)?;
        match self.expire_letters(now_ms) {
            // They stay: whoever lists them is told.
            Err(error) if is_damage(&error) => Ok(()),
            done => done,
        }
    }

    /// Writes what is in memory to files when much came since the last time.
    pub(in crate::queue) fn flush_sometimes(&mut self, bytes: u64) -> Result<(), StoreError> {
        self.reader.with(Database::settle_recent)?;
        self.unflushed_bytes += bytes;
        if self.unflushed_bytes >= UNFLUSHED_BYTES {
            self.unflushed_bytes = 0;
            // A segment that is not written to any more and that somebody has not come through will be needed for a while.
            let segments: Vec<(u32, u64)> =
                self.segments.iter().map(|(number, segment)| (*number, segment.first_id)).collect();
            let older = segments.windows(2).filter_map(|pair| match pair {
                [(number, _), (_, end)] if self.has_holders(*end) => Some(*number),
                _ => None,
            });
            let older: Vec<u32> = older.collect();
            self.reader.with(|database| {
                older.iter().try_for_each(|number| database.flush_segment(*number))?;
                database.flush()
            })?;
        }
        Ok(())
    }

    /// What the disk has left.
    pub(in crate::queue) fn free_bytes(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(self.folder.path()).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// Makes room by what may be lost: history first, then what consumers gave leave to drop. False if nothing may.
    fn make_room(&mut self) -> Result<bool, StoreError> {
        let Some((number, segment, end)) = self.oldest().filter(|(_, segment, _)| segment.records > 0) else {
            return Ok(false);
        };
        let holders = self.holders(end);
        if holders.iter().any(|holder| locked(holder).settings.when_full == WhenFull::Reject) {
            return Ok(false);
        }
        for holder in &holders {
            let dropped = self.give_up(holder, end)?;
            tracing::warn!(
                consumer = locked(holder).name,
                records = dropped,
                code = "dropped_oldest",
                "the queue is full: its oldest records are dropped for this consumer"
            );
        }
        if holders.is_empty() {
            self.tally.expired_history += segment.records;
        }
        if self.segments.len() == 1 {
            self.begin_segment()?;
        }
        self.give_back(number)?;
        Ok(true)
    }

    /// The oldest segment, and the first record that is not in it.
    pub(super) fn oldest(&self) -> Option<(u32, SegmentRow, u64)> {
        let mut segments = self.segments.iter();
        let (number, segment) = segments.next()?;
        let end = segments.next().map_or(self.log.next_id, |(_, next)| next.first_id);
        Some((*number, segment.clone(), end))
    }

    /// The consumers that are not done with everything before this record.
    pub(super) fn holders(&self, end: u64) -> Vec<SharedFollower> {
        let holds = |follower: &&SharedFollower| locked(follower).floor().is_some_and(|floor| floor < end);
        self.followers.values().filter(holds).map(Arc::clone).collect()
    }

    /// The consumers that must not lose anything and keep the oldest segment from being given back, with about how many
    /// bytes of it they have still to come through.
    pub(in crate::queue) fn held_up_by(&self) -> Vec<(u32, u64)> {
        let Some((_, segment, end)) = self.oldest() else { return Vec::new() };
        let rest = |holder: SharedFollower| {
            let holder = locked(&holder);
            let records = end - holder.floor().unwrap_or(end).clamp(segment.first_id, end);
            let bytes = segment.bytes / segment.records.max(1) * records;
            (holder.settings.when_full == WhenFull::Reject).then_some((holder.number, bytes))
        };
        self.holders(end).into_iter().filter_map(rest).collect()
    }

    fn has_holders(&self, end: u64) -> bool {
        self.followers.values().any(|follower| locked(follower).floor().is_some_and(|floor| floor < end))
    }

    /// Gives up, for this consumer, what lies before this record. How many records that were.
    fn give_up(&mut self, follower: &SharedFollower, end: u64) -> Result<u64, StoreError> {
        let mut dropped = 0;
        // First nobody takes them any more, then they are counted.
        let mut ahead = Vec::new();
        for lane in locked(follower).lanes.values_mut() {
            ahead.push((lane.next(), lane.end().unwrap_or(end).min(end)));
            dropped += lane.give_up_before(end).len() as u64;
        }
        for (next, lane_end) in ahead {
            dropped += self.count_for(follower, next, lane_end)?;
        }
        locked(follower).count(Fate::Dropped, dropped);
        Ok(dropped)
    }

    /// Gives a segment's place on the disk back. First it is on disk that nobody needs it any more.
    fn give_back(&mut self, number: u32) -> Result<(), StoreError> {
        let mut transaction = Transaction::default();
        transaction.remove(Table::State, segment_key(number));
        transaction.remove(Table::State, copy_key(number));
        let segment = self.segments.remove(&number);
        if let Err(error) = self.commit(transaction, true) {
            self.segments.extend(segment.map(|segment| (number, segment)));
            return Err(error);
        }
        self.reader.drop_segment(number)
    }

    fn turn_generation(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let duplicates = self.settings.duplicates;
        if duplicates.window.is_zero() {
            return Ok(());
        }
        self.reader.change(|database| {
            let latest = database.generations().next_back();
            if latest.is_none_or(|latest| seen::is_over(latest, now_ms, &duplicates)) {
                database.add_generation(now_ms.max(latest.map_or(0, |latest| latest + 1)))?;
            }
            // The one before the latest may still hold what is within the window; those before it cannot.
            let old: Vec<_> = database.generations().rev().skip(2).collect();
            old.into_iter().try_for_each(|generation| database.drop_generation(generation))
        })
    }

    /// Gives up dead letters that are too old, and the oldest of too many.
    fn expire_letters(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let limits = self.settings.dead_letters;
        let oldest_ms = now_ms.saturating_sub(millis(limits.keep));
        if self.log.letters == 0 {
            return Ok(());
        }
        // Of too many the oldest records go. A record may have waited for long before it died, so all of them are looked at
        // for their age, some at a time.
        let are_too_many = self.log.letter_bytes > limits.bytes_max;
        let letters = self.letters(if are_too_many { 0 } else { self.letters_looked_to }, LETTERS_AT_ONCE)?;
        let last = letters.last().filter(|_| letters.len() == LETTERS_AT_ONCE);
        self.letters_looked_to = last.map_or(0, |last| last.id + 1);
        let mut expired = 0;
        for letter in letters {
            // One that cannot be read says nothing of its age.
            let is_old = !letter.refusals.is_empty() && letter.refused_ms() < oldest_ms;
            if is_old || self.log.letter_bytes > limits.bytes_max {
                expired += u64::from(self.purge(letter.id)?);
            }
        }
        if expired > 0 {
            self.tally.expired_letters += expired;
            tracing::warn!(records = expired, code = "dead_letters_expired", "dead letters were too old or too many");
            self.write(false)?;
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
