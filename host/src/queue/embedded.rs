//! A queue on disk. Whoever appends a record is answered when it is stored; consumers take it from there, each for itself.
//!
//! ```text
//!  entrances ──▶ inbox ──▶ keeper ──▶ store            one thread writes: all that wait share one fsync
//!      ◀── receipts ─────────┘ │        │
//!                              ▼        ▼
//!                             tail ──▶ consumers       what came lately is in memory, the rest is read from the store
//!                                         │
//!      inbox ◀── what became of it ───────┘
//! ```
//!
//! A consumer answers for each record once: it is acknowledged, or rejected and becomes a dead letter. What it does not
//! answer for, because the process ends, is taken again after the next start.

mod consumer;
mod control;
mod drain;
mod inbox;
mod keeper;
mod numbers;
mod tail;
#[cfg(test)]
mod tests;

use super::receipt::{Receipt, receipt};
use super::room::Room;
use super::store::{Arrival, BodyDigest, Fullness, Reader, Store, digest};
use super::{ConsumerSettings, OpenError, Refused, Settings, StoreError, now_ms};
use crate::record::{Record, Rejection};
use crate::telemetry::{Metrics, Reporter};
use inbox::Inbox;
use keeper::Keeper;
use numbers::Numbers;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tail::Tail;
use tokio::sync::watch;

pub use consumer::{EmbeddedConsumer, EmbeddedDelivery};
pub use control::QueueControl;

/// A queue that is open, and its thread runs.
pub struct EmbeddedQueue {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

/// The end at which one source appends. Clones are the same source.
#[derive(Clone)]
pub struct EmbeddedEntrance {
    shared: Arc<Shared>,
    source: Arc<str>,
    /// What waits to be stored: memory, not disk.
    room: Room,
}

/// A consumer that takes part.
pub struct Joining {
    pub name: String,
    /// The sources whose records it takes.
    pub sources: Vec<String>,
    pub settings: ConsumerSettings,
    /// Names the mapping: under an equal one, the same record becomes the same bytes.
    pub mapping: String,
}

/// What a queue is opened with beside its settings.
pub struct Surroundings<'a> {
    pub metrics: &'a Arc<Metrics>,
    pub health: Reporter,
}

/// What the keeper, the entrances and the consumers share.
struct Shared {
    inbox: Inbox,
    tail: Tail,
    reader: Reader,
    /// The id after the last record that is stored.
    stored: watch::Sender<u64>,
    /// Whether anything is taken in: a [`Gate`].
    gate: AtomicU8,
    /// While nothing is: after how many milliseconds there may be room again.
    retry_after_ms: AtomicU64,
    /// Raised when nothing more will come: consumers end when they have taken everything.
    closing: watch::Sender<bool>,
}

/// Whether anything is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Shut(Refused),
}

impl EmbeddedQueue {
    /// Opens the queue in this folder, or makes one, for these consumers. Others that are known keep what waits for them,
    /// and get nothing more.
    ///
    /// # Errors
    /// When the folder cannot be used, or what is in it is damaged.
    pub fn open(
        folder: &Path,
        settings: Settings,
        joining: Vec<Joining>,
        surroundings: Surroundings<'_>,
    ) -> Result<(Self, Vec<EmbeddedConsumer>), OpenError> {
        let (mut store, recovered) = Store::open(folder, settings, now_ms())?;
        keeper::tell_of_recovery(&recovered);
        let failed = |error: StoreError| OpenError::Damaged { store: folder.to_owned(), reason: error.to_string() };
        let mut followers = Vec::new();
        let names: Vec<String> = joining.iter().map(|joining| joining.name.clone()).collect();
        let all_sources: Vec<String> = joining.iter().flat_map(|joining| joining.sources.clone()).collect();
        for Joining { name, sources, settings, mapping } in joining {
            let sources = store.with_renamed(&name, sources, &all_sources);
            followers.push(store.join(&name, sources, settings, &mapping).map_err(failed)?);
        }
        for (consumer, records) in store.leave_all_but(&names) {
            tracing::warn!(
                consumer,
                records,
                code = "consumer_gone",
                "a consumer is not configured any more, and what waits for it is kept: configure it again, or give it up with \
                 `callspan queue forget`"
            );
        }
        store.write(true).map_err(failed)?;

        let shared = Arc::new(Shared {
            inbox: Inbox::default(),
            tail: Tail::default(),
            reader: store.reader(),
            stored: watch::Sender::new(store.next_id()),
            gate: AtomicU8::new(Gate::Open.encode()),
            retry_after_ms: AtomicU64::new(0),
            closing: watch::Sender::new(false),
        });
        let consumers =
            followers.into_iter().map(|follower| EmbeddedConsumer::new(Arc::clone(&shared), follower)).collect();
        let mut numbers = Numbers::new(surroundings.metrics, &store);
        // Whoever asks for them first is not told that nothing waits.
        numbers.publish(&store);
        let health = surroundings.health;
        let keeper = Keeper::new(store, Arc::clone(&shared), numbers, health.clone());
        let keeping = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("queue".to_owned()).spawn(move || {
            // The library may panic over bytes that it did not write. Then nobody is to wait for an answer.
            if catch_unwind(AssertUnwindSafe(|| keeper.run())).is_err() {
                keeping.set_gate(Gate::Shut(Refused::Broken));
                keeping.inbox.close();
                health.trouble_is("the queue's thread has panicked: restart the service");
                tracing::error!(
                    code = "queue_panicked",
                    "the queue's thread has panicked; what was acknowledged is on disk"
                );
                // Dropped, what came meanwhile is answered.
                drop(keeping.inbox.take(Duration::ZERO, Duration::ZERO));
            }
        });
        let thread = thread.map_err(OpenError::io("start the thread of", folder))?;
        Ok((EmbeddedQueue { shared, thread }, consumers))
    }

