//! Where a record waits between a source and the sinks.
//!
//! The queue is shaped by outcomes: `append` takes a record in, each consumer takes batches out, and every record taken
//! out is answered exactly once: acknowledged, to be retried after a while, or rejected for good. Whoever appended a
//! record holds a [`Receipt`]. In the [`MemoryQueue`] it tells what became of the record, in the [`EmbeddedQueue`] that
//! the record is on disk: either way nothing is promised to a sender that a crash could break.
//!
//! A consumer is whoever takes records out. The queue does not know what consumers do with them, nor how they are
//! called.

pub mod control;
mod embedded;
mod error;
mod key;
mod memory;
mod pace;
mod receipt;
mod room;
mod settings;
mod store;

use crate::record::{Record, Rejection};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use embedded::{
    EmbeddedConsumer, EmbeddedDelivery, EmbeddedEntrance, EmbeddedQueue, Joining, QueueControl, Surroundings,
};
pub use error::{OpenError, StoreError};
pub use key::{Key, NoKey};
pub use memory::{Consumer, Delivery, Entrance, MemoryQueue, consumer};
pub use pace::{Pace, RETRY_AFTER_MAX, RETRY_AFTER_MIN};
pub use receipt::Receipt;
pub use room::{Capacity, Room};
pub use settings::{
    ConsumerSettings, DeadLetterSettings, DuplicateSettings, Durability, SameTrace, Settings, StartFrom, WhenFull,
};
pub use store::{Examined, TraceIdentity, examine};

/// The folder of a queue, within the folder for what is remembered.
pub const FOLDER: &str = "queue";

/// What became of a record.
#[derive(Clone, Debug, PartialEq)]
pub enum Settlement {
    /// Every consumer is done with it: its trace was accepted by the backend, or the mapping yields nothing for it.
    Acknowledged,
    /// Nothing was lost and nothing was kept: the sender is asked to come again.
    RetryAfter(Duration),
    /// The queue could not keep it after all; it knows when to come again.
    NotTaken(Refused),
    /// The mapping, or the backend for good, refused it.
    Rejected(Rejection),
}

impl Settlement {
    /// What two consumers say of one record together. One that wants it again outweighs one that refused it, for then
    /// it comes again; else the first refusal counts.
    #[must_use]
    pub fn and(self, other: Settlement) -> Settlement {
        match (self, other) {
            (Self::RetryAfter(one), Self::RetryAfter(other)) => Self::RetryAfter(one.max(other)),
            (retry @ (Self::RetryAfter(_) | Self::NotTaken(_)), _)
            | (_, retry @ (Self::RetryAfter(_) | Self::NotTaken(_))) => retry,
            (rejected @ Self::Rejected(_), _) | (_, rejected @ Self::Rejected(_)) => rejected,
            (Self::Acknowledged, Self::Acknowledged) => Self::Acknowledged,
        }
    }
}

/// Why a record is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The queue holds as much as it may, or it is closed because the service stops.
    #[error("the queue is full")]
    Full,
    #[error("the disk has too little room left")]
    NoSpace,
    #[error("the queue cannot write")]
    Broken,
}

impl Refused {
    /// Where nobody can know how long it takes: a disk that does not work is tried again all the time.
    const RETRY_AFTER: Duration = Duration::from_secs(5);
}

/// The end of a queue at which records are taken out.
pub trait Consume: Send + 'static {
    type Delivery: Deliver;

    /// To be called once, before anything else.
    fn begin(&mut self) -> impl Future<Output = ()> + Send;

    /// Waits until there is a record to take. False once nothing more will come.
    fn has_more(&mut self) -> impl Future<Output = bool> + Send;

    /// How many records there are to take, about.
    fn waiting(&self) -> usize;

    /// Takes as many records as there are, up to this many and this many bytes; a single record may be larger.
    fn take(&mut self, records_max: usize, bytes_max: usize) -> impl Future<Output = Vec<Self::Delivery>> + Send;
}

/// A record that was taken out. It is to be answered once; dropped without an answer, it is to be delivered again.
pub trait Deliver: Send + Sized + 'static {
    /// What is to be delivered.
    fn record(&self) -> &Record;

    /// Says who has mapped the record, by name and version, for the case that it becomes a dead letter.
    fn mapped_by(&mut self, _mapper: &Arc<str>) {}

    /// Says what the record becomes, before it is delivered. None when the queue knows it to be delivered already, or
    /// under way: then it has been answered for.
    fn claim(self, identity: TraceIdentity) -> Option<Self>;

    /// Says what became of it.
    fn settle(self, settlement: Settlement);

    /// It was delivered, but for a part that nobody can name: it counts as delivered, and is kept as a dead letter
    /// besides, where dead letters are kept.
    fn settle_in_part(self, rejection: Rejection);
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn together_the_one_that_asks_for_more_counts() {
        let rejected = |code: &str| {
            Settlement::Rejected(Rejection {
                class: "policy".to_owned(),
                code: code.to_owned(),
                path: None,
                message: String::new(),
                position: None,
            })
        };
        let retry = |seconds| Settlement::RetryAfter(Duration::from_secs(seconds));
        assert_eq!(Settlement::Acknowledged.and(Settlement::Acknowledged), Settlement::Acknowledged);
        assert_eq!(Settlement::Acknowledged.and(rejected("a")), rejected("a"));
        assert_eq!(rejected("a").and(rejected("b")), rejected("a"));
        assert_eq!(rejected("a").and(retry(1)), retry(1));
        assert_eq!(retry(2).and(retry(1)), retry(2));
    }
}
