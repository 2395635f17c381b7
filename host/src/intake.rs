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
mod counters;
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

pub use counters::SourceCounters;

/// What a source needs of a queue.
pub trait Append: Send + Sync + 'static {
    /// Tells what became of a record.
    type Receipt: Future<Output = Settlement> + Send;

    /// Takes a record in. What its sender calls the push, if it does, tells the same push again.
    ///
    /// # Errors
    /// When the queue holds as much as it may, or cannot write.
    fn append(&self, record: Record, push_id: Option<&Arc<str>>) -> Result<Self::Receipt, Refused>;
}

impl Append for MemoryQueue {
    type Receipt = Receipt;

    /// A push that comes again is delivered again: nothing is remembered.
    fn append(&self, record: Record, _push_id: Option<&Arc<str>>) -> Result<Receipt, Refused> {
        MemoryQueue::append(self, record)
    }
}

impl Append for EmbeddedEntrance {
    type Receipt = Receipt;

    /// What is not JSON is kept as a dead letter, and rejected: its sender can do something about it, no mapping can.
    fn append(&self, record: Record, push_id: Option<&Arc<str>>) -> Result<Receipt, Refused> {
        match syntax::check(&record.body) {
            Ok(()) => EmbeddedEntrance::append(self, record, push_id),
            Err(rejection) => self.refuse(record, push_id, rejection),
        }
    }
}
