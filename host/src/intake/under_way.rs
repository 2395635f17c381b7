//! Records of a source whose sender cannot be answered, such as a file: they are appended to the queue, and those that
//! are to be retried are appended again, until each is acknowledged or rejected, or the service stops.
//!
//! In which order they are settled is not known here, and neither is where they came from: the source gives each a mark
//! by which it knows it again.

use super::Append;
use super::counters::SourceCounters;
use crate::export::{Backoff, BackoffSettings};
use crate::queue::{Refused, Settlement};
use crate::record::{Record, Rejection};
use crate::telemetry::Component;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

/// How long to wait until a record is appended again; a queue that asks for more patience gets it.
const BACKOFF: BackoffSettings = BackoffSettings {
    initial_delay: Duration::from_millis(100),
    max_delay: Duration::from_secs(30),
    max_retry_after: Duration::from_secs(300),
};

/// Records that may be under way at a time, from one file or stream.
pub(super) const RECORDS_MAX: usize = 256;
/// Bytes of these records; a single record may be larger.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;
/// How long a full queue is left alone: twice as long each time.
const FULL_DELAY_MIN: Duration = Duration::from_millis(10);
const FULL_DELAY_MAX: Duration = Duration::from_secs(1);

/// Records that were appended and are not settled yet.
pub(super) struct UnderWay<Q, M> {
    queue: Arc<Q>,
    counters: Arc<SourceCounters>,
    /// The queue was full, and is to be left alone until then.
    full_until: Instant,
    full_delay: Duration,
    tasks: JoinSet<(M, Verdict)>,
    stop: watch::Sender<bool>,
}

/// What became of a record in the end.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Verdict {
    Acknowledged,
    Rejected(Rejection),
    /// The service stops, and the record is to be read again when it starts.
    Unsettled,
}

impl<Q: Append, M: Send + 'static> UnderWay<Q, M> {
    pub(super) fn new(queue: Arc<Q>, component: &Component) -> Self {
        let counters = Arc::new(SourceCounters::new(component));
        let (stop, _) = watch::channel(false);
        let (full_until, full_delay) = (Instant::now(), FULL_DELAY_MIN);
        Self { queue, counters, full_until, full_delay, tasks: JoinSet::new(), stop }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }

    /// When a record may be appended next; now, unless the queue was full.
    pub(super) fn full_until(&self) -> Instant {
        self.full_until
    }

    /// Takes a record in. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the queue is full, or was full a moment ago: then the record is not taken in.
    pub(super) fn append(&mut self, mark: M, record: &Record) -> Result<(), Refused> {
        if Instant::now() < self.full_until {
            return Err(Refused::Full);
        }
        let receipt = match self.queue.append(record.clone(), None) {
            Ok(receipt) => receipt,
            Err(full) => {
                self.full_until = Instant::now() + self.full_delay;
                self.full_delay = (self.full_delay * 2).min(FULL_DELAY_MAX);
                return Err(full);
            }
        };
        self.full_delay = FULL_DELAY_MIN;
        let record = record.clone();
        self.counters.received_events.add(1);
        self.counters.received_bytes.add(record.body.len() as u64);
        let (queue, counters, stopped) = (Arc::clone(&self.queue), Arc::clone(&self.counters), self.stop.subscribe());
        self.tasks.spawn(async move { (mark, settled(receipt, &record, &*queue, &counters, stopped).await) });
        Ok(())
    }

    /// Waits until the next one is settled; there is none when none is under way. Nothing is lost if the future is
    /// dropped.
    pub(super) async fn settled(&mut self) -> Option<(M, Verdict)> {
        loop {
            if let Some(settled) = seen(self.tasks.join_next().await?) {
                return Some(settled);
            }
        }
    }

    /// One that is settled already.
    pub(super) fn settled_already(&mut self) -> Option<(M, Verdict)> {
        loop {
            if let Some(settled) = seen(self.tasks.try_join_next()?) {
                return Some(settled);
            }
        }
    }

    /// From now on nothing is appended again: what is to be retried stays unsettled.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
    }
}

/// None when it panicked; its line then stays unremembered.
fn seen<T>(ended: Result<T, JoinError>) -> Option<T> {
    ended.inspect_err(|error| tracing::error!(%error, "a record under way was lost from sight")).ok()
}

async fn settled<Q: Append>(
    receipt: Q::Receipt,
    record: &Record,
    queue: &Q,
    counters: &SourceCounters,
    mut stopped: watch::Receiver<bool>,
) -> Verdict {
    let mut backoff = Backoff::new(BACKOFF, fastrand::u64(..));
    let mut receipt = Some(receipt);
    loop {
        let retry_after = match receipt {
            Some(receipt) => match receipt.await {
                Settlement::Acknowledged => {
                    counters.acknowledged.add(1);
                    return Verdict::Acknowledged;
                }
                Settlement::Rejected(rejection) => {
                    counters.rejected.add(1);
                    return Verdict::Rejected(rejection);
                }
                Settlement::RetryAfter(after) => {
                    counters.to_be_retried.add(1);
                    Some(after)
                }
                Settlement::NotTaken(_) => {
                    counters.to_be_retried.add(1);
                    None
                }
            },
            None => None,
        };
        let delay = backoff.next_delay(retry_after);
        if tokio::time::timeout(delay, stopped.wait_for(|stopped| *stopped)).await.is_ok() {
            return Verdict::Unsettled;
        }
        receipt = queue.append(record.clone(), None).ok();
    }
}
