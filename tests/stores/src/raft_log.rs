//! raft-engine with one region whose entries are the records, compacted up to the cursor.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use protobuf::well_known_types::BytesValue;
use raft_engine::{Command, Config, Engine, LogBatch, MessageExt, ReadableSize};

use crate::files;
use crate::records::RECORD_BYTES;
use crate::store::{INDEX_VALUE_BYTES, IndexKey, Step, Store};

const QUEUE: u64 = 1;
/// A region of its own. The library holds all its values in memory, and writes them anew when their log is purged.
const INDEX: u64 = 2;
const FILE_BYTES: ReadableSize = ReadableSize::mb(64);

/// An entry has to know its number, so that it stands in front of the record.
struct Numbered;

impl MessageExt for Numbered {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry.value.first_chunk().map_or(0, |number| u64::from_be_bytes(*number))
    }
}

pub(crate) struct RaftLog {
    engine: Engine,
    acknowledged: u64,
    given_back: u64,
}

impl Store for RaftLog {
    fn open(folder: &Path) -> Result<Self> {
        let engine = Engine::open(Config {
            dir: folder.to_str().context("the folder is UTF-8")?.to_owned(),
            batch_compression_threshold: ReadableSize(0),
            target_file_size: FILE_BYTES,
            purge_threshold: FILE_BYTES,
            // Recycled files keep their space.
            enable_log_recycle: false,
            ..Config::default()
        })?;
        let cursor =
            engine.get(QUEUE, b"cursor").map(|bytes| anyhow::Ok(u64::from_be_bytes(bytes.as_slice().try_into()?)));
        let acknowledged = cursor.transpose()?.unwrap_or(1);
        Ok(Self { engine, acknowledged, given_back: acknowledged })
    }

    fn commit(&mut self, step: &Step<'_>) -> Result<()> {
        let mut batch = LogBatch::default();
        let entries = (step.first..).zip(step.records).map(|(number, record)| {
            let mut entry = BytesValue::new();
            entry.value = [&number.to_be_bytes(), record.as_slice()].concat();
            entry
        });
        let entries: Vec<_> = entries.collect();
        if !entries.is_empty() {
            batch.add_entries::<Numbered>(QUEUE, &entries)?;
        }
        for key in step.index_keys {
            batch.put(INDEX, key.to_vec(), vec![0; INDEX_VALUE_BYTES])?;
        }
        if step.acknowledged > self.acknowledged {
            batch.add_command(QUEUE, Command::Compact { index: step.acknowledged });
            batch.put(QUEUE, b"cursor".to_vec(), step.acknowledged.to_be_bytes().to_vec())?;
            self.acknowledged = step.acknowledged;
        }
        self.engine.write(&mut batch, true)?;
        // Not at every step: each call that finds a region with many old entries brings it closer to having them
        // rewritten, as one that does not compact.
        let done_bytes = (self.acknowledged - self.given_back) * RECORD_BYTES as u64;
        if done_bytes > FILE_BYTES.0 {
            self.engine.purge_expired_files()?;
            self.given_back = self.acknowledged;
        }
        Ok(())
    }

    fn read(&self, numbers: Range<u64>) -> Result<Vec<Vec<u8>>> {
        let waiting = self.waiting()?;
        let numbers = numbers.start.max(waiting.start)..numbers.end.min(waiting.end);
        let mut entries = Vec::new();
        if !numbers.is_empty() {
            self.engine.fetch_entries_to::<Numbered>(QUEUE, numbers.start, numbers.end, None, &mut entries)?;
        }
        Ok(entries.into_iter().map(|mut entry| entry.value.split_off(size_of::<u64>())).collect())
    }

    fn was_seen(&self, key: &IndexKey) -> Result<bool> {
        Ok(self.engine.get(INDEX, key).is_some())
    }

    fn waiting(&self) -> Result<Range<u64>> {
        let end = self.engine.last_index(QUEUE).map_or(self.acknowledged, |last| last + 1);
        Ok(self.acknowledged..end)
    }

    fn log_file(folder: &Path) -> Result<PathBuf> {
        files::newest_with(folder, |path| path.extension().is_some_and(|extension| extension == "raftlog"))
    }

    fn table_file(_: &Path) -> Result<Option<PathBuf>> {
        Ok(None)
    }
}
