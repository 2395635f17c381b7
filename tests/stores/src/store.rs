//! What a store has to do for a durable queue; each contestant is one implementation.

use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;

pub(crate) type IndexKey = [u8; 32];
pub(crate) const INDEX_VALUE_BYTES: usize = 40;

/// One durable step of the queue. Acknowledgements ride along with the next append, as a queue would do it: losing one
/// in a crash means a repeated delivery, never a lost record, so that it need not wait for a flush of its own.
#[derive(Default)]
pub(crate) struct Step<'a> {
    /// The number of the first appended record.
    pub(crate) first: u64,
    pub(crate) records: &'a [Vec<u8>],
    /// A key for each record in the index of those seen before, or none.
    pub(crate) index_keys: &'a [IndexKey],
    /// Records below this number are done with.
    pub(crate) acknowledged: u64,
}

pub(crate) trait Store: Sized {
    fn open(folder: &Path) -> Result<Self>;

    /// Returns when everything in the step would survive a power cut.
    fn commit(&mut self, step: &Step<'_>) -> Result<()>;

    /// The records with these numbers, in order; fewer if the store has fewer.
    fn read(&self, numbers: Range<u64>) -> Result<Vec<Vec<u8>>>;

    fn was_seen(&self, key: &IndexKey) -> Result<bool>;

    /// The numbers that wait, as the store knows them after opening.
    fn waiting(&self) -> Result<Range<u64>>;

    /// The file that the last commits went to, for damaging it.
    fn log_file(folder: &Path) -> Result<PathBuf>;

    /// The file that older records were moved to, if the store moves them.
    fn table_file(folder: &Path) -> Result<Option<PathBuf>>;
}
