//! The settings that both uses of fjall share.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use fjall::compaction::Fifo;
use fjall::{Database, DatabaseBuilder, Keyspace, KeyspaceCreateOptions};

const MEMTABLE_BYTES: u64 = 8 << 20;

/// Compression is off because the library is built without it.
pub(crate) fn builder(folder: &Path) -> DatabaseBuilder<Database> {
    Database::builder(folder)
        .cache_size(8 << 20)
        .max_journaling_size(128 << 20)
        .worker_threads(2)
        // A commit says itself how durable it has to be.
        .manual_journal_persist(true)
}

pub(crate) fn options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
}

/// A segment is dropped whole, so that merging its tables would be wasted: first-in-first-out never merges, and its
/// limit is one that a segment never comes to.
pub(crate) fn segment_options() -> KeyspaceCreateOptions {
    options().compaction_strategy(Arc::new(Fifo::new(u64::MAX, None)))
}

/// Numbers begin with 1.
pub(crate) fn cursor_of(state: &Keyspace) -> Result<u64> {
    state.get("cursor")?.map_or(Ok(1), |bytes| number_of(&bytes))
}

pub(crate) fn number_of(key: &[u8]) -> Result<u64> {
    Ok(u64::from_be_bytes(key.try_into()?))
}
