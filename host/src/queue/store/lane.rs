//! A way through the log of records: up to where it was taken, and what of that is not settled yet.

use super::rows::LaneRow;
use std::collections::BTreeSet;

/// Records are taken in the order of their ids and settled in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::queue) struct Lane {
    /// The next record to be taken.
    next: u64,
    /// Taken, and not settled.
    open: BTreeSet<u64>,
    /// The first record that does not belong to it, if it ends.
    end: Option<u64>,
    /// Its records are delivered once more, whether they were before or not.
    is_replay: bool,
}

impl Lane {
    /// One that begins here.
    pub(in crate::queue) fn from(next: u64, end: Option<u64>) -> Self {
        Lane { next, open: BTreeSet::new(), end, is_replay: false }
    }

    /// One that delivers history once more, from here to there.
    pub(in crate::queue) fn replay(next: u64, end: u64) -> Self {
        Lane { is_replay: true, ..Lane::from(next, Some(end)) }
    }

    pub(in crate::queue) fn is_replay(&self) -> bool {
        self.is_replay
    }

    /// It ends here from now on, if it does not end before.
    pub(in crate::queue) fn end_at(&mut self, end: u64) {
        self.end = Some(self.end.map_or(end, |before| before.min(end)));
    }

    pub(in crate::queue) fn next(&self) -> u64 {
        self.next
    }

    pub(in crate::queue) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Taken and not settled, in order.
    pub(in crate::queue) fn open(&self) -> impl Iterator<Item = u64> + '_ {
        self.open.iter().copied()
    }

    pub(in crate::queue) fn is_open(&self, id: u64) -> bool {
        self.open.contains(&id)
    }

    #[cfg(test)]
    pub(in crate::queue) fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Every record before this one is settled.
    pub(in crate::queue) fn floor(&self) -> u64 {
        self.open.first().copied().unwrap_or(self.next)
    }

    /// Whether there is nothing left of it.
    pub(in crate::queue) fn is_done(&self) -> bool {
        self.end.is_some_and(|end| self.floor() >= end)
    }

    /// A record that is taken now. Records between the last one and this are of no concern.
    pub(in crate::queue) fn take(&mut self, id: u64) {
        self.open.insert(id);
        self.pass_to(id + 1);
    }

    /// Nothing before this record is to be taken any more.
    pub(in crate::queue) fn pass_to(&mut self, next: u64) {
        self.next = self.next.max(self.end.map_or(next, |end| next.min(end)));
    }

    /// True if it was taken and not settled.
    pub(in crate::queue) fn settle(&mut self, id: u64) -> bool {
        self.open.remove(&id)
    }

    /// Gives up whatever lies before this record; says which of those had been taken.
    pub(in crate::queue) fn give_up_before(&mut self, id: u64) -> BTreeSet<u64> {
        let kept = self.open.split_off(&id);
        self.next = self.next.max(id);
        std::mem::replace(&mut self.open, kept)
    }

    pub(in crate::queue) fn to_row(&self) -> LaneRow {
        let mut open: Vec<u64> = Vec::new();
        for id in &self.open {
            match open.last_mut() {
                Some(last) if *last + 1 == *id => *last = *id,
                _ => open.extend([*id, *id]),
            }
        }
        LaneRow { next: self.next, open, end: self.end.unwrap_or(0), is_replay: self.is_replay }
    }

    pub(in crate::queue) fn of_row(row: &LaneRow) -> Self {
        // A row that was damaged and still reads must not take all memory: what is open is bounded.
        const OPEN_MAX: usize = 1_000_000;
        let stretches = row.open.as_chunks::<2>().0;
        let open = stretches.iter().flat_map(|[first, last]| *first..=*last).take(OPEN_MAX).collect();
        Lane { next: row.next, open, end: Some(row.end).filter(|end| *end > 0), is_replay: row.is_replay }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_floor_is_the_first_that_is_not_settled() {
        let mut lane = Lane::from(1, None);
        (1..=5).for_each(|id| lane.take(id));
        assert_eq!((lane.floor(), lane.next()), (1, 6));
        assert!(lane.settle(2) && !lane.settle(2));
        assert_eq!(lane.floor(), 1);
        assert!(lane.settle(1));
        assert_eq!(lane.floor(), 3);
        lane.pass_to(10);
        [3, 4, 5].into_iter().for_each(|id| assert!(lane.settle(id)));
        assert_eq!(lane.floor(), 10);
        assert!(!lane.is_done(), "it does not end");
    }

    #[test]
    fn one_that_ends_is_done_when_all_before_its_end_is_settled() {
        let mut lane = Lane::from(3, Some(5));
        lane.take(3);
        lane.take(4);
        lane.settle(4);
        assert!(!lane.is_done());
        lane.settle(3);
        assert!(lane.is_done());
    }

    #[test]
    fn what_is_given_up_is_told() {
        let mut lane = Lane::from(1, None);
        [1, 2, 7].into_iter().for_each(|id| lane.take(id));
        assert_eq!(lane.give_up_before(5), BTreeSet::from([1, 2]));
        assert_eq!((lane.floor(), lane.next()), (7, 8));
        assert_eq!(lane.give_up_before(20), BTreeSet::from([7]));
        assert_eq!((lane.floor(), lane.next()), (20, 20));
    }

    #[test]
    fn a_row_holds_all_of_it_as_stretches() {
        let mut lane = Lane::from(1, Some(99));
        [1, 2, 3, 5, 8, 9].into_iter().for_each(|id| lane.take(id));
        let row = lane.to_row();
        assert_eq!(row, LaneRow { next: 10, open: vec![1, 3, 5, 5, 8, 9], end: 99, is_replay: false });
        assert_eq!(Lane::of_row(&row), lane);
        assert_eq!(
            Lane::of_row(&LaneRow { next: 4, open: vec![0, u64::MAX], ..LaneRow::default() }).open_count(),
            1_000_000
        );
    }
}
