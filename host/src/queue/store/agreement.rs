//! Makes what the state says and what the tables hold agree, after a crash or damage. The tables count: state may be older
//! than they are, since the library takes a transaction whose number is damaged for a later one.

use super::database::Database;
use super::follower::Fate;
use super::reader::{id_of, is_damage};
use super::rows::SegmentRow;
use super::{Store, Table, id_key, locked, segment_key};
use crate::queue::StoreError;
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeSet;

impl Store {
    /// Tables that have to be there are there afterwards, and those that are left over from a crash are not. How many
    /// records are missing that were synced.
    pub(super) fn prepare(&mut self, now_ms: u64) -> Result<u64, StoreError> {
        self.settle_strays(now_ms)?;
        let missing: Vec<(u32, u64)> = self.reader.with(|database| {
            let there: Vec<u32> = database.segments().collect();
            let segments = self.segments.iter().filter(|(number, _)| !there.contains(number));
            Ok(segments.map(|(number, segment)| (*number, segment.first_id)).collect())
        })?;
        for (number, first_id) in missing {
            self.reader.add_segment(number, first_id)?;
        }
        if self.segments.is_empty() {
            self.begin_segment()?;
        }
        if let Some(key_id) = self.reader.seal().key_id() {
            self.log.key_id = Bytes::copy_from_slice(&key_id);
        }
        // A number that is given twice would have a new consumer take another one's deliveries for its own.
        let numbers = self.followers.values().map(|follower| locked(follower).number.saturating_add(1));
        self.log.next_consumer = numbers.fold(self.log.next_consumer, u32::max);
        let (missing, unknown) = self.compare_segments(now_ms)?;
        let (passed, found) = self.pass_ids()?;
        let mut lost = missing + passed;
        match self.count_letters() {
            Ok((letters, bytes)) => {
                lost += self.log.letters.saturating_sub(letters);
                (self.log.letters, self.log.letter_bytes) = (letters, bytes);
            }
            Err(error) if is_damage(&error) => {
                tracing::error!(%error, code = "letters_damaged", "dead letters cannot be read");
            }
            Err(error) => return Err(error),
        }
        if lost > 0 || unknown > 0 || found > 0 {
            self.count_waiting()?;
        }
        self.keep_house(now_ms)?;
        self.write(true)?;
        Ok(lost)
    }

    /// Records that a segment is said to hold and does not, and those that it holds and is not said to. From now on it is
    /// said what is there.
    fn compare_segments(&mut self, now_ms: u64) -> Result<(u64, u64), StoreError> {
        let (mut missing, mut unknown) = (0, 0);
        let numbers: Vec<u32> = self.segments.keys().copied().collect();
        for number in numbers {
            let records = self.reader.with(|database| Ok(database.count(number)))?;
            let Some(segment) = self.segments.get_mut(&number) else { continue };
            if records < segment.records {
                missing += segment.records - records;
                segment.records = records;
            } else if records > segment.records {
                let known = segment.records;
                *segment = self.reader.with(|database| measured(database, number, segment, now_ms))?;
                unknown += segment.records.saturating_sub(known);
            } else {
                continue;
            }
            self.pending.put(Table::State, segment_key(number), segment.encode_to_vec());
        }
        Ok((missing, unknown))
    }

