//! fjall with one keyspace for all records, removed one by one.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fjall::{Database, Keyspace, PersistMode};

use crate::files;
use crate::fjall_settings::{builder, cursor_of, number_of, options};
use crate::store::{INDEX_VALUE_BYTES, IndexKey, Step, Store};

pub(crate) struct FjallRemoved {
    database: Database,
    records: Keyspace,
    index: Keyspace,
    state: Keyspace,
    acknowledged: u64,
}

impl Store for FjallRemoved {
    fn open(folder: &Path) -> Result<Self> {
        let database = builder(folder).open()?;
        let records = database.keyspace("records", options)?;
        let index = database.keyspace("index", options)?;
        let state = database.keyspace("state", options)?;
        let acknowledged = cursor_of(&state)?;
        Ok(Self { database, records, index, state, acknowledged })
    }

    fn commit(&mut self, step: &Step<'_>) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for (number, record) in (step.first..).zip(step.records) {
            batch.insert(&self.records, number.to_be_bytes(), record.as_slice());
        }
        for key in step.index_keys {
            batch.insert(&self.index, key.as_slice(), [0; INDEX_VALUE_BYTES]);
        }
        if step.acknowledged > self.acknowledged {
            for number in self.acknowledged..step.acknowledged {
                batch.remove(&self.records, number.to_be_bytes());
            }
            batch.insert(&self.state, "cursor", step.acknowledged.to_be_bytes());
            self.acknowledged = step.acknowledged;
        }
        Ok(batch.commit()?)
    }

    fn read(&self, numbers: Range<u64>) -> Result<Vec<Vec<u8>>> {
        let range = self.records.range(numbers.start.to_be_bytes()..numbers.end.to_be_bytes());
        range.map(|entry| Ok(entry.value()?.to_vec())).collect()
    }

    fn was_seen(&self, key: &IndexKey) -> Result<bool> {
        Ok(self.index.contains_key(key)?)
    }

    fn waiting(&self) -> Result<Range<u64>> {
        // From the cursor on: looking for the first key would walk over every tombstone that was not compacted away.
        let last = self.records.range(self.acknowledged.to_be_bytes()..).next_back();
        let end = last.map(|entry| anyhow::Ok(number_of(&entry.key()?)? + 1)).transpose()?;
        Ok(self.acknowledged..end.unwrap_or(self.acknowledged))
    }

    fn log_file(folder: &Path) -> Result<PathBuf> {
        files::newest_with(folder, |path| path.extension().is_some_and(|extension| extension == "jnl"))
    }

    fn table_file(folder: &Path) -> Result<Option<PathBuf>> {
        files::largest_with(folder, |path| path.parent().is_some_and(|parent| parent.ends_with("tables")))
    }
}
