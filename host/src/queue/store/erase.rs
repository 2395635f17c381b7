//! Records of somebody who is to be forgotten are taken out: from the log, from the dead letters, and from the files.
//!
//! It is done in steps, each of which takes a moment, so that the store can do other things between them: first each
//! segment is looked through and copied without what is found, then the dead letters, then the journals and the files
//! of the dead letters. What comes in after the first step is not looked at.
//!
//! What stays: fingerprints, which are hashes, until their window is over; and files in the quarantine.

use super::database::{self, Journal, Table, Transaction};
use super::follower::{Fate, LaneNumber};
use super::{Entry, SharedFollower, Store, id_key, locked, segment_key};
use crate::queue::StoreError;
use crate::record::Record;
use prost::Message as _;
use serde::{Deserialize, Serialize};

/// What one step has erased, or found where nothing is to be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Records that waited for at least one consumer.
    pub waiting: u64,
    /// Records that every consumer was done with.
    pub history: u64,
    pub dead_letters: u64,
    /// Records and dead letters that cannot be read, so that nobody knows what they hold.
    pub unreadable: u64,
    /// Files that still may hold something of it: old journals, dead letters too many to be written anew.
    pub files: u64,
}

/// Where the next step goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "part", rename_all = "snake_case")]
pub enum Place {
    /// Looking through the log.
    Log { next: u64, end: u64, found: Vec<u64> },
    /// Copying a segment without what was found; the log is looked through from `then` on.
    Copy { segment: u32, next: u64, found: Vec<u64>, then: u64, end: u64 },
    /// Looking through the dead letters.
    Letters { next: u64, end: u64 },
    /// Filling a journal, so that these go.
    Journals { old: Vec<Journal>, filled: u64 },
}

/// Whether somebody waits for the store to do other things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Pace {
    Brisk,
    Thorough,
}

/// What is looked at in one go.
const RECORDS_AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: u64 = 8 * 1024 * 1024;
const LETTERS_AT_ONCE: usize = 500;
/// A segment is copied once for so many records that are found in it.
const FOUND_AT_ONCE: usize = 10_000;
/// More dead letters are not written anew while the store has other things to do.
const LETTER_BYTES_BRISK: u64 = 64 * 1024 * 1024;

impl Store {
    /// Makes one step; with `dry_run` it only counts. To be called with the place that it gives, until it gives none; the
    /// counts add up. What was taken out and is under way may still be delivered.
    ///
    /// # Errors
    /// When the store cannot be read or written. The steps before were made.
    pub(in crate::queue) fn erase(
        &mut self,
        is_meant: &dyn Fn(&Record) -> bool,
        place: Option<Place>,
        dry_run: bool,
        pace: Pace,
    ) -> Result<(Erased, Option<Place>), StoreError> {
        let oldest = self.segments.values().next().map_or(self.log.next_id, |segment| segment.first_id);
        match place.unwrap_or(Place::Log { next: oldest, end: self.log.next_id, found: Vec::new() }) {
            Place::Log { next, end, found } => self.look_through(is_meant, next, end, found, dry_run),
            Place::Copy { segment, next, found, then, end } => self.copy_without(segment, next, found, then, end),
            Place::Letters { next, end } => self.erase_letters(is_meant, next, end, dry_run),
            Place::Journals { old, filled } => self.clean_files(old, filled, pace),
        }
    }