    /// Where a source appends.
    #[must_use]
    pub fn entrance(&self, source: &str, room: Room) -> EmbeddedEntrance {
        EmbeddedEntrance { shared: Arc::clone(&self.shared), source: source.into(), room }
    }

    /// Nothing more will come: consumers end when they have taken what there is.
    pub fn finish(&self) {
        self.shared.closing.send_replace(true);
    }

    /// Has everything on disk, and gives the folder free. To be called when nobody appends and consumes any more; what is
    /// still under way is taken again after the next start. It blocks.
    pub fn close(self) {
        self.shared.inbox.close();
        // It has told how it ended.
        let _ended = self.thread.join();
    }
}

impl EmbeddedEntrance {
    /// Whether a record of this size would be taken now.
    ///
    /// # Errors
    /// When there is no room, or the disk does not work.
    pub fn check(&self, bytes: u64) -> Result<(), Refused> {
        match self.shared.gate() {
            Gate::Open => self.room.check(bytes),
            Gate::Shut(refused) => Err(refused),
        }
    }

    /// When to come again with so many bytes that were not taken.
    #[must_use]
    pub fn retry_after(&self, bytes: u64) -> Duration {
        match self.shared.gate() {
            Gate::Open => self.room.retry_after(bytes),
            Gate::Shut(Refused::Broken) => Refused::RETRY_AFTER,
            Gate::Shut(Refused::Full | Refused::NoSpace) => {
                Duration::from_millis(self.shared.retry_after_ms.load(Ordering::Acquire))
            }
        }
    }

    /// Takes a record in; the receipt says when it is stored. What the sender calls its push makes the same push again
    /// known.
    ///
    /// # Errors
    /// When there is no room, or the disk does not work.
    pub fn append(&self, record: Record, push_id: Option<&Arc<str>>) -> Result<Receipt, Refused> {
        self.enter(record, push_id, None)
    }

    /// Keeps a record that is refused at once, as a dead letter; the receipt says when it is stored.
    ///
    /// # Errors
    /// When there is no room, or the disk does not work.
    pub fn refuse(&self, record: Record, push_id: Option<&Arc<str>>, why: Rejection) -> Result<Receipt, Refused> {
        self.enter(record, push_id, Some(why))
    }

    fn enter(&self, record: Record, push_id: Option<&Arc<str>>, why: Option<Rejection>) -> Result<Receipt, Refused> {
        if let Gate::Shut(refused) = self.shared.gate() {
            return Err(refused);
        }
        let place = self.room.take(record.body.len()).map_err(|_| Refused::Full)?;
        let digest: BodyDigest = digest(&record.body);
        let source = Arc::clone(&self.source);
        let push_id = push_id.map(Arc::clone);
        let arrival = Arrival { source, record, digest, push_id, only: Vec::new(), is_replay: false };
        let (settlers, receipt) = receipt(1, place);
        let Some(settler) = settlers.into_iter().next() else { return Err(Refused::Full) };
        let is_taken = self.shared.inbox.add(|waiting| match why {
            None => waiting.arrivals.push((arrival, settler)),
            Some(why) => waiting.refusals.push((arrival, why, settler)),
        });
        if is_taken { Ok(receipt) } else { Err(Refused::Broken) }
    }
}

impl Gate {
    fn of(fullness: Option<Fullness>) -> Self {
        match fullness {
            None => Self::Open,
            Some(Fullness::Queue) => Self::Shut(Refused::Full),
            Some(Fullness::Disk) => Self::Shut(Refused::NoSpace),
        }
    }

    fn encode(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::Shut(Refused::Full) => 1,
            Self::Shut(Refused::NoSpace) => 2,
            Self::Shut(Refused::Broken) => 3,
        }
    }

    fn decode(code: u8) -> Self {
        match code {
            0 => Self::Open,
            1 => Self::Shut(Refused::Full),
            2 => Self::Shut(Refused::NoSpace),
            _ => Self::Shut(Refused::Broken),
        }
    }
}

impl Shared {
    fn gate(&self) -> Gate {
        Gate::decode(self.gate.load(Ordering::Acquire))
    }

    fn set_gate(&self, gate: Gate) {
        self.gate.store(gate.encode(), Ordering::Release);
    }

    fn set_retry_after(&self, after: Duration) {
        let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.retry_after_ms.store(milliseconds, Ordering::Release);
    }
}
