//! The tables, on fjall: a log-structured store with one journal for all tables, so that one transaction can change
//! several of them and one fsync makes it last.
//!
//! Records lie in segments, each a table of its own that is dropped whole, so that giving back a record costs nothing. A
//! segment that every consumer is done with before its memory is full was never written anywhere but to the journal.

mod files;

use super::recent::{self, Pair, RECENT_MAX, Recent};
use super::seen::{Generation, Short};
use crate::queue::StoreError;
use bytes::Bytes;
use fjall::compaction::{Fifo, Leveled};
use fjall::config::{BlockSizePolicy, BloomConstructionPolicy, FilterPolicy, FilterPolicyEntry, PinningPolicy};
use fjall::{AbstractTree as _, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(in crate::queue) use files::Journal;
pub(super) use files::copy_key;

/// A table of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Table {
    State,
    Letters,
    LetterBodies,
    /// The segment of this number.
    Records(u32),
}

/// Changes that are made together or not at all.
#[derive(Clone, Default)]
pub(in crate::queue) struct Transaction {
    rows: Vec<(Table, Bytes, Option<Bytes>)>,
    fingerprints: Vec<Pair>,
}

pub(in crate::queue) struct Database {
    folder: PathBuf,
    inner: fjall::Database,
    state: Keyspace,
    letters: Keyspace,
    letter_bodies: Keyspace,
    segments: BTreeMap<u32, Keyspace>,
    seen: BTreeMap<Generation, Keyspace>,
    /// Fingerprints that are in no generation yet, and the table of their rows.
    recent: Recent,
    recent_rows: Keyspace,
}

const MIB: u64 = 1024 * 1024;
/// What a table of records holds in memory before it is written to a file of its own.
const RECORDS_MEMORY: u64 = 14 * MIB;
const OTHER_MEMORY: u64 = 4 * MIB;
const CACHE: u64 = 8 * MIB;
/// While a file of fingerprints is made, a hash of each is in memory.
const FINGERPRINT_FILE: u64 = 16 * MIB;
/// So many new files of fingerprints are merged at a time. They are hashes, so each merge rewrites a whole level: four files of
/// 16 K each took 13 µs of CPU for a record once a million were known, eight of 28 K 5 to 10, sixteen take 3, and to look into
/// so many more files takes 2 at most.
const FINGERPRINT_FILES_MERGED: u8 = 16;
const JOURNALS: u64 = 128 * MIB;
/// With more than one, the library's first passes work around in circles while the others are busy.
const WORKERS: usize = 1;
const RECORDS_PREFIX: &str = "records-";
const SEEN_PREFIX: &str = "seen-";

impl Transaction {
    pub(in crate::queue) fn put(&mut self, table: Table, key: impl Into<Bytes>, row: impl Into<Bytes>) {
        self.rows.push((table, key.into(), Some(row.into())));
    }

    pub(in crate::queue) fn remove(&mut self, table: Table, key: impl Into<Bytes>) {
        self.rows.push((table, key.into(), None));
    }

    /// What is to be remembered under a fingerprint.
    pub(in crate::queue) fn remember(&mut self, fingerprint: Short, row: Short) {
        self.fingerprints.push((fingerprint, row));
    }

    /// Whether something is to be.
    pub(in crate::queue) fn remembers(&self, fingerprint: &Short) -> bool {
        self.fingerprints.iter().any(|(known, _)| known == fingerprint)
    }

    /// What becomes of a row: Some(None) if it is removed, None if nothing does.
    pub(in crate::queue) fn get(&self, table: Table, key: &[u8]) -> Option<Option<Bytes>> {
        let change = self.rows.iter().rev().find(|(known, known_key, _)| *known == table && known_key == key);
        change.map(|(_, _, row)| row.clone())
    }

    /// The keys of a table's rows that change.
    pub(in crate::queue) fn keys(&self, table: Table) -> impl Iterator<Item = &[u8]> {
        self.rows.iter().filter(move |(known, ..)| *known == table).map(|(_, key, _)| &**key)
    }

