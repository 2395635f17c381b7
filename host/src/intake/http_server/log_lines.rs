//! How many lines the log gets of requests that are refused: who asks a thousand times a second is to fill no disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines of one source.
pub(super) struct LogLines(Mutex<Window>);

struct Window {
    begun: Instant,
    lines: u32,
    omitted: u64,
}

/// More than a person reads.
const LINES_MAX: u32 = 100;
const WINDOW: Duration = Duration::from_secs(10);

impl LogLines {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Window { begun: Instant::now(), lines: 0, omitted: 0 }))
    }

    /// Whether there is room for one more: then how many were left out since the last one.
    pub(super) fn next(&self, now: Instant) -> Option<u64> {
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
        Some(std::mem::take(&mut window.omitted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_told_with_the_next_line() {
        let (lines, begun) = (LogLines::new(), Instant::now());
        for _ in 0..LINES_MAX {
            assert_eq!(lines.next(begun), Some(0));
        }
        assert_eq!((lines.next(begun), lines.next(begun)), (None, None));
        assert_eq!(lines.next(begun + WINDOW), Some(2));
        assert_eq!(lines.next(begun + WINDOW), Some(0));
    }
}
