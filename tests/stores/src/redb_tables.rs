//! redb with a table of records, removed as they are acknowledged.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use crate::store::{INDEX_VALUE_BYTES, IndexKey, Step, Store};

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
const INDEX: TableDefinition<'_, &IndexKey, &[u8; INDEX_VALUE_BYTES]> = TableDefinition::new("index");
const STATE: TableDefinition<'_, &str, u64> = TableDefinition::new("state");
const FILE: &str = "queue.redb";

/// With quick repair, each commit saves the state of the allocator, and opening after a crash does not walk the file; it
/// is that walk which finds damaged pages, as reading does not verify them.
pub(crate) struct RedbTables<const QUICK_REPAIR: bool> {
    database: Database,
    acknowledged: u64,
}

impl<const QUICK_REPAIR: bool> Store for RedbTables<QUICK_REPAIR> {
    fn open(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let database = Database::builder().set_cache_size(16 << 20).create(folder.join(FILE))?;
        let write = database.begin_write()?;
        write.open_table(RECORDS)?;
        write.open_table(INDEX)?;
        let acknowledged = write.open_table(STATE)?.get("cursor")?.map_or(1, |cursor| cursor.value());
        write.commit()?;
        Ok(Self { database, acknowledged })
    }

    fn commit(&mut self, step: &Step<'_>) -> Result<()> {
        let mut write = self.database.begin_write()?;
        write.set_quick_repair(QUICK_REPAIR);
        {
            let mut records = write.open_table(RECORDS)?;
            for (number, record) in (step.first..).zip(step.records) {
                records.insert(number, record.as_slice())?;
            }
            if step.acknowledged > self.acknowledged {
                for number in self.acknowledged..step.acknowledged {
                    records.remove(number)?;
                }
                write.open_table(STATE)?.insert("cursor", step.acknowledged)?;
                self.acknowledged = step.acknowledged;
            }
        }
        if !step.index_keys.is_empty() {
            let mut index = write.open_table(INDEX)?;
            for key in step.index_keys {
                index.insert(key, &[0; INDEX_VALUE_BYTES])?;
            }
        }
        Ok(write.commit()?)
    }

    fn read(&self, numbers: Range<u64>) -> Result<Vec<Vec<u8>>> {
        let records = self.database.begin_read()?.open_table(RECORDS)?;
        records.range(numbers)?.map(|entry| Ok(entry?.1.value().to_vec())).collect()
    }

    fn was_seen(&self, key: &IndexKey) -> Result<bool> {
        Ok(self.database.begin_read()?.open_table(INDEX)?.get(key)?.is_some())
    }

    fn waiting(&self) -> Result<Range<u64>> {
        let last = self.database.begin_read()?.open_table(RECORDS)?.last()?.map(|(number, _)| number.value());
        Ok(self.acknowledged..last.map_or(self.acknowledged, |last| last + 1))
    }

    fn log_file(folder: &Path) -> Result<PathBuf> {
        Ok(folder.join(FILE))
    }

    fn table_file(_: &Path) -> Result<Option<PathBuf>> {
        Ok(None)
    }
}
