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
use super::follower::{Fate, Follower};
use super::journals;
use super::reader::{Reader, id_of, is_damage};
use super::rows::{ConsumerRow, LogRow, SegmentRow};
use super::seal::Seal;
use super::versions;
use super::watermark::Watermark;
use super::{CONSUMER_PREFIX, LOG_KEY, Limits, SEGMENT_PREFIX, Store, Table, Transaction, id_key, segment_key};
use crate::queue::{OpenError, Settings, StoreError};
use bytes::Bytes;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
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

    /// Tables that have to be there are there afterwards, and those that are left over from a crash are not. How many
    /// records are missing that were synced.
    fn prepare(&mut self, now_ms: u64) -> Result<u64, StoreError> {
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
        let numbers = self.followers.values().map(|follower| super::locked(follower).number + 1);
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
            let mut following = super::locked(follower);
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
