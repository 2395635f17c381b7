//! How much the queue holds. A record takes its room from when it is appended until it is settled, so the memory of a
//! service is bounded whatever its senders do.

use super::{Pace, RETRY_AFTER_MAX, Refused};
use crate::telemetry::{Component, Gauge, metric};
use std::sync::Arc;
use std::time::Duration;

/// How much a queue may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Records that are not settled yet.
    pub records_max: u64,
    /// The bytes of their bodies. A single record may be larger: it is taken when nothing else is there.
    pub bytes_max: u64,
}

impl Capacity {
    /// An equal part of it, one of so many.
    #[must_use]
    pub fn part_of(self, parts: usize) -> Self {
        let parts = parts.max(1) as u64;
        Capacity { records_max: (self.records_max / parts).max(1), bytes_max: (self.bytes_max / parts).max(1) }
    }

    /// Whether there is a place for one more record of this size, beside so many records of so many bytes.
    fn has_place(self, records: u64, bytes: u64, size: u64) -> bool {
        records == 0 || records < self.records_max && bytes.saturating_add(size) <= self.bytes_max
    }
}

impl Capacity {
    /// Of what waits to be written: it does so for as long as the disk takes, and is in memory several times then.
    #[must_use]
    pub fn before_a_disk() -> Self {
        Capacity { bytes_max: 32 * 1024 * 1024, ..Capacity::default() }
    }
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity { records_max: 16_384, bytes_max: 64 * 1024 * 1024 }
    }
}

/// What is taken of a capacity. Clones are the same room.
#[derive(Clone, Debug, Default)]
pub struct Room(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    capacity: Capacity,
    records: Gauge,
    bytes: Gauge,
    /// How fast it is given back.
    pace: Pace,
}

/// The place of one record; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    room: Arc<Shared>,
    /// Of this record.
    size: u64,
}

impl Room {
    /// An empty room of this capacity, which shows what is in it as the metrics of this component.
    pub fn new(capacity: Capacity, component: &Component) -> Self {
        let gauge = |which| component.gauge(which, &[]);
        let (records, bytes) = (gauge(metric::BUFFER_EVENTS), gauge(metric::BUFFER_BYTES));
        Room(Arc::new(Shared { capacity, records, bytes, pace: Pace::default() }))
    }

    /// How many records are in it.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.0.records.value()
    }

    /// How many bytes are in it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.value()
    }

    /// Whether a record of this size would find its place now.
    pub(super) fn check(&self, size: u64) -> Result<(), Refused> {
        let (records, bytes) = (self.records(), self.bytes());
        if self.0.capacity.has_place(records, bytes, size) { Ok(()) } else { Err(Refused::Full) }
    }

    /// After how long so many bytes will have been given back.
    pub(super) fn retry_after(&self, bytes: u64) -> Duration {
        self.0.pace.time_for(bytes).unwrap_or(RETRY_AFTER_MAX)
    }

    /// Takes the place of a record of this size.
    pub(super) fn take(&self, size: usize) -> Result<Place, Refused> {
        let size = size as u64;
        let (before, bytes_before) = (self.0.records.add(1), self.0.bytes.add(size));
        if self.0.capacity.has_place(before, bytes_before, size) {
            return Ok(Place { room: Arc::clone(&self.0), size });
        }
        self.0.give_back(size);
        Err(Refused::Full)
    }
}

impl Shared {
    fn give_back(&self, size: u64) {
        self.records.subtract(1);
        self.bytes.subtract(size);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.room.give_back(self.size);
        self.room.pace.add(self.size);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_bounded_in_records_and_in_bytes_and_given_back() {
        let room = Room::new(Capacity { records_max: 2, bytes_max: 10 }, &Component::default());
        let first = room.take(4).expect("it is empty");
        let second = room.take(6).expect("just so");
        assert!(room.take(0).is_err(), "a third record");
        drop(second);
        assert!(room.take(7).is_err(), "an eleventh byte");
        assert_eq!((room.records(), room.bytes()), (1, 4));
        assert_eq!((room.check(6), room.check(7)), (Ok(()), Err(Refused::Full)));
        drop(first);
        assert_eq!((room.records(), room.bytes()), (0, 0));
    }

    #[test]
    fn parts_are_together_no_more_than_the_whole() {
        let whole = Capacity { records_max: 10, bytes_max: 100 };
        assert_eq!(whole.part_of(3), Capacity { records_max: 3, bytes_max: 33 });
        assert_eq!(whole.part_of(0), whole);
        assert_eq!(whole.part_of(1000), Capacity { records_max: 1, bytes_max: 1 });
    }

    #[test]
    fn nobody_knows_how_long_it_takes_until_something_was_given_back() {
        let room = Room::new(Capacity::default(), &Component::default());
        let place = room.take(1000).expect("it is empty");
        assert_eq!(room.retry_after(1), RETRY_AFTER_MAX);
        drop(place);
        assert!(room.retry_after(1) < RETRY_AFTER_MAX);
    }

    #[test]
    fn a_record_larger_than_all_is_taken_alone() {
        let room = Room::new(Capacity { records_max: 2, bytes_max: 10 }, &Component::default());
        let _large = room.take(11).expect("nothing else is there");
        assert!(room.take(1).is_err());
    }
}
