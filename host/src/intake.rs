//! The sources: take records in, put them into the queue, and answer when it is known what became of them.
//!
//! ```text
//! http_server     the vendor's push                     ──┐
//! opentelemetry   log records whose body is a record    ──┤
//! file            lines of files that are followed      ──┼──▶ queue
//! stdin           lines of the standard input           ──┘
//! ```
//!
//! A source knows how its records arrive and what its sender wants to hear. What it needs of the queue is [`Append`],
//! and it is told by a receipt what became of each record: a sender over the network is answered only then, and a file
//! is read on only then. `split` finds the records in a stream of bytes, for every source alike.

pub mod file;
pub mod http_server;
pub mod opentelemetry;
pub mod split;
pub mod stdin;

mod body;
mod body_room;
mod counters;
mod postponed;
mod store;
mod syntax;
mod under_way;

#[cfg(test)]
mod double;
#[cfg(test)]
mod stage;

use crate::queue::{EmbeddedEntrance, MemoryQueue, Receipt, Refused, Settlement};
use crate::record::Record;
use std::sync::Arc;
use std::time::Duration;

pub use counters::SourceCounters;

pub(crate) use body_room::RECORD_BYTES;

/// What a source needs of a queue.
pub trait Append: Send + Sync + 'static {
    /// Tells what became of a record.
    type Receipt: Future<Output = Settlement> + Send;

    /// Whether it would take so many bytes, as far as that is known.
    ///
    /// # Errors
    /// When it holds as much as it may, or cannot write.
    fn check(&self, bytes: u64) -> Result<(), Refused>;

    /// When to come again with so many bytes that were not taken.
    fn retry_after(&self, bytes: u64) -> Duration;

    /// Takes a record in. What its sender calls the push, if it does, tells the same push again.
    ///
    /// # Errors
    /// When the queue holds as much as it may, or cannot write.
    fn append(&self, record: Record, push_id: Option<&Arc<str>>) -> Result<Self::Receipt, Refused>;
}

impl Append for MemoryQueue {
    type Receipt = Receipt;

    fn check(&self, bytes: u64) -> Result<(), Refused> {
        MemoryQueue::check(self, bytes)
    }

    fn retry_after(&self, bytes: u64) -> Duration {
        MemoryQueue::retry_after(self, bytes)
    }

    /// A push that comes again is delivered again: nothing is remembered.
    fn append(&self, record: Record, _push_id: Option<&Arc<str>>) -> Result<Receipt, Refused> {
        MemoryQueue::append(self, record)
    }
}

impl Append for EmbeddedEntrance {
    type Receipt = Receipt;

    fn check(&self, bytes: u64) -> Result<(), Refused> {
        EmbeddedEntrance::check(self, bytes)
    }

    fn retry_after(&self, bytes: u64) -> Duration {
        EmbeddedEntrance::retry_after(self, bytes)
    }

    /// What is not JSON is kept as a dead letter, and rejected: its sender can do something about it, no mapping can.
    fn append(&self, record: Record, push_id: Option<&Arc<str>>) -> Result<Receipt, Refused> {
        match syntax::check(&record.body) {
            Ok(()) => EmbeddedEntrance::append(self, record, push_id),
            Err(rejection) => self.refuse(record, push_id, rejection),
        }
    }
}