    /// Consumers wait for what is there: what was missing is damaged for them, and what they did not know of is received.
    fn count_waiting(&mut self) -> Result<(), StoreError> {
        for follower in self.followers.values() {
            let mut following = locked(follower);
            let mut lanes = std::mem::take(&mut following.lanes);
            let mut waiting = 0;
            for lane in lanes.values_mut() {
                let mut open = BTreeSet::new();
                let mut next = lane.floor();
                let end = lane.end().unwrap_or(self.log.next_id);
                while next < end {
                    let stretch = self.reader.stretch(next, end, 256, 4 * 1024 * 1024)?;
                    let entries = stretch.entries.iter().filter(|entry| following.takes(entry)).map(|entry| entry.id);
                    for id in entries.chain(stretch.damaged) {
                        if lane.is_open(id) {
                            open.insert(id);
                        }
                        waiting += u64::from(lane.is_open(id) || id >= lane.next());
                    }
                    next = stretch.next.max(next + 1);
                }
                let gone: Vec<u64> = lane.open().filter(|id| !open.contains(id)).collect();
                for id in gone {
                    lane.settle(id);
                }
            }
            following.lanes = lanes;
            let known = following.waiting();
            following.count(Fate::Damaged, known.saturating_sub(waiting));
            following.counts.received += waiting.saturating_sub(known);
        }
        Ok(())
    }

    /// A segment that the state does not know: one that was given back goes. One that is newer than all that are known
    /// lost its row with the end of a journal, and its records are there: it stays.
    fn settle_strays(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let stray: Vec<(u32, u64)> = self.reader.with(|database| {
            let stray = database.segments().filter(|number| !self.segments.contains_key(number));
            Ok(stray.map(|number| (number, database.count(number))).collect())
        })?;
        let last = self.segments.last_key_value().map(|(number, _)| *number);
        for (number, records) in stray {
            if records == 0 || last.is_some_and(|last| number < last) {
                self.reader.drop_segment(number)?;
                continue;
            }
            let segment = self.reader.with(|database| measured(database, number, &SegmentRow::default(), now_ms))?;
            self.reader.know_segment(number, segment.first_id);
            self.segments.insert(number, segment);
        }
        Ok(())
    }

    /// Ids that were given are not given again, whatever was lost of the state. Records that the state does not know and
    /// that are there all the same are delivered. How many are missing that were synced, and how many of those are there.
    fn pass_ids(&mut self) -> Result<(u64, u64), StoreError> {
        let known = self.log.next_id;
        // A block that cannot be read says nothing here.
        let after_last = |table| self.reader.with(|database| Ok(database.last_key(table).ok().flatten()));
        let last_segment = self.segments.keys().next_back().copied().unwrap_or(0);
        for last in [after_last(Table::Letters)?, after_last(Table::Records(last_segment))?] {
            let next = last.and_then(|key| id_of(&key)).map_or(0, |id| id + 1);
            self.log.next_id = self.log.next_id.max(next);
        }
        self.log.next_id = self.log.next_id.max(self.watermark.value());
        if self.log.next_id == known {
            return Ok((0, 0));
        }
        let mut letters = BTreeSet::new();
        self.reader.with(|database| {
            let ids =
                database.rows(Table::Letters, &id_key(known)).map_while(Result::ok).filter_map(|(key, _)| id_of(&key));
            letters.extend(ids);
            Ok(())
        })?;
        let mut found = 0;
        self.reader.each(known, self.log.next_id, &mut |entry| {
            found += 1;
            letters.remove(&entry.id);
        })?;
        let there = found + letters.len() as u64;
        Ok((self.watermark.value().saturating_sub(known).saturating_sub(there), found))
    }
}

/// A segment as its table has it: what is known of it, and what can be read.
fn measured(database: &Database, number: u32, known: &SegmentRow, now_ms: u64) -> Result<SegmentRow, StoreError> {
    let mut measured = SegmentRow { records: 0, bytes: 0, last_ms: now_ms, ..known.clone() };
    for row in database.rows(Table::Records(number), b"") {
        match row {
            Ok((key, row)) => {
                if measured.first_id == 0 {
                    measured.first_id = id_of(&key).unwrap_or(0);
                }
                measured.records += 1;
                measured.bytes += row.len() as u64;
            }
            // Those that cannot be read are there as well.
            Err(error) if is_damage(&error) => {
                measured.records = database.count(number);
                break;
            }
            Err(error) => return Err(error),
        }
    }
    if known.records == 0 {
        measured.first_ms = now_ms;
    }
    Ok(measured)
}