    fn look_through(
        &mut self,
        is_meant: &dyn Fn(&Record) -> bool,
        next: u64,
        end: u64,
        mut found: Vec<u64>,
        dry_run: bool,
    ) -> Result<(Erased, Option<Place>), StoreError> {
        let mut erased = Erased::default();
        if next >= end {
            return Ok((erased, Some(Place::Letters { next: 0, end: self.log.next_id })));
        }
        let ends = self.segments.values().map(|segment| segment.first_id).find(|first_id| *first_id > next);
        let segment_end = ends.map_or(end, |first_id| first_id.min(end));
        let stretch = self.reader.stretch(next, segment_end, RECORDS_AT_ONCE, BYTES_AT_ONCE)?;
        erased.unreadable += stretch.damaged.len() as u64;
        for entry in stretch.entries.iter().filter(|entry| is_meant(&entry.record)) {
            if dry_run {
                erased.add(!self.holders_of(entry).is_empty());
            } else {
                found.push(entry.id);
            }
        }
        let next = if stretch.next > next { stretch.next } else { segment_end };
        let is_over = next >= segment_end || found.len() >= FOUND_AT_ONCE;
        if found.is_empty() || !is_over {
            return Ok((erased, Some(Place::Log { next, end, found })));
        }
        let first = found.first().copied().unwrap_or(next);
        let number =
            self.segments.iter().rev().find(|(_, segment)| segment.first_id <= first).map(|(number, _)| *number);
        let Some(segment) = number else {
            return Ok((erased, Some(Place::Log { next, end, found: Vec::new() })));
        };
        if self.segments.last_key_value().is_some_and(|(last, _)| *last == segment) {
            self.begin_segment()?;
        }
        self.reader.with(|database| database.begin_copy(segment))?;
        Ok((erased, Some(Place::Copy { segment, next: 0, found, then: next, end })))
    }

    fn copy_without(
        &mut self,
        segment: u32,
        next: u64,
        found: Vec<u64>,
        then: u64,
        end: u64,
    ) -> Result<(Erased, Option<Place>), StoreError> {
        let on = Place::Log { next: then, end, found: Vec::new() };
        if !self.segments.contains_key(&segment) {
            // Everybody was done with it.
            self.reader.with(|database| database.give_up_copy(segment))?;
            let history = found.len() as u64;
            return Ok((Erased { history, ..Erased::default() }, Some(on)));
        }
        let copied_to = self.reader.with(|database| {
            let (mut kept, mut bytes, mut copied_to) = (Vec::new(), 0, None);
            for row in database.rows(Table::Records(segment), &id_key(next)) {
                let (key, row) = row?;
                let Some(id) = super::reader::id_of(&key) else { continue };
                bytes += row.len() as u64;
                if found.binary_search(&id).is_err() {
                    kept.push((key, row));
                }
                if kept.len() >= RECORDS_AT_ONCE || bytes >= BYTES_AT_ONCE {
                    copied_to = Some(id + 1);
                    break;
                }
            }
            database.add_to_copy(segment, kept)?;
            Ok(copied_to)
        })?;
        if let Some(next) = copied_to {
            return Ok((Erased::default(), Some(Place::Copy { segment, next, found, then, end })));
        }
        Ok((self.replace_segment(segment, &found)?, Some(on)))
    }

    /// The copy takes the segment's place, and nobody waits for what is not in it any more.
    fn replace_segment(&mut self, number: u32, found: &[u64]) -> Result<Erased, StoreError> {
        let Some(mut segment) = self.segments.get(&number).cloned() else { return Ok(Erased::default()) };
        let (mut erased, mut settled) = (Erased::default(), Vec::new());
        for id in found {
            let stretch = self.reader.stretch(*id, id + 1, 1, u64::MAX)?;
            let Some(entry) = stretch.entries.first() else { continue };
            let holders = self.holders_of(entry);
            erased.add(!holders.is_empty());
            segment.records = segment.records.saturating_sub(1);
            segment.bytes = segment.bytes.saturating_sub(entry.bytes());
            for (follower, lane) in holders {
                let mut following = locked(&follower);
                let was_open = following.settle(lane, *id, Fate::Erased);
                if !was_open {
                    following.count(Fate::Erased, 1);
                }
                drop(following);
                settled.push((follower, lane, *id, was_open));
            }
        }
        let mut transaction = Transaction::default();
        transaction.put(Table::State, segment_key(number), segment.encode_to_vec());
        let transaction = self.completed(transaction);
        if let Err(error) = self.reader.change(|database| database.finish_copy(number, transaction)) {
            for (follower, lane, id, was_open) in settled {
                let mut following = locked(&follower);
                following.counts.erased -= 1;
                if let Some(lane) = following.lanes.get_mut(&lane).filter(|_| was_open) {
                    lane.take(id);
                }
            }
            return Err(error);
        }
        self.is_committed(true);
        self.segments.insert(number, segment);
        Ok(erased)
    }

