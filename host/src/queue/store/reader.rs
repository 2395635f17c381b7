//! Reads records from the tables, while the store is written to by another thread.

use super::database::{Database, Table};
use super::entry::Entry;
use super::id_key;
use super::rows::RecordRow;
use super::seal::{CannotOpen, Seal};
use super::seen::{self, Short, TraceIdentity};
use crate::queue::{DuplicateSettings, StoreError};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The table name that a record's seal knows, whichever segment it lies in.
pub(super) const RECORDS: &str = "records";

/// How many ids are looked for at a time.
const WINDOW: u64 = 1024;

/// Clones read the same tables.
#[derive(Clone)]
pub(in crate::queue) struct Reader {
    shelves: Arc<RwLock<Shelves>>,
    seal: Seal,
    duplicates: DuplicateSettings,
}

/// What is open now.
#[derive(Default)]
struct Shelves {
    /// None while the disk does not work.
    database: Option<Database>,
    /// The segments by their first record.
    segments: BTreeMap<u64, u32>,
}

/// A piece of the log.
#[derive(Debug, Default)]
pub(in crate::queue) struct Stretch {
    pub(in crate::queue) entries: Vec<Entry>,
    /// Where the next one begins.
    pub(in crate::queue) next: u64,
    /// Records in it that cannot be read.
    pub(in crate::queue) damaged: Vec<u64>,
}

impl Reader {
    pub(super) fn new(seal: Seal, duplicates: DuplicateSettings) -> Self {
        Reader { shelves: Arc::default(), seal, duplicates }
    }

    pub(in crate::queue) fn duplicates(&self) -> &DuplicateSettings {
        &self.duplicates
    }

    /// The digest of the record that became this trace, if it was delivered to the consumer of this number within the
    /// window.
    pub(in crate::queue) fn delivered(
        &self,
        consumer: u32,
        identity: &TraceIdentity,
        now_ms: u64,
    ) -> Result<Option<Bytes>, StoreError> {
        if self.duplicates.window.is_zero() {
            return Ok(None);
        }
        let row = self.seen(&seen::of_trace(consumer, identity))?;
        Ok(row.and_then(|row| seen::within_window(&row, now_ms, &self.duplicates)).map(|row| row.digest))
    }

    pub(super) fn seal(&self) -> &Seal {
        &self.seal
    }

    /// These tables are read from now on.
    pub(super) fn open(&self, database: Database, segments: BTreeMap<u64, u32>) {
        *self.shelves.write().unwrap_or_else(PoisonError::into_inner) = Shelves { database: Some(database), segments };
    }

    /// Nothing can be read from now on.
    pub(super) fn close(&self) {
        let shelves = std::mem::take(&mut *self.shelves.write().unwrap_or_else(PoisonError::into_inner));
        // Not under the lock: it waits for the store's own threads.
        drop(shelves);
    }

