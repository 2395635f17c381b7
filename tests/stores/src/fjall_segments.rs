//! fjall with a keyspace for each segment of the queue, dropped whole.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fjall::{Database, Keyspace, PersistMode};

use crate::files;
use crate::fjall_removed::FjallRemoved;
use crate::fjall_settings::{builder, cursor_of, number_of, options, segment_options};
use crate::meter::{self, Meter};
use crate::records::Records;
use crate::store::{INDEX_VALUE_BYTES, IndexKey, Step, Store};

const SEGMENT_BYTES: usize = 64 << 20;

pub(crate) struct FjallSegments {
    database: Database,
    /// By their first number, oldest first.
    segments: Vec<(u64, Keyspace)>,
    /// Bytes in the newest segment since it was opened; starts at its limit, so that a restart begins a new one.
    newest_bytes: usize,
    index: Keyspace,
    state: Keyspace,
    acknowledged: u64,
}

impl Store for FjallSegments {
    fn open(folder: &Path) -> Result<Self> {
        let database = builder(folder).open()?;
        let index = database.keyspace("index", options)?;
        let state = database.keyspace("state", options)?;
        let acknowledged = cursor_of(&state)?;
        let mut segments = Vec::new();
        for name in database.list_keyspace_names() {
            if let Some(first) = name.strip_prefix("segment-") {
                segments.push((first.parse()?, database.keyspace(&name, segment_options)?));
            }
        }
        segments.sort_by_key(|(first, _)| *first);
        Ok(Self { database, segments, newest_bytes: SEGMENT_BYTES, index, state, acknowledged })
    }

    fn commit(&mut self, step: &Step<'_>) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        if !step.records.is_empty() {
            if self.newest_bytes >= SEGMENT_BYTES {
                let name = format!("segment-{}", step.first);
                self.segments.push((step.first, self.database.keyspace(&name, segment_options)?));
                self.newest_bytes = 0;
            }
            let (_, newest) = self.segments.last().context("there is a segment")?;
            for (number, record) in (step.first..).zip(step.records) {
                batch.insert(newest, number.to_be_bytes(), record.as_slice());
                self.newest_bytes += record.len();
            }
        }
        for key in step.index_keys {
            batch.insert(&self.index, key.as_slice(), [0; INDEX_VALUE_BYTES]);
        }
        if step.acknowledged > self.acknowledged {
            batch.insert(&self.state, "cursor", step.acknowledged.to_be_bytes());
            self.acknowledged = step.acknowledged;
        }
        batch.commit()?;
        // After the cursor is durable: the other way round, a crash between the two would lose what was not delivered.
        while matches!(self.segments.as_slice(), [_, (next, _), ..] if *next <= self.acknowledged) {
            let (_, oldest) = self.segments.remove(0);
            self.database.delete_keyspace(oldest)?;
            // Journals hold dropped keyspaces on disk until all that they name is in tables, and the cursor, being small,
            // would never be written to one by itself.
            self.state.rotate_memtable()?;
        }
        Ok(())
    }

    fn read(&self, numbers: Range<u64>) -> Result<Vec<Vec<u8>>> {
        let mut records = Vec::new();
        let oldest = self.segments.partition_point(|(first, _)| *first <= numbers.start).saturating_sub(1);
        for (_, segment) in self.segments.iter().skip(oldest).take_while(|(first, _)| *first < numbers.end) {
            for entry in segment.range(numbers.start.to_be_bytes()..numbers.end.to_be_bytes()) {
                records.push(entry.value()?.to_vec());
            }
        }
        Ok(records)
    }

    fn was_seen(&self, key: &IndexKey) -> Result<bool> {
        Ok(self.index.contains_key(key)?)
    }

    fn waiting(&self) -> Result<Range<u64>> {
        for (_, segment) in self.segments.iter().rev() {
            if let Some(last) = segment.last_key_value() {
                return Ok(self.acknowledged..number_of(&last.key()?)? + 1);
            }
        }
        Ok(self.acknowledged..self.acknowledged)
    }

    fn log_file(folder: &Path) -> Result<PathBuf> {
        FjallRemoved::log_file(folder)
    }

    fn table_file(folder: &Path) -> Result<Option<PathBuf>> {
        FjallRemoved::table_file(folder)
    }
}

/// What keyspaces cost as such: making `count` of them with a record each, opening them again, and dropping them.
pub(crate) fn keyspaces(folder: &Path, count: u32) -> Result<()> {
    let database = builder(folder).open()?;
    let record = Records::new().get(1);
    let mut segments = Vec::new();
    let (resident, making) = (meter::resident_bytes(), Meter::start());
    for number in 0..count {
        segments.push(database.keyspace(&format!("segment-{number}"), segment_options)?);
    }
    let used = making.used();
    println!("make_ms {:.2}", used.time.as_secs_f64() * 1e3 / f64::from(count));
    println!("make_flushes {:.1}", used.flushes as f64 / f64::from(count));
    println!("resident_KiB {:.0}", (meter::resident_bytes() - resident) as f64 / 1024.0 / f64::from(count));
    for segment in &segments {
        segment.insert("record", record.as_slice())?;
        segment.rotate_memtable_and_wait()?;
    }
    database.persist(PersistMode::SyncAll)?;
    drop((segments, database));

    let opening = Meter::start();
    let database = builder(folder).open()?;
    println!("open_ms {:.2}", opening.used().time.as_secs_f64() * 1e3);

    let dropping = Meter::start();
    for number in 0..count {
        database.delete_keyspace(database.keyspace(&format!("segment-{number}"), segment_options)?)?;
    }
    let used = dropping.used();
    println!("drop_ms {:.2}", used.time.as_secs_f64() * 1e3 / f64::from(count));
    println!("drop_flushes {:.1}", used.flushes as f64 / f64::from(count));
    // A dropped keyspace goes at once; what stays is one small file for each version of the list of keyspaces.
    println!("left_files {}", files::count(folder));
    println!("left_KiB {}", files::allocated_bytes(folder) / 1024);
    drop(database);
    drop(builder(folder).open()?);
    println!("reopened_files {}", files::count(folder));
    Ok(())
}