    /// Adds the changes of another one, which keeps them.
    pub(in crate::queue) fn append(&mut self, other: &Transaction) {
        self.rows.extend_from_slice(&other.rows);
        self.fingerprints.extend_from_slice(&other.fingerprints);
    }
}

impl Database {
    /// Opens the tables in this folder, or makes them.
    pub(in crate::queue) fn open(folder: &Path) -> fjall::Result<Self> {
        if folder.exists() && !folder.join("version").exists() {
            // One whose creation was cut short can never be opened again. Nothing can have been stored in it, unless there
            // is a table.
            if folder.join("keyspaces/1").exists() {
                return Err(fjall::Error::InvalidVersion(None));
            }
            fs::remove_dir_all(folder)?;
        }
        let inner = fjall::Database::builder(folder)
            .cache_size(CACHE)
            .max_journaling_size(JOURNALS)
            .worker_threads(WORKERS)
            .manual_journal_persist(true)
            .open()?;
        let table = |name: &str| inner.keyspace(name, || small(FilterPolicy::disabled()));
        let (state, letters, letter_bodies) = (table("state")?, table("letters")?, table("letter-bodies")?);
        let (recent, recent_rows) = (Recent::default(), table("recent")?);
        for row in recent_rows.iter() {
            // What cannot be read is forgotten: at worst a record is delivered twice.
            let Ok((key, row)) = row.into_inner() else { break };
            recent.load(key.as_ref().try_into().map_or(0, u64::from_be_bytes), &row);
        }
        let (mut segments, mut seen) = (BTreeMap::new(), BTreeMap::new());
        for name in inner.list_keyspace_names() {
            if let Some((number, copy)) = files::segment_and_copy(&name) {
                let table = inner.keyspace(&name, records)?;
                if copy == files::current_copy(&state, number)? {
                    segments.insert(number, table);
                } else {
                    // A copy that was not finished, or the one before it.
                    inner.delete_keyspace(table)?;
                }
            } else if *name == *files::PADDING {
                inner.delete_keyspace(inner.keyspace(&name, records)?)?;
            } else if let Some(generation) = name.strip_prefix(SEEN_PREFIX).and_then(|number| number.parse().ok()) {
                seen.insert(generation, inner.keyspace(&name, fingerprints)?);
            }
        }
        if let Some(parent) = folder.parent() {
            File::open(parent)?.sync_all()?;
        }
        let folder = folder.to_owned();
        let database = Database { folder, inner, state, letters, letter_bodies, segments, seen, recent, recent_rows };
        database.sync_names()?;
        Ok(database)
    }

    /// Has the names of the tables on disk: the library leaves that to the file system, which need not do it.
    fn sync_names(&self) -> fjall::Result<()> {
        Ok(File::open(self.folder.join("keyspaces"))?.sync_all()?)
    }

    /// Makes these changes; with `sync` they are on disk afterwards.
    pub(in crate::queue) fn commit(&self, transaction: Transaction, sync: bool) -> Result<(), StoreError> {
        let mode = if sync { PersistMode::SyncData } else { PersistMode::Buffer };
        let mut batch = self.inner.batch().durability(Some(mode));
        let Transaction { rows, fingerprints } = transaction;
        for (table, key, row) in rows {
            let table = match (self.table(table), table) {
                (Some(table), _) => table,
                (None, Table::Records(_)) => return Err(StoreError::Closed),
                (None, _) => continue,
            };
            match row {
                Some(row) => batch.insert(table, key, row),
                None => batch.remove(table, key),
            }
        }
        if fingerprints.is_empty() {
            return batch.commit().map_err(StoreError::Write);
        }
        batch.insert(&self.recent_rows, self.recent.next().to_be_bytes(), recent::encode(&fingerprints));
        batch.commit().map_err(StoreError::Write)?;
        self.recent.add(fingerprints);
        Ok(())
    }

