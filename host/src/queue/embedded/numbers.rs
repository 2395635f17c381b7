//! The queue in numbers, for whoever watches it.

use crate::queue::Durability;
use crate::queue::store::{Store, Tally, locked};
use crate::telemetry::{Component, Counter, Gauge, Metrics, metric};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) struct Numbers {
    metrics: Arc<Metrics>,
    consumers: HashMap<String, OfConsumer>,
    bytes: Gauge,
    disk: Gauge,
    letters: Gauge,
    letter_bytes: Gauge,
    duplicate_pushes: Counter,
    expired_letters: Counter,
    expired_history: Counter,
    last: Tally,
    /// The disk is looked at now and then.
    turns: u32,
}

/// All of a consumer's records: what was received is what became of them, and what waits.
struct OfConsumer {
    received: Counter,
    waiting: Gauge,
    outcomes: [Counter; 8],
}

const OUTCOMES: [&str; 8] =
    ["delivered", "skipped", "duplicate", "superseded", "dead_lettered", "dropped", "damaged", "erased"];
const TURNS_BETWEEN_LOOKS: u32 = 64;

impl Numbers {
    pub(super) fn new(metrics: &Arc<Metrics>, store: &Store) -> Self {
        let durability = match store.settings().durability {
            Durability::Fsync => "fsync",
            Durability::Interval(_) => "interval",
            Durability::Memory => "memory",
        };
        let queue = metrics.component("queue", "disk", "queue");
        queue.gauge(metric::QUEUE_INFO, &[("durability", durability)]).set(1);
        tracing::info!(folder = %store.folder().display(), durability, "the queue is open");
        let gauge = |which| queue.gauge(which, &[]);
        let counter = |which| queue.counter(which, &[]);
        Numbers {
            metrics: Arc::clone(metrics),
            consumers: HashMap::new(),
            bytes: gauge(metric::QUEUE_BYTES),
            disk: gauge(metric::QUEUE_DISK_BYTES),
            letters: gauge(metric::DEAD_LETTERS),
            letter_bytes: gauge(metric::DEAD_LETTER_BYTES),
            duplicate_pushes: counter(metric::DUPLICATE_PUSHES),
            expired_letters: counter(metric::EXPIRED_DEAD_LETTERS),
            expired_history: counter(metric::EXPIRED_HISTORY),
            last: Tally::default(),
            turns: 0,
        }
    }

    /// Shows how things stand, all at one moment.
    pub(super) fn publish(&mut self, store: &Store) {
        let metrics = Arc::clone(&self.metrics);
        metrics.at_once(|| self.set(store));
    }

    fn set(&mut self, store: &Store) {
        for (name, numbers) in &self.consumers {
            if !store.followers().any(|follower| locked(follower).name == *name) {
                // It was forgotten.
                numbers.waiting.set(0);
            }
        }
        for follower in store.followers() {
            let follower = locked(follower);
            let numbers = self.consumers.entry(follower.name.clone());
            let numbers = numbers.or_insert_with(|| OfConsumer::new(&self.metrics, &follower.name));
            let counts = &follower.counts;
            numbers.received.raise_to(counts.received);
            numbers.waiting.set(follower.waiting());
            let outcomes = [
                counts.delivered,
                counts.skipped,
                counts.duplicates,
                counts.superseded,
                counts.dead_lettered,
                counts.dropped,
                counts.damaged,
                counts.erased,
            ];
            numbers.outcomes.iter().zip(outcomes).for_each(|(counter, count)| counter.raise_to(count));
        }
        let (letters, letter_bytes) = store.letter_totals();
        self.letters.set(letters);
        self.letter_bytes.set(letter_bytes);
        self.bytes.set(store.bytes());
        if self.turns.is_multiple_of(TURNS_BETWEEN_LOOKS) {
            self.disk.set(store.disk_space());
        }
        self.turns = self.turns.wrapping_add(1);
        let tally = store.tally();
        self.duplicate_pushes.add(tally.duplicate_pushes - self.last.duplicate_pushes);
        self.expired_letters.add(tally.expired_letters - self.last.expired_letters);
        self.expired_history.add(tally.expired_history - self.last.expired_history);
        self.last = tally;
    }
}

impl OfConsumer {
    fn new(metrics: &Arc<Metrics>, name: &str) -> Self {
        let consumer: Component = metrics.component("consumer", "disk", name);
        OfConsumer {
            received: consumer.counter(metric::CONSUMER_RECEIVED_EVENTS, &[]),
            waiting: consumer.gauge(metric::CONSUMER_WAITING_EVENTS, &[]),
            outcomes: OUTCOMES
                .map(|outcome| consumer.counter(metric::CONSUMER_SETTLED_EVENTS, &[("outcome", outcome)])),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::store::{Arrival, digest};
    use crate::queue::{ConsumerSettings, Settings};
    use crate::record::Record;

    const NOW: u64 = 1_700_000_000_000;

    fn arrival() -> Arrival {
        let record = Record { body: "a".into(), metadata: Vec::new() };
        let digest = digest(&record.body);
        Arrival { source: "source".into(), record, digest, push_id: None, only: Vec::new(), is_replay: false }
    }

    /// Nobody is alarmed for ever by a backlog that was given up.
    #[test]
    fn nothing_waits_for_a_consumer_that_was_forgotten() {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("queue");
        let (mut store, _) = Store::open(&folder, Settings::default(), NOW).expect("a new store");
        let sources = vec!["source".to_owned()];
        store.join("calls/sink", sources, ConsumerSettings::default(), "mapping").expect("it is known now");
        store.admit(&[arrival()], NOW, true).expect("the disk works");
        let metrics = Metrics::new().expect("metrics");
        let mut numbers = Numbers::new(&metrics, &store);
        let shown = |numbers: &Numbers| numbers.consumers.get("calls/sink").map(|it| it.waiting.value());
        numbers.publish(&store);
        assert_eq!(shown(&numbers), Some(1));
        store.forget("calls/sink");
        numbers.publish(&store);
        assert_eq!(shown(&numbers), Some(0));
    }
}
