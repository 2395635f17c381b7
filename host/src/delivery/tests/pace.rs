//! How fast a sink sends: as its backend can take it.

use super::*;
use crate::telemetry::{Component, Gauge, Metrics, metric};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// A backend that is well until it is told otherwise.
#[derive(Clone, Default)]
struct Backend {
    /// So many requests are told to come again.
    pushes_back: Arc<AtomicU32>,
    is_slow: Arc<AtomicBool>,
}

impl Backend {
    async fn answer(self) -> Answer {
        if self.is_slow.swap(false, Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let count = |count: u32| count.checked_sub(1);
        match self.pushes_back.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count) {
            Ok(_) => Answer::Retry { after: None, reason: "busy".to_owned() },
            Err(_) => Answer::Accepted,
        }
    }

    fn sender(&self, concurrency: Concurrency, component: &Component) -> Sender {
        let backend = self.clone();
        let exporter = Exporter::slow_double(move |_| backend.clone().answer());
        let turns = Turns::new(concurrency, component);
        Sender { exporter, hold: Hold::default(), turns, settings: patient(), reports: Reports::default() }
    }
}

/// Takes every turn there is, and sends a batch with each.
async fn play(sender: &Sender, limit: &Gauge) -> u64 {
    let mut turns = Vec::new();
    for _ in 0..limit.value() {
        turns.push(sender.turns.take().await);
    }
    for turn in turns {
        sender.send(batch(&Told::default(), [1]), turn).await;
    }
    limit.value()
}

/// Until there are eight turns again.
async fn recover(sender: &Sender, limit: &Gauge) {
    let mut rounds = 0;
    while play(sender, limit).await < 8 {
        rounds += 1;
        assert!(rounds < 1000, "it does not come back");
    }
}

#[tokio::test]
async fn a_backend_that_is_busy_or_slow_gets_fewer_requests_and_as_many_as_before_when_it_is_well() {
    let backend = Backend::default();
    let component = Metrics::new().expect("metrics").component("sink", "double", "double");
    let limit = component.gauge(metric::CONCURRENCY_LIMIT, &[]);
    let sender = backend.sender(Concurrency::default(), &component);
    assert_eq!(limit.value(), 8);

    backend.pushes_back.store(20, Ordering::Relaxed);
    sender.send(batch(&Told::default(), [1]), sender.turns.take().await).await;
    assert!(limit.value() <= 2, "twenty answers in a row said so: {}", limit.value());
    recover(&sender, &limit).await;

    for _ in 0..20 {
        play(&sender, &limit).await;
    }
    recover(&sender, &limit).await;
    backend.is_slow.store(true, Ordering::Relaxed);
    sender.send(batch(&Told::default(), [1]), sender.turns.take().await).await;
    assert!(limit.value() < 8, "that was slow");
    recover(&sender, &limit).await;
}

#[tokio::test]
async fn a_limit_that_is_not_adaptive_stays() {
    let backend = Backend::default();
    let component = Metrics::new().expect("metrics").component("sink", "double", "double");
    let limit = component.gauge(metric::CONCURRENCY_LIMIT, &[]);
    let sender = backend.sender(Concurrency::Fixed(3), &component);
    backend.pushes_back.store(20, Ordering::Relaxed);
    assert_eq!((play(&sender, &limit).await, play(&sender, &limit).await), (3, 3));
}
