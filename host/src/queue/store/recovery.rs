//! Opening a store, whatever the last process left.
//!
//! | what is found | what is done |
//! |---|---|
//! | the end of the journal is torn, as after any crash | it is cut off: nobody was told that it is stored |
//! | a journal that ends too early, which the watermark, the number of records in a segment, or a later journal tells | its bytes are put into the quarantine; what is missing is counted |
//! | a journal that cannot be read | it is put into the quarantine, and the others are read |
//! | state that is older than the tables, since the library takes a damaged transaction for a later one | what is in the tables counts: records the state does not know wait for their consumers |
//! | a block of records that cannot be read | its records are counted as damaged when somebody comes to them |
//! | tables that cannot be opened | the start is refused, with the folder to move away |

use super::database::Database;
use super::folder::Folder;
use super::follower::Follower;
use super::journals;
use super::reader::Reader;
use super::rows::{ConsumerRow, LogRow, SegmentRow};
use super::seal::Seal;
use super::versions;
use super::watermark::Watermark;
use super::{CONSUMER_PREFIX, LOG_KEY, Limits, SEGMENT_PREFIX, Store, Table, Transaction};
use crate::queue::{OpenError, Settings, StoreError};
use bytes::Bytes;
use prost::Message;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What was found when a store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::queue) struct Recovered {
    /// The last process did not close the store.
    pub(in crate::queue) was_cut: bool,
    /// Records and dead letters that had been synced and are not there.
    pub(in crate::queue) lost: u64,
    /// What was put into the quarantine.
    pub(in crate::queue) quarantined: Vec<PathBuf>,
}

impl Recovered {
    /// What a person has to know, a line for each thing.
    pub(in crate::queue) fn told(&self) -> Vec<String> {
        let set_aside = |file: &PathBuf| format!("a damaged file was set aside: {}", file.display());
        let mut told: Vec<String> = self.quarantined.iter().map(set_aside).collect();
        told.extend(
            (self.lost > 0).then(|| format!("records that had been stored cannot be found any more: {}", self.lost)),
        );
        told
    }
}

/// There only while nobody has the store open, and everything in it is on disk.
const CLEAN: &str = "CLEAN";

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
        let limits = Limits::of(&settings);
        Self::open_with(folder, settings, limits, now_ms)
    }

    /// The same, with segments of another size.
    pub(super) fn open_with(
        folder: &Path,
        settings: Settings,
        limits: Limits,
        now_ms: u64,
    ) -> Result<(Self, Recovered), OpenError> {
        let folder = Folder::open(folder)?;
        let watermark = Watermark::open(folder.path())?;
        let mut recovered = Recovered::default();
        let (database, rows) = open_tables(&folder, &mut recovered)?;
        let log = rows.log.unwrap_or_else(|| LogRow { next_id: 1, ..LogRow::default() });
        let seal = Seal::new(settings.key.as_ref());
        if let Err(error) = check_key(&folder, &log, &seal) {
            // Nothing was changed, and nothing is to be looked for at the next start because of this.
            drop(database);
            journals::settle_copies(&folder, &mut recovered)?;
            if !recovered.was_cut {
                mark_clean(&folder);
            }
            return Err(error);
        }
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
            written_id: 0,
            tally: super::Tally::default(),
            unflushed_bytes: 0,
            letters_looked_to: 0,
            watermark,
            folder,
            settings,
            limits,
        };
        recovered.lost = store.prepare(now_ms).map_err(|error| damaged(store.folder.store(), &error))?;
        journals::settle_copies(&store.folder, &mut recovered)?;
        Ok((store, recovered))
    }

    /// Opens the tables again after the disk did not work. What is in memory stays as it is.
    pub(in crate::queue) fn reopen(&mut self, now_ms: u64) -> Result<Recovered, OpenError> {
        self.reader.close();
        let mut recovered = Recovered::default();
        let (database, rows) = open_tables(&self.folder, &mut recovered)?;
        let on_disk = rows.log.map_or(0, |log| log.next_id);
        recovered.lost = self.watermark.value().saturating_sub(on_disk);
        let first_ids = rows.segments.iter().map(|(number, segment)| (segment.first_id, *number)).collect();
        self.segments = rows.segments;
        self.reader.open(database, first_ids);
        recovered.lost += self.prepare(now_ms).map_err(|error| damaged(self.folder.store(), &error))?;
        journals::settle_copies(&self.folder, &mut recovered)?;
        Ok(recovered)
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
    journals::copy(folder)?;
    if let Err(error) = fs::remove_file(&clean)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(OpenError::io("remove", &clean)(error));
    }
    let first = match attempt(&store) {
        Ok(opened) => return Ok(opened),
        Err(reason) => reason,
    };
    for journal in journals::all(&store) {
        let aside = journals::unused(&folder.quarantine().join(journals::name_of(&journal)), "unreadable");
        // An empty one takes its place: without any journal the library would count its transactions from the beginning,
        // and take those that come for older than what is in the tables.
        let set_aside = fs::rename(&journal, &aside).and_then(|()| File::create(&journal));
        set_aside.map_err(OpenError::io("set aside", &journal))?;
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
    versions::check(store)?;
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
