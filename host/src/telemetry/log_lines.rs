//! How many lines the log gets of what is refused: who asks a thousand times a second is to fill no disk.

use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one source, or of one route.
pub(crate) struct LogLines(Mutex<Window>);

struct Window {
    begun: Instant,
    lines: u32,
    omitted: u64,
}

/// More than a person reads.
const LINES_MAX: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);

impl Default for LogLines {
    fn default() -> Self {
        Self(Mutex::new(Window { begun: Instant::now(), lines: 0, omitted: 0 }))
    }
}

impl LogLines {
    /// Whether there is room for one more: then how many were left out since the last one, if any were.
    pub(crate) fn next(&self, now: Instant) -> Option<Option<NonZeroU64>> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(window.begun) >= WINDOW {
            window.begun = now;
            window.lines = 0;
        }
        if window.lines >= LINES_MAX {
            window.omitted += 1;
            return None;
        }
        window.lines += 1;
        Some(NonZeroU64::new(std::mem::take(&mut window.omitted)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_with_the_next_line() {
        let (lines, begun) = (LogLines::default(), Instant::now());
        for _ in 0..LINES_MAX {
            assert_eq!(lines.next(begun), Some(None));
        }
        assert_eq!((lines.next(begun), lines.next(begun)), (None, None));
        assert_eq!(lines.next(begun + WINDOW), Some(NonZeroU64::new(2)));
        assert_eq!(lines.next(begun + WINDOW), Some(None));
    }
}