    /// Does something with the tables.
    pub(super) fn with<T>(&self, act: impl FnOnce(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        act(shelves.database.as_ref().ok_or(StoreError::Closed)?)
    }

    pub(super) fn add_segment(&self, number: u32, first_id: u64) -> Result<(), StoreError> {
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        shelves.database.as_mut().ok_or(StoreError::Closed)?.add_segment(number)?;
        shelves.segments.insert(first_id, number);
        Ok(())
    }

    /// The records of a segment that is there are read from now on.
    pub(super) fn know_segment(&self, number: u32, first_id: u64) {
        self.shelves.write().unwrap_or_else(PoisonError::into_inner).segments.insert(first_id, number);
    }

    pub(super) fn drop_segment(&self, number: u32) -> Result<(), StoreError> {
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        shelves.segments.retain(|_, known| *known != number);
        shelves.database.as_mut().ok_or(StoreError::Closed)?.drop_segment(number)
    }

    pub(super) fn change<T>(&self, act: impl FnOnce(&mut Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        act(shelves.database.as_mut().ok_or(StoreError::Closed)?)
    }

    /// Records from this one on and before that one, as many as fit into these limits, at least one if there is one.
    ///
    /// # Errors
    /// When the store is closed, or the disk does not work.
    pub(in crate::queue) fn stretch(
        &self,
        from: u64,
        end: u64,
        records_max: usize,
        bytes_max: u64,
    ) -> Result<Stretch, StoreError> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        let database = shelves.database.as_ref().ok_or(StoreError::Closed)?;
        let mut stretch = Stretch { next: from, ..Stretch::default() };
        let mut bytes = 0;
        while stretch.next < end {
            let found = shelves.segments.range(..=stretch.next).next_back();
            let Some((_, number)) = found.or_else(|| shelves.segments.range(stretch.next..).next()) else { break };
            let segment_end = shelves.segments.range(stretch.next + 1..).next().map_or(end, |(next, _)| end.min(*next));
            let table = Table::Records(*number);
            // Beginning to read costs as much as there are files that may hold what is asked for.
            let window_end = segment_end.min(stretch.next.saturating_add(WINDOW));
            let mut rows = database.rows_between(table, &id_key(stretch.next), &id_key(window_end));
            let is_enough = loop {
                match rows.next() {
                    None => break false,
                    Some(Ok((key, row))) => {
                        let Some(id) = id_of(&key) else { continue };
                        self.read(id, &row, &mut stretch);
                        stretch.next = id + 1;
                        bytes += row.len() as u64;
                        if stretch.entries.len() >= records_max || bytes >= bytes_max {
                            break true;
                        }
                    }
                    Some(Err(error)) if is_damage(&error) => {
                        self.read_singly(database, table, window_end, &mut stretch)?;
                        break false;
                    }
                    Some(Err(error)) => return Err(error),
                }
            };
            if is_enough {
                return Ok(stretch);
            }
            stretch.next = window_end;
        }
        stretch.next = stretch.next.max(from);
        Ok(stretch)
    }

    /// Every record from this one on and before that one.
    pub(super) fn each(&self, from: u64, end: u64, act: &mut dyn FnMut(Entry)) -> Result<(), StoreError> {
        let mut next = from;
        while next < end {
            let stretch = self.stretch(next, end, 256, 4 * 1024 * 1024)?;
            if stretch.next <= next {
                break;
            }
            next = stretch.next;
            stretch.entries.into_iter().for_each(&mut *act);
        }
        Ok(())
    }

    /// What is remembered under this fingerprint.
    pub(super) fn seen(&self, fingerprint: &[u8]) -> Result<Option<Short>, StoreError> {
        self.with(|database| database.seen(fingerprint))
    }

    fn read(&self, id: u64, row: &Bytes, stretch: &mut Stretch) {
        match self.seal.open::<RecordRow>(RECORDS, id, row) {
            Ok(row) => stretch.entries.push(Entry::of_row(id, row)),
            Err(CannotOpen::Damaged | CannotOpen::NoKey | CannotOpen::OtherKey) => stretch.damaged.push(id),
        }
    }

    /// A block cannot be read: what is not in it can.
    fn read_singly(
        &self,
        database: &Database,
        table: Table,
        end: u64,
        stretch: &mut Stretch,
    ) -> Result<(), StoreError> {
        for id in stretch.next..end {
            match database.get(table, &id_key(id)) {
                Ok(Some(row)) => self.read(id, &row, stretch),
                Ok(None) => {}
                Err(error) if is_damage(&error) => stretch.damaged.push(id),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

pub(super) fn id_of(key: &[u8]) -> Option<u64> {
    key.try_into().ok().map(u64::from_be_bytes)
}

/// Whether bytes on the disk are not what they were, rather than out of reach.
pub(super) fn is_damage(error: &StoreError) -> bool {
    match error {
        StoreError::Read(fjall::Error::Storage(fjall::LsmError::Io(_)) | fjall::Error::Io(_)) => false,
        StoreError::Read(_) => true,
        StoreError::Write(_) | StoreError::Closed => false,
    }
}
