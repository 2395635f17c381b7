//! A queue in memory that acknowledges on delivery. A crash loses nothing that was promised, because nothing was: the
//! sender has no answer yet, and sends again.

use super::receipt::{Receipt, Settler, receipt};
use super::room::Room;
use super::{Consume, Deliver, Refused, Settlement, TraceIdentity};
use crate::record::{Record, Rejection};
use std::time::Duration;
use tokio::sync::mpsc;

/// The end at which a source appends records, for all consumers that take from it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    consumers: Vec<Entrance>,
    room: Room,
}

/// Where one consumer's records come in.
#[derive(Clone, Debug)]
pub struct Entrance(mpsc::UnboundedSender<Delivery>);

/// The end at which records are taken out.
#[derive(Debug)]
pub struct Consumer {
    deliveries: mpsc::UnboundedReceiver<Delivery>,
    /// The next one, already out of the channel.
    first: Option<Delivery>,
}

/// A record that was taken out. It is to be answered once; dropped without an answer, it is to be retried.
#[derive(Debug)]
pub struct Delivery {
    record: Record,
    settler: Settler,
}

/// Both ends of one consumer. What waits between them is bounded by the room of the queues that lead here.
pub fn consumer() -> (Entrance, Consumer) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Entrance(sender), Consumer { deliveries: receiver, first: None })
}

impl MemoryQueue {
    /// A queue that hands every record to each of these consumers. Queues may share a room, and consumers.
    pub fn new(consumers: Vec<Entrance>, room: Room) -> Self {
        MemoryQueue { consumers, room }
    }

    /// Whether a record of this size would be taken now.
    ///
    /// # Errors
    /// When the queue is full.
    pub fn check(&self, bytes: u64) -> Result<(), Refused> {
        self.room.check(bytes)
    }

    /// When to come again with so many bytes that were not taken.
    #[must_use]
    pub fn retry_after(&self, bytes: u64) -> Duration {
        self.room.retry_after(bytes)
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// When the queue is full, or no consumer is left because the process shuts down.
    pub fn append(&self, record: Record) -> Result<Receipt, Refused> {
        let place = self.room.take(record.body.len())?;
        let (settlers, receipt) = receipt(self.consumers.len(), place);
        for (Entrance(consumer), settler) in self.consumers.iter().zip(settlers) {
            // A consumer that is gone drops the delivery, and the record is to be retried.
            let _taken = consumer.send(Delivery { record: record.clone(), settler });
        }
        Ok(receipt)
    }
}

impl Consume for Consumer {
    type Delivery = Delivery;

    async fn begin(&mut self) {}

    /// False once all queues that lead here are gone and everything has been taken.
    async fn has_more(&mut self) -> bool {
        if self.first.is_none() {
            self.first = self.deliveries.recv().await;
        }
        self.first.is_some()
    }

    fn waiting(&self) -> usize {
        self.deliveries.len() + usize::from(self.first.is_some())
    }

    /// Waits for records. Empty once there is nothing more.
    async fn take(&mut self, records_max: usize, bytes_max: usize) -> Vec<Delivery> {
        self.has_more().await;
        let mut batch = Vec::with_capacity(records_max.min(self.deliveries.len() + 1));
        let mut bytes: usize = 0;
        while let Some(next) = self.first.take().or_else(|| self.deliveries.try_recv().ok()) {
            bytes = bytes.saturating_add(next.record.body.len());
            if !batch.is_empty() && bytes > bytes_max {
                self.first = Some(next);
                break;
            }
            batch.push(next);
            if batch.len() >= records_max {
                break;
            }
        }
        batch
    }
}

impl Deliver for Delivery {
    fn record(&self) -> &Record {
        &self.record
    }

    /// Nothing is remembered: whatever is appended is delivered.
    fn claim(self, _identity: TraceIdentity) -> Option<Self> {
        Some(self)
    }

    fn settle(self, settlement: Settlement) {
        self.settler.settle(settlement);
    }

