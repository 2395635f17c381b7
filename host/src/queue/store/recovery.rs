//! Opening a store, whatever the last process left.
//!
//! | what is found | what is done |
//! |---|---|
//! | the end of the journal is torn, as after any crash | it is cut off: nobody was told that it is stored |
//! | a journal that ends too early, which the watermark tells | its bytes are put into the quarantine; what is missing is counted |
//! | a journal that cannot be read | it is put into the quarantine, and the others are read |
//! | a block of records that cannot be read | its records are counted as damaged when somebody comes to them |
//! | tables that cannot be opened | the start is refused, with the folder to move away |

use super::database::Database;
use super::folder::Folder;
use super::follower::Follower;
use super::reader::Reader;
use super::rows::{ConsumerRow, LogRow, SegmentRow};
use super::seal::Seal;
use super::watermark::Watermark;
use super::{CONSUMER_PREFIX, LOG_KEY, SEGMENT_PREFIX, Store, Table, Transaction};
use crate::queue::{OpenError, Settings, StoreError};
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::queue) struct Recovered {
    /// The last process did not close the store.
    pub(in crate::queue) was_cut: bool,
    /// Records that had been synced and are not there.
    pub(in crate::queue) lost: u64,
    /// What was put into the quarantine.
    pub(in crate::queue) quarantined: Vec<PathBuf>,
}

/// There only while nobody has the store open, and everything in it is on disk.
const CLEAN: &str = "CLEAN";
const JOURNAL: &str = "jnl";

impl Store {
    /// Opens the store in this folder, or makes one.
    ///
    /// # Errors
    /// When the folder cannot be used, or the store in it is damaged beyond what can be set aside.
    pub(in crate::queue) fn open(
        folder: &Path,
        settings: Settings,
        now_ms: u64,
    ) -> Result<(Self, Recovered), OpenError> {
        let folder = Folder::open(folder)?;
        let mut watermark = Watermark::open(folder.path())?;
        let mut recovered = Recovered::default();
        let (database, rows) = open_tables(&folder, &mut recovered)?;
        let log = rows.log.unwrap_or_else(|| LogRow { next_id: 1, ..LogRow::default() });
        recovered.lost = watermark.value().saturating_sub(log.next_id);
        settle_copies(&folder, &mut recovered)?;

        let seal = Seal::new(settings.key.as_ref());
        check_key(&folder, &log, &seal)?;
        let first_ids = rows.segments.iter().map(|(number, segment)| (segment.first_id, *number)).collect();
        let followers = rows.consumers.into_iter().map(|(name, row)| {
            let follower = Follower::of_row(&name, row);
            (name, Arc::new(Mutex::new(follower)))
        });
        let reader = Reader::new(seal, settings.duplicates);
        reader.open(database, first_ids);
        let mut store = Store {
            reader,
            log,
            segments: rows.segments,
            followers: followers.collect(),
            pending: Transaction::default(),
            is_unsynced: false,
            tally: super::Tally::default(),
            unflushed_bytes: 0,
            watermark: Watermark::open(folder.path())?,
            folder,
            settings,
        };
        store.prepare(now_ms).map_err(|error| damaged(store.folder.store(), &error))?;
        watermark.set(store.log.next_id);
        Ok((store, recovered))
    }

    /// Opens the tables again after the disk did not work. What is in memory stays as it is.
    pub(in crate::queue) fn reopen(&mut self, now_ms: u64) -> Result<Recovered, OpenError> {
        self.reader.close();
        let mut recovered = Recovered::default();
        let (database, rows) = open_tables(&self.folder, &mut recovered)?;
        settle_copies(&self.folder, &mut recovered)?;
        // A transaction that was told to have failed may have succeeded: its records are there, and are delivered.
        if let Some(log) = rows.log.filter(|log| log.next_id > self.log.next_id) {
            self.log = log;
            for (name, row) in rows.consumers {
                if let Some(follower) = self.followers.get(&name) {
                    let mut follower = super::locked(follower);
                    let counts = row.counts.unwrap_or_default();
                    follower.counts.received = follower.counts.received.max(counts.received);
                }
            }
        }
        let first_ids = rows.segments.iter().map(|(number, segment)| (segment.first_id, *number)).collect();
        self.segments = rows.segments;
        self.reader.open(database, first_ids);
        self.prepare(now_ms).map_err(|error| damaged(self.folder.store(), &error))?;
        Ok(recovered)
    }

    /// Tables that have to be there are there afterwards, and those that are left over from a crash are not.
    fn prepare(&mut self, now_ms: u64) -> Result<(), StoreError> {
        let stray: Vec<u32> = self
            .reader
            .with(|database| Ok(database.segments().filter(|number| !self.segments.contains_key(number)).collect()))?;
        for number in stray {
            self.reader.drop_segment(number)?;
        }
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
        self.keep_house(now_ms)?;
        self.write(true)
    }
}

/// Nothing has to be looked for at the next start.
pub(super) fn mark_clean(folder: &Folder) {
    let marked = fs::write(folder.path().join(CLEAN), b"");
    if let Err(error) = marked {
        tracing::debug!(%error, "failed to note that the queue was closed");
    }
}

