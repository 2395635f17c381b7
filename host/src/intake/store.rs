//! Puts the records of one request into the queue, and waits for what becomes of each.

use super::Append;
use super::counters::SourceCounters;
use super::postponed::{Postponed, Why};
use crate::queue::{Refused, Settlement};
use crate::record::{Record, Rejection};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What became of one record of a request.
#[derive(Debug)]
pub(super) enum Fate {
    Stored,
    Rejected(Rejection),
    Postponed(Postponed),
}

/// A sender is asked to come again after this long when the queue is slow.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(5);

/// The fates of these records, in their order. Once the queue is full nothing more is put into it, and those within
/// are waited for all the same: they are on their way.
pub(super) async fn store<Q: Append>(
    queue: &Q,
    records: impl ExactSizeIterator<Item = Bytes>,
    push_id: Option<&Arc<str>>,
    answer_timeout: Duration,
    counters: &SourceCounters,
) -> Vec<Fate> {
    let count = records.len();
    let mut bytes = 0;
    let mut receipts = Vec::with_capacity(count);
    let mut refused = Refused::Full;
    for body in records {
        bytes += body.len() as u64;
        match queue.append(Record { body, metadata: Vec::new() }, push_id) {
            Ok(receipt) => receipts.push((receipt, counters.received())),
            Err(why) => {
                refused = why;
                break;
            }
        }
    }
    let not_taken = count - receipts.len();
    let mut fates = Vec::with_capacity(count);
    let deadline = Instant::now().checked_add(answer_timeout);
    for (receipt, unsettled) in receipts {
        let settlement = match deadline {
            Some(deadline) => timeout_at(deadline, receipt).await.unwrap_or(Settlement::RetryAfter(RETRY_AFTER)),
            None => receipt.await,
        };
        unsettled.settle(&settlement);
        fates.push(match settlement {
            Settlement::Acknowledged => Fate::Stored,
            Settlement::Rejected(rejection) => Fate::Rejected(rejection),
            Settlement::RetryAfter(retry_after) => Fate::Postponed(Postponed { why: Why::NotStored, retry_after }),
            Settlement::NotTaken(refused) => Fate::Postponed(Postponed::by_queue(refused, queue.retry_after(bytes))),
        });
    }
    if not_taken > 0 {
        let postponed = Postponed::by_queue(refused, queue.retry_after(bytes));
        fates.extend((0..not_taken).map(|_| Fate::Postponed(postponed)));
    }
    fates
}

/// For a header that counts seconds: at least one, and never less than asked for.
pub(super) fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_rounded_up() {
        let seconds = [0, 1, 999, 1_000, 1_001].map(|delay| whole_seconds(Duration::from_millis(delay)));
        assert_eq!(seconds, [1, 1, 1, 1, 2]);
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }
}
