//! Takes what was removed out of the files too: the library only ever adds to them, so that what is gone from the tables
//! stays in the files until they are written anew.
//!
//! | where it stays | how it goes |
//! |---|---|
//! | a segment | the records that are kept are copied into a table of its own, which takes the segment's place in one transaction; the old table is dropped |
//! | the other tables | they are compacted |
//! | journals | a journal goes when another one was begun and everything in it was written to tables. The library begins one when the last is full, so it is filled |
//!
//! Rows are not removed from a segment: its compaction does not merge, and takes it for granted that keys only rise.

use super::{Database, MIB, RECORDS_PREFIX, Table, Transaction, records};
use crate::queue::StoreError;
use bytes::Bytes;
use fjall::{Keyspace, KeyspaceCreateOptions};
use std::fs;
use std::time::{Duration, Instant};

/// What fills a journal lies in this table, for as long as that takes.
pub(super) const PADDING: &str = "padding";
/// The library begins a new journal when more than 64,000,000 bytes are in the last one.
const JOURNAL_BYTES: u64 = 64 * MIB;
const PADDING_BYTES: usize = 8 * 1024 * 1024;
/// How long the library may take to write what is in memory to files.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
const FLUSH_LOOK: Duration = Duration::from_millis(10);

/// The number of a journal, which rises.
pub(in crate::queue) type Journal = u64;

/// Names the copy that counts.
pub(in crate::queue::store) fn copy_key(number: u32) -> Vec<u8> {
    format!("copy/{number:010}").into_bytes()
}

/// What a table of records is called: the number of its segment, and which copy of it this is.
pub(super) fn segment_and_copy(name: &str) -> Option<(u32, u32)> {
    let name = name.strip_prefix(RECORDS_PREFIX)?;
    let (number, copy) = name.split_once('.').unwrap_or((name, "0"));
    Some((number.parse().ok()?, copy.parse().ok()?))
}

/// The copy of a segment that counts.
pub(super) fn current_copy(state: &Keyspace, number: u32) -> fjall::Result<u32> {
    let row = state.get(copy_key(number))?;
    Ok(row.and_then(|row| Some(u32::from_be_bytes(row.as_ref().try_into().ok()?))).unwrap_or(0))
}

impl Database {
    /// Begins to copy a segment. One that was begun before is forgotten.
    pub(in crate::queue::store) fn begin_copy(&self, number: u32) -> Result<(), StoreError> {
        self.give_up_copy(number)?;
        self.copy(number).map_err(StoreError::Write)?;
        self.sync_names().map_err(StoreError::Write)
    }

    /// Forgets a copy that was begun.
    pub(in crate::queue::store) fn give_up_copy(&self, number: u32) -> Result<(), StoreError> {
        let delete = || {
            let is_there = self.inner.keyspace_exists(&self.copy_name(number)?);
            if is_there { self.inner.delete_keyspace(self.copy(number)?) } else { Ok(()) }
        };
        delete().map_err(StoreError::Write)
    }

    /// Adds rows to a copy that was begun.
    pub(in crate::queue::store) fn add_to_copy(
        &self,
        number: u32,
        rows: Vec<(Bytes, Bytes)>,
    ) -> Result<(), StoreError> {
        let add = || {
            let copy = self.copy(number)?;
            let mut batch = self.inner.batch();
            rows.into_iter().for_each(|(key, row)| batch.insert(&copy, key, row));
            batch.commit()
        };
        add().map_err(StoreError::Write)
    }

    /// Has the copy take the place of its segment, in one transaction with these changes, which is on disk afterwards.
    pub(in crate::queue::store) fn finish_copy(
        &mut self,
        number: u32,
        mut transaction: Transaction,
    ) -> Result<(), StoreError> {
        let copy = self.copy(number).map_err(StoreError::Write)?;
        let which = self.next_copy(number).map_err(StoreError::Write)?;
        transaction.put(Table::State, copy_key(number), which.to_be_bytes().to_vec());
        self.commit(transaction, true)?;
        match self.segments.insert(number, copy) {
            Some(before) => self.inner.delete_keyspace(before).map_err(StoreError::Write),
            None => Ok(()),
        }
    }

    /// The journals there are.
    pub(in crate::queue::store) fn journals(&self) -> Vec<Journal> {
        let files = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let number = |name: &str| name.strip_suffix(".jnl")?.parse().ok();
        files.filter_map(|file| number(file.file_name().to_str()?)).collect()
    }

    /// Writes something into the journal that nobody needs. True when it is full.
    pub(in crate::queue::store) fn fill_journal(&self, so_far: &mut u64) -> Result<bool, StoreError> {
        let fill = || {
            // It must not be written to files: it is dropped first.
            let options =
                || KeyspaceCreateOptions::default().max_memtable_size(JOURNAL_BYTES).manual_journal_persist(true);
            let padding = self.inner.keyspace(PADDING, options)?;
            padding.insert("padding", vec![0; PADDING_BYTES])?;
            self.inner.delete_keyspace(padding)
        };
        fill().map_err(StoreError::Write)?;
        *so_far += PADDING_BYTES as u64;
        Ok(*so_far >= JOURNAL_BYTES)
    }

    /// Has everything that is in memory written to files, and waits a moment for these journals to go. How many stay.
    pub(in crate::queue::store) fn give_up_journals(&self, journals: &[Journal]) -> Result<usize, StoreError> {
        let remaining = || self.journals().iter().filter(|journal| journals.contains(journal)).count();
        let begun = Instant::now();
        loop {
            let tables = [&self.state, &self.letters, &self.letter_bodies];
            for table in
                tables.into_iter().chain([&self.recent_rows]).chain(self.seen.values()).chain(self.segments.values())
            {
                table.rotate_memtable().map_err(StoreError::Write)?;
            }
            let remaining = remaining();
            if remaining == 0 || begun.elapsed() >= FLUSH_PATIENCE {
                return Ok(remaining);
            }
            std::thread::sleep(FLUSH_LOOK);
        }
    }

    fn next_copy(&self, number: u32) -> fjall::Result<u32> {
        Ok(current_copy(&self.state, number)? + 1)
    }

    fn copy_name(&self, number: u32) -> fjall::Result<String> {
        Ok(format!("{RECORDS_PREFIX}{number}.{}", self.next_copy(number)?))
    }

    fn copy(&self, number: u32) -> fjall::Result<Keyspace> {
        self.inner.keyspace(&self.copy_name(number)?, records)
    }
}
