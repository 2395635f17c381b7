//! How fast something is given back, and so how long somebody who finds no room is to stay away.
//!
//! It is what was given back in the last ten to twenty seconds, divided by that time: nothing is foreseen, and whoever
//! else waits is not looked at. Adding to it takes no lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Sooner is not worth a sender's while.
pub const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
/// Later, senders have given up; so long where nothing tells how long it takes.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);

/// Bytes that were given back of late.
#[derive(Debug)]
pub struct Pace {
    begun: Instant,
    /// The span of time that is under way, the one before, and one that is over. Each is a number with its span's in the
    /// upper bits, so that it is known whose bytes it counts.
    spans: [AtomicU64; SPANS],
}

const SPANS: usize = 3;
const SPAN: Duration = Duration::from_secs(10);
const BYTES_BITS: u32 = 40;
const BYTES_MASK: u64 = (1 << BYTES_BITS) - 1;
const SPAN_MASK: u64 = u64::MAX >> BYTES_BITS;

impl Default for Pace {
    fn default() -> Self {
        Self::since(Instant::now())
    }
}

impl Pace {
    fn since(begun: Instant) -> Self {
        Self { begun, spans: Default::default() }
    }

    /// So many bytes were given back now.
    pub fn add(&self, bytes: u64) {
        self.add_at(bytes, Instant::now());
    }

    /// After how long so many bytes will have been given back, if it goes on so. None when nothing was of late.
    #[must_use]
    pub fn time_for(&self, bytes: u64) -> Option<Duration> {
        self.time_for_at(bytes, Instant::now())
    }

    fn add_at(&self, bytes: u64, now: Instant) {
        let number = self.number(now);
        let Some(span) = self.span(number) else { return };
        let added = |before: u64| {
            let so_far = if before >> BYTES_BITS == number { before & BYTES_MASK } else { 0 };
            Some((number << BYTES_BITS) | so_far.saturating_add(bytes).min(BYTES_MASK))
        };
        let _always = span.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
    }

    fn time_for_at(&self, bytes: u64, now: Instant) -> Option<Duration> {
        let number = self.number(now);
        let given_back = self.bytes_of(number) + number.checked_sub(1).map_or(0, |before| self.bytes_of(before));
        if given_back == 0 {
            return None;
        }
        let age = now.saturating_duration_since(self.begun);
        let into_span = Duration::from_secs(age.as_secs() % SPAN.as_secs());
        let watched = age.min(SPAN + into_span).max(RETRY_AFTER_MIN);
        let seconds = watched.as_secs_f64() * bytes as f64 / given_back as f64;
        let time = Duration::try_from_secs_f64(seconds).unwrap_or(RETRY_AFTER_MAX);
        Some(time.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
    }

    fn number(&self, now: Instant) -> u64 {
        // It begins anew after five years.
        (now.saturating_duration_since(self.begun).as_secs() / SPAN.as_secs()) & SPAN_MASK
    }

    fn span(&self, number: u64) -> Option<&AtomicU64> {
        self.spans.get(usize::try_from(number).ok()? % SPANS)
    }

    fn bytes_of(&self, number: u64) -> u64 {
        let span = self.span(number).map_or(0, |span| span.load(Ordering::Relaxed));
        if span >> BYTES_BITS == number { span & BYTES_MASK } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_follows_from_what_was_given_back_of_late() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let pace = Pace::since(begun);
        assert_eq!(pace.time_for_at(1, at(1)), None, "nothing was given back");
        pace.add_at(1000, at(5));
        assert_eq!(pace.time_for_at(2000, at(5)), Some(Duration::from_secs(10)), "a thousand in five seconds");
        pace.add_at(1000, at(12));
        assert_eq!(pace.time_for_at(2000, at(12)), Some(Duration::from_secs(12)), "two thousand in twelve");
        assert_eq!(pace.time_for_at(1000, at(25)), Some(Duration::from_secs(15)), "the first is forgotten");
        assert_eq!(pace.time_for_at(1000, at(30)), None, "so is the second");
        pace.add_at(5, at(31));
        assert_eq!(pace.time_for_at(5, at(31)), Some(Duration::from_secs(11)), "what was counted before is not");
    }

    #[test]
    fn a_time_is_between_a_second_and_five_minutes() {
        let begun = Instant::now();
        let pace = Pace::since(begun);
        pace.add_at(1000, begun);
        assert_eq!(pace.time_for_at(0, begun), Some(RETRY_AFTER_MIN));
        assert_eq!(pace.time_for_at(1000, begun), Some(RETRY_AFTER_MIN));
        assert_eq!(pace.time_for_at(300_000, begun), Some(RETRY_AFTER_MAX));
        assert_eq!(pace.time_for_at(u64::MAX, begun), Some(RETRY_AFTER_MAX));
        pace.add_at(u64::MAX, begun);
        assert_eq!(pace.time_for_at(1, begun), Some(RETRY_AFTER_MIN));
    }
}