    /// Has fingerprints written to their generation when there are many of them.
    pub(in crate::queue) fn settle_recent(&self) -> Result<(), StoreError> {
        let Some(generation) = self.seen.values().next_back().filter(|_| self.recent.len() >= RECENT_MAX) else {
            return Ok(());
        };
        let (sorted, transactions) = self.recent.sorted();
        let write = || {
            let mut table = generation.start_ingestion()?;
            for (key, row) in sorted {
                table.write(Bytes::copy_from_slice(&key), Bytes::copy_from_slice(&row))?;
            }
            table.finish()?;
            // Should they be there still after a crash, nothing is lost by that.
            let mut batch = self.inner.batch().durability(Some(PersistMode::Buffer));
            transactions.for_each(|number| batch.remove(&self.recent_rows, number.to_be_bytes()));
            batch.commit()
        };
        write().map_err(StoreError::Write)?;
        self.recent.clear();
        Ok(())
    }

    /// Everything that was committed is on disk afterwards.
    pub(in crate::queue) fn sync(&self) -> Result<(), StoreError> {
        self.inner.persist(PersistMode::SyncData).map_err(StoreError::Write)
    }

    pub(in crate::queue) fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let Some(table) = self.table(table) else { return Ok(None) };
        Ok(table.get(key).map_err(StoreError::Read)?.map(Bytes::from))
    }

    /// The rows of a table from this key on, in the order of their keys.
    pub(in crate::queue) fn rows(
        &self,
        table: Table,
        from: &[u8],
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), StoreError>> + use<> {
        self.table(table).map(|table| table.range(from..)).into_iter().flatten().map(pair)
    }

    /// The same up to another key. Of a table of many files those alone are looked at that may hold one of the rows.
    pub(in crate::queue) fn rows_between(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
    ) -> impl Iterator<Item = Result<(Bytes, Bytes), StoreError>> + use<> {
        self.table(table).map(|table| table.range(from..to)).into_iter().flatten().map(pair)
    }

    /// The last key of a table.
    pub(in crate::queue) fn last_key(&self, table: Table) -> Result<Option<Bytes>, StoreError> {
        let last = self.table(table).and_then(Keyspace::last_key_value);
        last.map(|last| last.key().map(Bytes::from).map_err(StoreError::Read)).transpose()
    }

    /// How many records a segment holds. Each is written once, so this counts them without reading them.
    pub(in crate::queue) fn count(&self, number: u32) -> u64 {
        self.segments.get(&number).map_or(0, |table| table.approximate_len() as u64)
    }

    /// What is remembered under this fingerprint, in any generation.
    pub(in crate::queue) fn seen(&self, fingerprint: &[u8]) -> Result<Option<Short>, StoreError> {
        if let Some(row) = self.recent.get(fingerprint) {
            return Ok(Some(row));
        }
        for generation in self.seen.values().rev() {
            if let Some(row) = generation.get(fingerprint).map_err(StoreError::Read)? {
                return Ok(Some(Short::from_slice(&row)));
            }
        }
        Ok(None)
    }

    pub(in crate::queue) fn segments(&self) -> impl Iterator<Item = u32> + '_ {
        self.segments.keys().copied()
    }

    pub(in crate::queue) fn generations(&self) -> impl DoubleEndedIterator<Item = Generation> + '_ {
        self.seen.keys().copied()
    }

    pub(in crate::queue) fn add_segment(&mut self, number: u32) -> Result<(), StoreError> {
        let name = format!("{RECORDS_PREFIX}{number}");
        let table = self.inner.keyspace(&name, records).map_err(StoreError::Write)?;
        self.segments.insert(number, table);
        self.sync_names().map_err(StoreError::Write)
    }

    /// Gives a segment's place on the disk back.
    pub(in crate::queue) fn drop_segment(&mut self, number: u32) -> Result<(), StoreError> {
        let Some(table) = self.segments.remove(&number) else { return Ok(()) };
        // A journal keeps hold of every table that it has records of, and the table of what it has in memory.
        table.tree.clear_active_memtable();
        self.inner.delete_keyspace(table).map_err(StoreError::Write)
    }

    pub(in crate::queue) fn add_generation(&mut self, generation: Generation) -> Result<(), StoreError> {
        let table = self.inner.keyspace(&format!("{SEEN_PREFIX}{generation}"), fingerprints);
        self.seen.insert(generation, table.map_err(StoreError::Write)?);
        self.sync_names().map_err(StoreError::Write)
    }

    pub(in crate::queue) fn drop_generation(&mut self, generation: Generation) -> Result<(), StoreError> {
        let Some(table) = self.seen.remove(&generation) else { return Ok(()) };
        self.inner.delete_keyspace(table).map_err(StoreError::Write)
    }

    /// Has what is in memory written to files, so that journals can go. Records are written when they fill their memory;
    /// those that are done with by then are not written at all.
    pub(in crate::queue) fn flush(&self) -> Result<(), StoreError> {
        let tables = [&self.state, &self.letters, &self.letter_bodies, &self.recent_rows];
        for table in tables.into_iter().chain(self.seen.values()) {
            table.rotate_memtable().map_err(StoreError::Write)?;
        }
        Ok(())
    }

    /// The same with the records of one segment.
    pub(in crate::queue) fn flush_segment(&self, number: u32) -> Result<(), StoreError> {
        let Some(table) = self.segments.get(&number) else { return Ok(()) };
        table.rotate_memtable().map(drop).map_err(StoreError::Write)
    }

    /// Rewrites a table without what was removed from it.
    pub(in crate::queue) fn compact(&self, table: Table) -> Result<(), StoreError> {
        let Some(table) = self.table(table) else { return Ok(()) };
        table.rotate_memtable_and_wait().and_then(|()| table.major_compact()).map_err(StoreError::Write)
    }

    /// Bytes on disk, journals included.
    pub(in crate::queue) fn disk_space(&self) -> u64 {
        self.inner.disk_space().unwrap_or(0)
    }

    fn table(&self, table: Table) -> Option<&Keyspace> {
        match table {
            Table::State => Some(&self.state),
            Table::Letters => Some(&self.letters),
            Table::LetterBodies => Some(&self.letter_bodies),
            Table::Records(number) => self.segments.get(&number),
        }
    }
}