    /// The ways on which a record still is to be delivered, or under way.
    fn holders_of(&self, entry: &Entry) -> Vec<(SharedFollower, LaneNumber)> {
        let mut holders = Vec::new();
        for follower in self.followers.values() {
            let following = locked(follower);
            for (number, lane) in following.lanes.iter().filter(|_| following.takes(entry)) {
                let is_ahead = lane.next() <= entry.id && lane.end().is_none_or(|end| entry.id < end);
                if is_ahead || lane.open().any(|id| id == entry.id) {
                    holders.push((SharedFollower::clone(follower), *number));
                }
            }
        }
        holders
    }

    fn erase_letters(
        &mut self,
        is_meant: &dyn Fn(&Record) -> bool,
        from: u64,
        end: u64,
        dry_run: bool,
    ) -> Result<(Erased, Option<Place>), StoreError> {
        self.write(false)?;
        let (mut erased, mut bytes, mut next) = (Erased::default(), 0, None);
        for letter in self.letters(from, LETTERS_AT_ONCE)?.into_iter().take_while(|letter| letter.id < end) {
            next = Some(letter.id + 1);
            match self.letter(letter.id)? {
                Some((_, record)) if is_meant(&record) => {
                    erased.dead_letters += 1;
                    if !dry_run {
                        self.purge(letter.id)?;
                    }
                }
                Some(_) => {}
                None => erased.unreadable += 1,
            }
            bytes += letter.body_bytes;
            if bytes >= BYTES_AT_ONCE {
                break;
            }
        }
        if erased.dead_letters > 0 && !dry_run {
            self.write(true)?;
        }
        let place = match next {
            Some(next) => Some(Place::Letters { next, end }),
            None if dry_run => None,
            None => {
                let old = self.reader.with(|database| Ok(database.journals()))?;
                Some(Place::Journals { old, filled: 0 })
            }
        };
        Ok((erased, place))
    }

    fn clean_files(
        &mut self,
        old: Vec<Journal>,
        mut filled: u64,
        pace: Pace,
    ) -> Result<(Erased, Option<Place>), StoreError> {
        if !self.reader.with(|database| database.fill_journal(&mut filled))? {
            return Ok((Erased::default(), Some(Place::Journals { old, filled })));
        }
        // Something has to be written to files for the library to begin another journal.
        self.write(true)?;
        let letters = if pace == Pace::Thorough || self.log.letter_bytes <= LETTER_BYTES_BRISK { 0 } else { 1 };
        let journals = self.reader.with(|database| database.give_up_journals(&old))?;
        if letters == 0 {
            self.let_go()?;
            self.reader.with(|database| {
                database.compact(Table::Letters)?;
                database.compact(Table::LetterBodies)
            })?;
            self.let_go()?;
        }
        Ok((Erased { files: journals as u64 + letters, ..Erased::default() }, None))
    }

    /// The library keeps what was removed, and files that were written anew, until a table is written to a file.
    fn let_go(&mut self) -> Result<(), StoreError> {
        self.write(false)?;
        self.reader.with(database::Database::flush)
    }
}

impl Erased {
    /// One more record.
    fn add(&mut self, is_waiting: bool) {
        *(if is_waiting { &mut self.waiting } else { &mut self.history }) += 1;
    }
}

impl std::ops::AddAssign for Erased {
    fn add_assign(&mut self, other: Self) {
        let Erased { waiting, history, dead_letters, unreadable, files } = other;
        self.waiting += waiting;
        self.history += history;
        self.dead_letters += dead_letters;
        self.unreadable += unreadable;
        self.files += files;
    }
}
