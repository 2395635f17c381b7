//! What every sink has, whatever its type: how it takes records out of the queue.

use crate::config::decode::{Options, Table};
use crate::config::duration::Seconds;
use crate::config::value::{Choice, Whole, Word};
use crate::delivery;
use crate::queue::{ConsumerSettings, StartFrom, WhenFull};
use schemars::JsonSchema;

/// How a sink takes records out of the queue.
#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Consumer {
    /// Where it begins when it is new: with what comes from `now` on, or with the `earliest` record that the queue has
    /// kept. No effect with `durability: memory`.
    start_from: Choice<StartFrom>,
    /// What happens when the queue is full and this sink is behind: nothing more is taken in, or the oldest records are
    /// given up for this sink. No effect with `durability: memory`, where nothing more is taken in.
    when_full: Choice<WhenFull>,
    /// How many records go together.
    batch: Batch,
}

#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Batch {
    /// Records in a batch.
    max_events: Whole<1, 4096>,
    /// Bytes of the records in a batch; a single record may be larger.
    max_bytes: Whole<1, 67_108_864>,
    /// How long a batch that is not full waits at most for the one under way to be done, in seconds.
    timeout_secs: Seconds<60>,
}

impl Word for StartFrom {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("now", StartFrom::Now), ("earliest", StartFrom::Earliest)]
    }
}

impl Word for WhenFull {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("reject", WhenFull::Reject), ("drop_oldest", WhenFull::DropOldest)]
    }
}

impl Default for Batch {
    fn default() -> Self {
        let default = delivery::Settings::default();
        Batch {
            max_events: Whole(default.batch_records_max as u64),
            max_bytes: Whole(default.batch_bytes_max as u64),
            timeout_secs: Seconds(default.linger),
        }
    }
}

impl Options for Consumer {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Consumer {
            start_from: table.take("start_from", default.start_from),
            when_full: table.take("when_full", default.when_full),
            batch: table.take("batch", default.batch),
        }
    }
}

impl Options for Batch {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Batch {
            max_events: table.take("max_events", default.max_events),
            max_bytes: table.take("max_bytes", default.max_bytes),
            timeout_secs: table.take("timeout_secs", default.timeout_secs),
        }
    }
}

impl Consumer {
    pub(super) fn plan(self) -> (ConsumerSettings, delivery::Settings) {
        let consumer = ConsumerSettings { start_from: self.start_from.0, when_full: self.when_full.0 };
        let delivery = delivery::Settings {
            batch_records_max: self.batch.max_events.size(),
            batch_bytes_max: self.batch.max_bytes.size(),
            linger: self.batch.timeout_secs.0,
            ..delivery::Settings::default()
        };
        (consumer, delivery)
    }
}
