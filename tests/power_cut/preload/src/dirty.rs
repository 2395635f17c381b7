//! The bytes of a file that were changed since its last sync.

use std::ops::Range;

/// Ranges of bytes, in their order, which neither overlap nor touch. One that has no upper end reaches `u64::MAX`; what
/// lies past the end of the file is of no account.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    ranges: Vec<Range<u64>>,
}

impl Dirty {
    /// Everything.
    pub(crate) fn all() -> Self {
        let mut dirty = Self::default();
        dirty.add(0..u64::MAX);
        dirty
    }

    /// Adds a range.
    pub(crate) fn add(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        // Mostly it is the last range that grows, or a new last one.
        let first = self.ranges.partition_point(|other| other.end < range.start);
        let after = self.ranges.partition_point(|other| other.start <= range.end);
        let joined = self.ranges.get(first..after).unwrap_or_default().iter().cloned().fold(range, join);
        self.ranges.splice(first..after, [joined]);
    }

    /// The ranges, as far as a file of this length has them.
    pub(crate) fn within(self, length: u64) -> impl Iterator<Item = Range<u64>> {
        let cut = move |range: Range<u64>| range.start..range.end.min(length);
        self.ranges.into_iter().map(cut).filter(|range| !range.is_empty())
    }
}

fn join(one: Range<u64>, other: Range<u64>) -> Range<u64> {
    one.start.min(other.start)..one.end.max(other.end)
}

#[cfg(test)]
mod tests {
    use super::Dirty;

    fn after(added: &[(u64, u64)], length: u64) -> Vec<(u64, u64)> {
        let mut dirty = Dirty::default();
        for (start, end) in added {
            dirty.add(*start..*end);
        }
        dirty.within(length).map(|range| (range.start, range.end)).collect()
    }

    #[test]
    fn ranges_that_touch_become_one() {
        assert_eq!(after(&[(0, 2), (2, 4), (9, 10)], 100), [(0, 4), (9, 10)]);
        assert_eq!(after(&[(9, 10), (0, 2), (2, 9)], 100), [(0, 10)]);
        assert_eq!(after(&[(0, 2), (4, 6), (8, 10), (1, 9)], 100), [(0, 10)]);
    }

    #[test]
    fn ranges_that_do_not_touch_stay_in_order() {
        assert_eq!(after(&[(8, 10), (0, 2), (4, 6)], 100), [(0, 2), (4, 6), (8, 10)]);
    }

    #[test]
    fn what_lies_past_the_end_is_left_out() {
        assert_eq!(after(&[(3, 3), (4, u64::MAX)], 6), [(4, 6)]);
        assert_eq!(after(&[(4, u64::MAX)], 4), []);
    }
}
