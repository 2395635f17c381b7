//! How a plugin did with its last records, and when that is too bad to go on.

/// So many of the last records are looked at.
pub(super) const RECORDS: u32 = 30;
/// When it failed so many of them, it is more likely at fault than each of them.
pub(super) const FAILURES: u32 = 25;

/// Whether the plugin failed each of its last records: a bit for each, the last one lowest.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Conduct(u32);

impl Conduct {
    /// It has mapped one more, or refused it as a mapping may.
    pub(super) fn worked(&mut self) {
        self.note(0);
    }

    /// It has failed one more.
    pub(super) fn failed(&mut self) {
        self.note(1);
    }

    /// Whether it is to be held.
    pub(super) fn is_bad(self) -> bool {
        self.0.count_ones() >= FAILURES
    }

    fn note(&mut self, bit: u32) {
        const LOOKED_AT: u32 = (1 << RECORDS) - 1;
        self.0 = (self.0 << 1 | bit) & LOOKED_AT;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(records: impl IntoIterator<Item = bool>) -> Conduct {
        let mut conduct = Conduct::default();
        for has_failed in records {
            if has_failed { conduct.failed() } else { conduct.worked() }
        }
        conduct
    }

    fn run(failures: usize, successes: usize) -> impl Iterator<Item = bool> {
        std::iter::repeat_n(true, failures).chain(std::iter::repeat_n(false, successes))
    }

    #[test]
    fn twenty_four_failures_are_not_too_many_and_twenty_five_are() {
        assert!(!after(run(24, 0)).is_bad());
        assert!(after(run(25, 0)).is_bad());
    }

    #[test]
    fn the_last_thirty_records_count_and_no_others() {
        assert!(after(run(25, 5)).is_bad());
        assert!(!after(run(25, 6)).is_bad());
        assert!(!after(run(1000, 6)).is_bad());
        assert!(!after(run(1, 30).chain(run(24, 0))).is_bad());
    }

    #[test]
    fn where_the_failures_stand_among_them_makes_no_difference() {
        let every_sixth_works = |records: u32| after((1..=records).map(|record| record % 6 != 0));
        assert!(every_sixth_works(30).is_bad());
        assert!(!after((0..1000).map(|record| record % 2 == 0)).is_bad());
    }
}
