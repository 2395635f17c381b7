//! How much the queue holds. A record takes its room from when it is appended until it is settled, so the memory of a
//! service is bounded whatever its senders do.

use super::Refused;
use crate::telemetry::{Component, Gauge, metric};

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
}

impl Default for Capacity {
    fn default() -> Self {
        Capacity { records_max: 16_384, bytes_max: 128 * 1024 * 1024 }
    }
}

/// What is taken of a capacity. Clones are the same room.
#[derive(Clone, Debug, Default)]
pub struct Room {
    capacity: Capacity,
    records: Gauge,
    bytes: Gauge,
}

/// The place of one record; it is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    records: Gauge,
    bytes: Gauge,
    /// Of this record.
    size: u64,
}

impl Room {
    /// An empty room of this capacity, which shows what is in it as the metrics of this component.
    pub fn new(capacity: Capacity, component: &Component) -> Self {
        let gauge = |which| component.gauge(which, &[]);
        Room { capacity, records: gauge(metric::BUFFER_EVENTS), bytes: gauge(metric::BUFFER_BYTES) }
    }

    /// How many records are in it.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.value()
    }

    /// How many bytes are in it.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.value()
    }

    /// Takes the place of a record of this size.
    pub(super) fn take(&self, size: usize) -> Result<Place, Refused> {
        let size = size as u64;
        let before = self.records.add(1);
        let bytes_before = self.bytes.add(size);
        // From here on it is given back on every way out.
        let place = Place { records: self.records.clone(), bytes: self.bytes.clone(), size };
        let has_room =
            before < self.capacity.records_max && bytes_before.saturating_add(size) <= self.capacity.bytes_max;
        if has_room || before == 0 { Ok(place) } else { Err(Refused::Full) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.records.subtract(1);
        self.bytes.subtract(self.size);
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
    fn a_record_larger_than_all_is_taken_alone() {
        let room = Room::new(Capacity { records_max: 2, bytes_max: 10 }, &Component::default());
        let _large = room.take(11).expect("nothing else is there");
        assert!(room.take(1).is_err());
    }
}
