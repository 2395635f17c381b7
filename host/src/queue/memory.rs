//! A queue in memory that acknowledges on delivery. A crash loses nothing that was promised, because nothing was: the
//! sender has no answer yet, and sends again.

use super::{Full, Settlement};
use crate::record::Record;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// What a receipt says when the process ends before the record was settled.
const RETRY_AFTER_SHUTDOWN: Duration = Duration::from_secs(5);

/// The end at which records are appended. Cheap to clone.
#[derive(Clone, Debug)]
pub struct MemoryQueue {
    deliveries: mpsc::Sender<Delivery>,
}

/// The end at which records are taken out.
#[derive(Debug)]
pub struct Consumer {
    deliveries: mpsc::Receiver<Delivery>,
}

/// A record that was taken out. It is to be answered once; dropped without an answer, it is to be retried.
#[derive(Debug)]
pub struct Delivery {
    record: Record,
    settled: oneshot::Sender<Settlement>,
}

/// Becomes what became of a record.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Settlement>);

impl MemoryQueue {
    /// A queue that holds as many records as this, those that are being delivered not counted.
    pub fn bounded(records_max: usize) -> (Self, Consumer) {
        let (sender, receiver) = mpsc::channel(records_max.max(1));
        (MemoryQueue { deliveries: sender }, Consumer { deliveries: receiver })
    }

    /// Takes a record in.
    ///
    /// # Errors
    /// When the queue is full, or closed because the process shuts down.
    pub fn append(&self, record: Record) -> Result<Receipt, Full> {
        let (settled, receipt) = oneshot::channel();
        self.deliveries.try_send(Delivery { record, settled }).map_err(|_| Full)?;
        Ok(Receipt(receipt))
    }
}

impl Consumer {
    /// Waits for records, and takes as many as there are, up to this many. Empty once the queue is closed and drained.
    pub async fn take(&mut self, records_max: usize) -> Vec<Delivery> {
        let mut batch = Vec::with_capacity(records_max.min(64));
        self.deliveries.recv_many(&mut batch, records_max).await;
        batch
    }

    /// Takes no further records in. Those inside can still be taken out.
    pub fn close(&mut self) {
        self.deliveries.close();
    }
}

impl Delivery {
    /// What is to be delivered.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Says what became of it.
    pub fn settle(self, settlement: Settlement) {
        // Whoever appended it may have hung up; the record is settled all the same.
        let _heard = self.settled.send(settlement);
    }
}

impl Future for Receipt {
    type Output = Settlement;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Settlement::RetryAfter(RETRY_AFTER_SHUTDOWN)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &'static str) -> Record {
        Record { body: body.into(), metadata: Vec::new() }
    }

    #[tokio::test]
    async fn a_receipt_says_what_became_of_the_record() {
        let (queue, mut consumer) = MemoryQueue::bounded(2);
        let receipt = queue.append(record("a")).expect("there is room");
        let mut batch = consumer.take(10).await;
        assert_eq!(batch.len(), 1);
        batch.remove(0).settle(Settlement::Acknowledged);
        assert_eq!(receipt.await, Settlement::Acknowledged);
    }

    #[tokio::test]
    async fn a_full_queue_says_so() {
        let (queue, _consumer) = MemoryQueue::bounded(1);
        queue.append(record("a")).expect("there is room");
        assert_eq!(queue.append(record("b")).err(), Some(Full));
    }

    #[tokio::test]
    async fn a_delivery_that_nobody_answered_is_to_be_retried() {
        let (queue, mut consumer) = MemoryQueue::bounded(1);
        let receipt = queue.append(record("a")).expect("there is room");
        drop(consumer.take(1).await);
        assert_eq!(receipt.await, Settlement::RetryAfter(RETRY_AFTER_SHUTDOWN));
    }

    #[tokio::test]
    async fn a_closed_queue_is_drained_and_takes_nothing_in() {
        let (queue, mut consumer) = MemoryQueue::bounded(2);
        let _receipt = queue.append(record("a")).expect("there is room");
        consumer.close();
        assert!(queue.append(record("b")).is_err());
        assert_eq!(consumer.take(2).await.len(), 1);
        assert_eq!(consumer.take(2).await.len(), 0);
    }
}
