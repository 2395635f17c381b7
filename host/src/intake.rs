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
mod under_way;

#[cfg(test)]
mod double;
#[cfg(test)]
mod stage;

use crate::queue::{Full, MemoryQueue, Receipt, Settlement};
use crate::record::Record;

pub use counters::SourceCounters;

/// What a source needs of a queue.
pub trait Append: Send + Sync + 'static {
    /// Tells what became of a record.
    type Receipt: Future<Output = Settlement> + Send;

    /// Takes a record in.
    ///
    /// # Errors
    /// When the queue holds as much as it may.
    fn append(&self, record: Record) -> Result<Self::Receipt, Full>;
}

impl Append for MemoryQueue {
    type Receipt = Receipt;

    fn append(&self, record: Record) -> Result<Receipt, Full> {
        MemoryQueue::append(self, record)
    }
}