fn pair(row: fjall::Guard) -> Result<(Bytes, Bytes), StoreError> {
    let (key, row) = row.into_inner().map_err(StoreError::Read)?;
    Ok((Bytes::from(key), Bytes::from(row)))
}

/// Read from beginning to end: large blocks, and nothing to tell whether a key is there.
fn records() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(RECORDS_MEMORY)
        .data_block_size_policy(BlockSizePolicy::all(32 * 1024))
        .filter_policy(FilterPolicy::disabled())
        // Nothing is ever changed in it, so there is nothing to merge.
        .compaction_strategy(Arc::new(Fifo::new(u64::MAX, None)))
}

/// Asked for keys of which nearly none is there.
fn fingerprints() -> KeyspaceCreateOptions {
    // What tells that a key is not there stays in memory: reading it anew for each key costs far more than the answer.
    small(FilterPolicy::all(FilterPolicyEntry::Bloom(BloomConstructionPolicy::BitsPerKey(10.0))))
        .filter_block_pinning_policy(PinningPolicy::all(true))
        .index_block_pinning_policy(PinningPolicy::all(true))
        .compaction_strategy(Arc::new(
            Leveled::default().with_table_target_size(FINGERPRINT_FILE).with_l0_threshold(FINGERPRINT_FILES_MERGED),
        ))
}

fn small(filter: FilterPolicy) -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(OTHER_MEMORY).filter_policy(filter)
}
