//! Points in time. The vendor writes Unix seconds; some senders write finer units, told by the size of the number.

/// Nanoseconds since 1970-01-01T00:00:00Z, between the years 2000 and 2100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(u64);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// 2000-01-01T00:00:00Z, inclusive.
const EARLIEST_SECOND: u64 = 946_684_800;
/// 2100-01-01T00:00:00Z, inclusive.
const LATEST_SECOND: u64 = 4_102_444_800;
const NANOSECONDS_PER_SECOND: i64 = 1_000_000_000;

impl Time {
    /// The time that a number of seconds or, if it is too large for that, of a finer unit means. The ranges of the
    /// units do not touch, so there is never a choice.
    pub(crate) fn guess(number: i64) -> Option<(Time, TimeUnit)> {
        [TimeUnit::Seconds, TimeUnit::Milliseconds, TimeUnit::Microseconds, TimeUnit::Nanoseconds]
            .into_iter()
            .find_map(|unit| Time::in_unit(number, unit).map(|time| (time, unit)))
    }

    pub(crate) fn from_milliseconds(number: i64) -> Option<Time> {
        Time::in_unit(number, TimeUnit::Milliseconds)
    }

    fn in_unit(number: i64, unit: TimeUnit) -> Option<Time> {
        let per_second: u64 = match unit {
            TimeUnit::Seconds => 1,
            TimeUnit::Milliseconds => 1_000,
            TimeUnit::Microseconds => 1_000_000,
            TimeUnit::Nanoseconds => 1_000_000_000,
        };
        let number = u64::try_from(number).ok()?;
        let range = EARLIEST_SECOND * per_second..=LATEST_SECOND * per_second;
        range.contains(&number).then(|| Time(number * (1_000_000_000 / per_second)))
    }

    pub(crate) fn unix_nano(self) -> u64 {
        self.0
    }

    /// Whole seconds from the other time to this one, rounded down; negative when this one is earlier.
    pub(crate) fn seconds_since(self, other: Time) -> i64 {
        (self.0.cast_signed() - other.0.cast_signed()).div_euclid(NANOSECONDS_PER_SECOND)
    }

    /// The same, where only a span of time that does not run backwards makes sense.
    pub(crate) fn seconds_after(self, other: Time) -> Option<i64> {
        (self >= other).then(|| self.seconds_since(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_inclusive_in_every_unit() {
        for (per_second, unit) in [
            (1, TimeUnit::Seconds),
            (1_000, TimeUnit::Milliseconds),
            (1_000_000, TimeUnit::Microseconds),
            (1_000_000_000, TimeUnit::Nanoseconds),
        ] {
            let (earliest, latest) = (946_684_800 * per_second, 4_102_444_800 * per_second);
            assert_eq!(Time::guess(earliest), Some((Time(946_684_800_000_000_000), unit)));
            assert_eq!(Time::guess(latest), Some((Time(4_102_444_800_000_000_000), unit)));
            assert_eq!(Time::guess(earliest - 1), None);
            assert_eq!(Time::guess(latest + 1), None);
        }
    }

    #[test]
    fn no_number_overflows() {
        for number in [i64::MIN, -1, 1, i64::MAX] {
            assert_eq!(Time::guess(number), None);
        }
    }

    #[test]
    fn seconds_are_rounded_down() {
        let (early, late) = (Time(946_684_800_900_000_000), Time(946_684_803_800_000_000));
        assert_eq!(late.seconds_since(early), 2);
        assert_eq!(early.seconds_since(late), -3);
        assert_eq!(early.seconds_after(late), None);
        assert_eq!(late.seconds_after(early), Some(2));
    }
}
