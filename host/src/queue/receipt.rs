//! How whoever appended a record learns what became of it.

use super::Settlement;
use super::room::Place;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;

/// What a receipt says of a record that nobody settled: the process is about to end.
pub(super) const RETRY_AFTER_SHUTDOWN: Duration = Duration::from_secs(5);

/// Becomes what became of a record, once every consumer has settled it.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Settlement>);

/// One consumer's say on a record. Dropped without one, the record is to be retried.
#[derive(Debug)]
pub(super) struct Settler(Option<Say>);

#[derive(Debug)]
enum Say {
    /// The only one, as in most services.
    Sole { answer: oneshot::Sender<Settlement>, _place: Place },
    /// One of several.
    Shared(Arc<Joint>),
}

/// What several consumers have said so far. The last of them to go sends it.
#[derive(Debug)]
struct Joint {
    so_far: Mutex<Settlement>,
    answer: Mutex<Option<oneshot::Sender<Settlement>>>,
    _place: Place,
}

/// As many says as there are consumers, at least one, and the receipt they add up to.
pub(super) fn receipt(consumers: usize, place: Place) -> (Vec<Settler>, Receipt) {
    let (answer, receipt) = oneshot::channel();
    let says = if consumers <= 1 {
        vec![Settler(Some(Say::Sole { answer, _place: place }))]
    } else {
        let joint =
            Joint { so_far: Mutex::new(Settlement::Acknowledged), answer: Mutex::new(Some(answer)), _place: place };
        let joint = Arc::new(joint);
        (0..consumers).map(|_| Settler(Some(Say::Shared(Arc::clone(&joint))))).collect()
    };
    (says, Receipt(receipt))
}

impl Settler {
    pub(super) fn settle(mut self, settlement: Settlement) {
        self.say(settlement);
    }

    fn say(&mut self, settlement: Settlement) {
        match self.0.take() {
            // Whoever appended it may have hung up; the record is settled all the same.
            Some(Say::Sole { answer, .. }) => drop(answer.send(settlement)),
            Some(Say::Shared(joint)) => joint.add(settlement),
            None => {}
        }
    }
}

impl Drop for Settler {
    fn drop(&mut self) {
        self.say(Settlement::RetryAfter(RETRY_AFTER_SHUTDOWN));
    }
}

impl Joint {
    fn add(&self, settlement: Settlement) {
        let mut so_far = self.so_far.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *so_far, Settlement::Acknowledged);
        *so_far = before.and(settlement);
    }
}

impl Drop for Joint {
    fn drop(&mut self) {
        let so_far = self.so_far.get_mut().unwrap_or_else(PoisonError::into_inner);
        let settlement = std::mem::replace(so_far, Settlement::Acknowledged);
        if let Some(answer) = self.answer.get_mut().unwrap_or_else(PoisonError::into_inner).take() {
            // Whoever appended it may have hung up.
            let _heard = answer.send(settlement);
        }
    }
}

impl Future for Receipt {
    type Output = Settlement;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settlement> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Settlement::RetryAfter(RETRY_AFTER_SHUTDOWN)))
    }
}
