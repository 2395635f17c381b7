//! What the records of all files together may take, while they wait and while they are under way.
//!
//! How much of it a single file may have is the window's affair, and which file comes next is the follower's.

use super::lines::Room;
use crate::intake::under_way;

/// Records of one source that may be waiting and under way at a time, from all files.
pub(super) const RECORDS_MAX: usize = 1024;
/// Bytes of these records; a single record may be larger.
pub(super) const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What was read and is not settled.
#[derive(Debug, Default)]
pub(super) struct Budget {
    records: usize,
    bytes: usize,
}

impl Budget {
    /// How much more may be read, if it is enough for a file to be worth reading.
    pub(super) fn room(&self) -> Option<Room> {
        let room =
            Room { records: RECORDS_MAX.saturating_sub(self.records), bytes: BYTES_MAX.saturating_sub(self.bytes) };
        (room.records >= under_way::RECORDS_MAX / 2 && room.bytes >= under_way::BYTES_MAX / 2).then_some(room)
    }

    /// A record of so many bytes was read.
    pub(super) fn take(&mut self, bytes: usize) {
        self.records += 1;
        self.bytes += bytes;
    }

    /// A record of so many bytes is settled.
    pub(super) fn give_back(&mut self, bytes: usize) {
        self.records = self.records.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_records_and_bytes_of_all_files() {
        let mut budget = Budget::default();
        assert_eq!(budget.room(), Some(Room { records: RECORDS_MAX, bytes: BYTES_MAX }));
        for _ in 0..RECORDS_MAX - under_way::RECORDS_MAX / 2 {
            assert!(budget.room().is_some());
            budget.take(1);
        }
        assert!(budget.room().is_some());
        budget.take(1);
        assert_eq!(budget.room(), None);
        budget.give_back(1);
        assert!(budget.room().is_some());

        let mut budget = Budget::default();
        budget.take(BYTES_MAX - under_way::BYTES_MAX / 2);
        assert!(budget.room().is_some());
        budget.take(BYTES_MAX);
        assert_eq!(budget.room(), None);
        budget.give_back(BYTES_MAX);
        assert!(budget.room().is_some());
    }
}