/// What stands in the state's table.
#[derive(Default)]
struct State {
    log: Option<LogRow>,
    segments: BTreeMap<u32, SegmentRow>,
    consumers: BTreeMap<String, ConsumerRow>,
}

/// Opens the tables. A journal that cannot be read is set aside, and so is a copy of each that may turn out to be cut.
fn open_tables(folder: &Folder, recovered: &mut Recovered) -> Result<(Database, State), OpenError> {
    let store = folder.store();
    let clean = folder.path().join(CLEAN);
    recovered.was_cut = store.exists() && !clean.exists();
    if recovered.was_cut {
        copy_journals(folder)?;
    }
    if let Err(error) = fs::remove_file(&clean)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(OpenError::io("remove", &clean)(error));
    }
    let first = match attempt(&store) {
        Ok(opened) => return Ok(opened),
        Err(reason) => reason,
    };
    for journal in journals(&store) {
        let aside = folder.quarantine().join(name_of(&journal));
        fs::rename(&journal, &aside).map_err(OpenError::io("set aside", &journal))?;
        match attempt(&store) {
            Ok(opened) => {
                tracing::error!(file = %aside.display(), code = "journal_damaged", "a journal cannot be read and was set aside");
                recovered.quarantined.push(aside);
                return Ok(opened);
            }
            Err(_) => fs::rename(&aside, &journal).map_err(OpenError::io("put back", &journal))?,
        }
    }
    Err(OpenError::Damaged { store, reason: first })
}

/// Opens the tables and reads the state; a reason why not. The library may panic over bytes that it did not write.
fn attempt(store: &Path) -> Result<(Database, State), String> {
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let database = Database::open(store).map_err(|error| error.to_string())?;
        let state = state(&database).map_err(|error| error.to_string())?;
        Ok((database, state))
    }));
    opened.unwrap_or_else(|_| Err("its files contradict each other".to_owned()))
}

fn state(database: &Database) -> Result<State, StoreError> {
    let mut state = State::default();
    for row in database.rows(Table::State, b"") {
        let (key, row) = row?;
        let name = String::from_utf8_lossy(&key);
        if &*key == LOG_KEY {
            state.log = Some(decode(row)?);
        } else if let Some(number) = name.strip_prefix(SEGMENT_PREFIX).and_then(|number| number.parse().ok()) {
            state.segments.insert(number, decode(row)?);
        } else if let Some(name) = name.strip_prefix(CONSUMER_PREFIX) {
            state.consumers.insert(name.to_owned(), decode(row)?);
        }
    }
    Ok(state)
}

fn decode<M: Message + Default>(row: Bytes) -> Result<M, StoreError> {
    let undecodable = || StoreError::Read(fjall::Error::Io(std::io::ErrorKind::InvalidData.into()));
    M::decode(row).map_err(|_| undecodable())
}

/// A journal is cut where it cannot be read; until it is known whether anything was lost, a copy is kept.
fn copy_journals(folder: &Folder) -> Result<(), OpenError> {
    for journal in journals(&folder.store()) {
        let copy = folder.quarantine().join(format!("{}.copy", name_of(&journal)));
        fs::copy(&journal, &copy).map_err(OpenError::io("copy", &journal))?;
    }
    Ok(())
}

/// Keeps the copies if something was lost, and removes them otherwise.
fn settle_copies(folder: &Folder, recovered: &mut Recovered) -> Result<(), OpenError> {
    let quarantine = folder.quarantine();
    let listed = fs::read_dir(&quarantine).map_err(OpenError::io("list", &quarantine))?;
    for copy in listed.flatten().map(|file| file.path()) {
        if copy.extension().is_none_or(|extension| extension != "copy") {
            continue;
        }
        if recovered.lost > 0 {
            let kept = copy.with_extension(format!("lost-{}", std::process::id()));
            fs::rename(&copy, &kept).map_err(OpenError::io("keep", &copy))?;
            recovered.quarantined.push(kept);
        } else {
            fs::remove_file(&copy).map_err(OpenError::io("remove", &copy))?;
        }
    }
    Ok(())
}

/// Newest first: the last one to be written to is the first to be damaged.
fn journals(store: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(store).into_iter().flatten().flatten().map(|file| file.path());
    let mut journals: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|it| it == JOURNAL)).collect();
    let number = |path: &PathBuf| path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
    journals.sort_by_key(|path| std::cmp::Reverse(number(path)));
    journals
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn damaged(store: PathBuf, error: &StoreError) -> OpenError {
    OpenError::Damaged { store, reason: error.to_string() }
}

/// What was encrypted can be read with its key alone: that is to be known at the start, not record by record.
fn check_key(folder: &Folder, log: &LogRow, seal: &Seal) -> Result<(), OpenError> {
    if log.key_id.is_empty() {
        return Ok(());
    }
    let with = match seal.key_id() {
        Some(key_id) if log.key_id == key_id.as_slice() => return Ok(()),
        Some(_) => "with another key",
        None => "and no key is configured",
    };
    Err(OpenError::Key { folder: folder.path().to_owned(), with })
}
