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
    let mut turns = Vec::new();
    for _ in 0..8 {
        turns.push(sender.turns.take().await);
    }
    backend.is_slow.store(true, Ordering::Relaxed);
    sender.send(batch(&Told::default(), [1]), turns.pop()).await;
    assert!(limit.value() < 8, "that was slow, and all turns were taken");
    drop(turns);
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

/// What it said to one batch holds for the next, which asks nothing, and tells its senders what is left of the time.
#[tokio::test]
async fn a_backend_that_wants_to_be_left_alone_is_left_alone_by_every_batch() {
    let settings = Settings { retry_for: Some(Duration::from_secs(1)), ..patient() };
    let (sender, heard) =
        sender(settings, |_| Answer::Retry { after: Some(Duration::from_secs(60)), reason: "busy".to_owned() });
    let (first, second) = (Told::default(), Told::default());
    sender.send(batch(&first, [1]), ()).await;
    sender.send(batch(&second, [2]), ()).await;
    assert_eq!((first.sorted(), second.sorted()), (told(&[(1, "given back")]), told(&[(2, "given back")])));
    assert_eq!(*heard.lock().expect("no panic"), [[1]], "only the first was sent");
    for told in [first, second] {
        let after = told.retry_after.lock().expect("no panic")[0];
        assert!(after > Duration::from_secs(30) && after <= Duration::from_secs(60), "{after:?}");
    }
}

#[tokio::test]
async fn a_backend_can_ask_to_be_left_alone_for_so_long_and_no_longer() {
    let (sender, _) = sender(Settings { retry_for: Some(Duration::ZERO), ..patient() }, |_| Answer::Retry {
        after: Some(Duration::from_secs(86_400)),
        reason: "busy".to_owned(),
    });
    let all = Told::default();
    sender.hold.leave_alone(Duration::from_secs(86_400));
    sender.send(batch(&all, [1]), ()).await;
    let after = all.retry_after.lock().expect("no panic")[0];
    assert!(after <= BackoffSettings::default().max_retry_after, "{after:?}");
}

/// With a queue on disk nobody waits for an answer: the batches wait, and then all are delivered.
#[tokio::test]
async fn what_waited_for_a_backend_is_sent_when_it_may_be_asked_again() {
    const RESPITE: Duration = Duration::from_millis(100);
    let begun = Instant::now();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let notes = Arc::clone(&asked);
    let (sender, _) = sender(patient(), move |_| {
        let mut asked = notes.lock().expect("no panic");
        asked.push(begun.elapsed());
        if asked.len() > 1 {
            Answer::Accepted
        } else {
            Answer::Retry { after: Some(RESPITE), reason: "busy".to_owned() }
        }
    });
    let all = Told::default();
    let send = |call| sender.send(batch(&all, [call]), ());
    tokio::join!(send(1), send(2), send(3));
    assert_eq!(all.sorted(), told(&[(1, "taken"), (2, "taken"), (3, "taken")]));
    let asked = asked.lock().expect("no panic");
    assert!(asked.len() == 4 && asked.iter().skip(1).all(|at| *at >= RESPITE), "{asked:?}");
}
