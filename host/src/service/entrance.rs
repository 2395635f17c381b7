//! Where a source puts its records: into memory, or onto the disk.

use crate::intake::Append;
use crate::queue::{EmbeddedEntrance, MemoryQueue, Receipt, Refused};
use crate::record::Record;
use std::sync::Arc;
use std::time::Duration;

pub(super) enum Entrance {
    Memory(MemoryQueue),
    Disk(EmbeddedEntrance),
}

impl Append for Entrance {
    type Receipt = Receipt;

    fn check(&self, bytes: u64) -> Result<(), Refused> {
        match self {
            Self::Memory(queue) => queue.check(bytes),
            Self::Disk(queue) => queue.check(bytes),
        }
    }

    fn retry_after(&self, bytes: u64) -> Duration {
        match self {
            Self::Memory(queue) => queue.retry_after(bytes),
            Self::Disk(queue) => queue.retry_after(bytes),
        }
    }

    fn append(&self, record: Record, push_id: Option<&Arc<str>>) -> Result<Receipt, Refused> {
        match self {
            Self::Memory(queue) => Append::append(queue, record, push_id),
            Self::Disk(queue) => Append::append(queue, record, push_id),
        }
    }
}
