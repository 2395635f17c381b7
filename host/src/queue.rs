//! Where a record waits between intake and delivery.
//!
//! The queue is shaped by outcomes: `append` takes a record in, a consumer takes batches out, and every record taken out is answered exactly once: acknowledged, to be retried after a while, or rejected for
//! good. This first form lives in memory and acknowledges on delivery: whoever appended a record holds a [`Receipt`] and learns from it what became of the record, so nothing is promised to a sender that a
//! crash could break.

mod memory;

use crate::transform::Rejection;
use bytes::Bytes;
use std::time::Duration;

pub use memory::{Consumer, Delivery, MemoryQueue, Receipt};

/// A record as it was received. The bytes are what is kept; everything else can be made again from them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub body: Bytes,
    /// What the intake knows and a mapping may use: never a clock reading, a push identifier or a credential.
    pub metadata: Vec<(String, String)>,
}

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
