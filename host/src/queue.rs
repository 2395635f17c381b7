//! Where a record waits between intake and delivery.
//!
//! The queue is shaped by outcomes: `append` takes a record in, a consumer takes batches out, and every record taken
//! out is answered exactly once: acknowledged, to be retried after a while, or rejected for good. This first form lives
//! in memory and acknowledges on delivery: whoever appended a record holds a [`Receipt`] and learns from it what became
//! of the record, so nothing is promised to a sender that a crash could break.

mod memory;

use crate::record::Rejection;
use std::time::Duration;

pub use memory::{Consumer, Delivery, MemoryQueue, Receipt};

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// Every consumer is done with it: its trace was accepted by the backend, or the mapping yields nothing for it.
    Acknowledged,
    /// Nothing was lost and nothing was kept: the sender is asked to come again.
    RetryAfter(Duration),
    /// The mapping, or the backend for good, refused it.
    Rejected(Rejection),
}

/// The queue holds as many records, or as many bytes, as it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full")]
pub struct Full;
