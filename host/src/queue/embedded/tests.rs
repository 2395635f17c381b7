use super::*;
use crate::queue::Settlement;
use crate::telemetry::Health;
use std::sync::mpsc;
use tokio::time::timeout;

/// A queue with one consumer, in a folder of its own.
pub(super) struct Fixture {
    pub(super) queue: EmbeddedQueue,
    pub(super) consumer: EmbeddedConsumer,
    entrance: EmbeddedEntrance,
    health: Health,
    _folder: tempfile::TempDir,
}

pub(super) const CONSUMER: &str = "calls/sink";
/// What takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

impl Fixture {
    pub(super) fn new(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (metrics, health) = (Metrics::new().expect("metrics"), Health::default());
        let joining = Joining {
            name: CONSUMER.to_owned(),
            sources: vec!["source".to_owned()],
            settings: ConsumerSettings::default(),
            mapping: "mapping".to_owned(),
        };
        let surroundings = Surroundings { metrics: &metrics, health: health.part("queue", "queue") };
        let opened = EmbeddedQueue::open(&folder.path().join("queue"), settings, vec![joining], surroundings);
        let (queue, consumers) = opened.expect("a new queue");
        let consumer = consumers.into_iter().next().expect("one");
        let entrance = queue.entrance("source", Room::default());
        Fixture { queue, consumer, entrance, health, _folder: folder }
    }

    /// Has these records stored.
    pub(super) async fn append(&self, bodies: &[&str]) {
        let receipts: Vec<Receipt> =
            bodies.iter().map(|body| self.entrance.append(record(body), None).expect("there is room")).collect();
        for receipt in receipts {
            assert_eq!(receipt.await, Settlement::Acknowledged);
        }
    }
}

fn record(body: &str) -> Record {
    Record { body: body.to_owned().into(), metadata: Vec::new() }
}

/// The library may panic. Then senders are told that nothing is taken in, those that wait get an answer, whoever looks at
/// the health sees why, and the queue can be closed.
#[tokio::test]
async fn a_panic_of_the_thread_is_told_and_nobody_waits_for_it() {
    let fixture = Fixture::new(Settings::default());
    let (has_begun, begun) = mpsc::channel();
    let (let_go, may_go) = mpsc::channel::<()>();
    fixture.queue.shared.inbox.add(|waiting| {
        waiting.errands.push(Box::new(move |_| {
            has_begun.send(()).expect("the test waits for it");
            may_go.recv().expect("the test says so");
            panic!("as the library may");
        }));
    });
    begun.recv_timeout(PATIENCE).expect("errands are run");
    let receipt = fixture.entrance.append(record("a"), None).expect("nothing is known yet");
    let_go.send(()).expect("the errand waits for it");
    let answer = timeout(PATIENCE, receipt).await.expect("it is answered");
    assert!(matches!(answer, Settlement::RetryAfter(_)), "{answer:?}");
    assert_eq!(fixture.entrance.append(record("b"), None).err(), Some(Refused::Broken));
    let trouble = fixture.health.states().remove(0).trouble;
    assert!(trouble.as_deref().is_some_and(|trouble| trouble.contains("panicked")), "{trouble:?}");
    fixture.queue.close();
}