    /// Sent again, it would be delivered twice.
    fn settle_in_part(self, _rejection: Rejection) {
        self.settle(Settlement::Acknowledged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::receipt::RETRY_AFTER_SHUTDOWN;
    use crate::queue::{Capacity, Room};
    use crate::telemetry::Component;

    fn record(body: &'static str) -> Record {
        Record { body: body.into(), metadata: Vec::new() }
    }

    fn queue() -> (MemoryQueue, Consumer) {
        let (entrance, consumer) = consumer();
        (
            MemoryQueue::new(
                vec![entrance],
                Room::new(Capacity { records_max: 2, bytes_max: 100 }, &Component::default()),
            ),
            consumer,
        )
    }

    #[tokio::test]
    async fn a_receipt_says_what_became_of_the_record() {
        let (queue, mut consumer) = queue();
        let receipt = queue.append(record("a")).expect("there is room");
        let mut batch = consumer.take(10, 100).await;
        assert_eq!(batch.len(), 1);
        batch.remove(0).settle(Settlement::Acknowledged);
        assert_eq!(receipt.await, Settlement::Acknowledged);
    }

    #[tokio::test]
    async fn a_full_queue_says_so_until_a_record_is_settled() {
        let (queue, mut consumer) = queue();
        let _receipts = ["a", "b"].map(|body| queue.append(record(body)).expect("there is room"));
        assert_eq!(queue.append(record("c")).err(), Some(Refused::Full));
        let mut batch = consumer.take(1, 100).await;
        assert_eq!(queue.append(record("c")).err(), Some(Refused::Full), "it is taken out, but not settled");
        batch.remove(0).settle(Settlement::Acknowledged);
        assert!(queue.append(record("c")).is_ok());
    }

    #[tokio::test]
    async fn a_delivery_that_nobody_answered_is_to_be_retried() {
        let (queue, mut consumer) = queue();
        let receipt = queue.append(record("a")).expect("there is room");
        drop(consumer.take(1, 100).await);
        assert_eq!(receipt.await, Settlement::RetryAfter(RETRY_AFTER_SHUTDOWN));
        let receipt = queue.append(record("a")).expect("there is room");
        drop(consumer);
        assert_eq!(receipt.await, Settlement::RetryAfter(RETRY_AFTER_SHUTDOWN));
    }

    #[tokio::test]
    async fn a_consumer_whose_queues_are_gone_is_drained() {
        let (queue, mut consumer) = queue();
        let _receipt = queue.append(record("a")).expect("there is room");
        drop(queue);
        assert_eq!(consumer.take(2, 100).await.len(), 1);
        assert_eq!(consumer.take(2, 100).await.len(), 0);
    }

    #[tokio::test]
    async fn a_batch_is_bounded_in_records_and_bytes_and_loses_nothing() {
        let (entrance, mut consumer) = consumer();
        let queue = MemoryQueue::new(vec![entrance], Room::default());
        let _receipts =
            ["aa", "bb", "cc", "dddddd", "e"].map(|body| queue.append(record(body)).expect("there is room"));
        let mut lengths = Vec::new();
        for _ in 0..3 {
            lengths.push(
                consumer.take(2, 5).await.iter().map(|delivery| delivery.record().body.len()).collect::<Vec<_>>(),
            );
        }
        assert_eq!(lengths, [vec![2, 2], vec![2], vec![6]]);
        assert_eq!(consumer.take(2, 5).await.len(), 1);
    }

    #[tokio::test]
    async fn every_consumer_gets_every_record_and_has_a_say() {
        let ((to_one, mut one), (to_other, mut other)) = (consumer(), consumer());
        let queue = MemoryQueue::new(vec![to_one, to_other], Room::default());
        let mut receipt = queue.append(record("a")).expect("there is room");
        one.take(1, 100).await.remove(0).settle(Settlement::Acknowledged);
        assert!(futures_pending(&mut receipt).await, "the other has not said anything");
        other.take(1, 100).await.remove(0).settle(Settlement::RetryAfter(Duration::from_secs(9)));
        assert_eq!(receipt.await, Settlement::RetryAfter(Duration::from_secs(9)));
    }

    async fn futures_pending(receipt: &mut Receipt) -> bool {
        tokio::time::timeout(Duration::ZERO, receipt).await.is_err()
    }
}
