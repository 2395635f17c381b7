//! Waiting for what is known to come, and for no time that is only hoped to be long enough.

use crate::child::PATIENCE;
use std::thread;
use std::time::{Duration, Instant};

/// Waits until something is so.
///
/// # Panics
/// When it is not so within a minute.
#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "never came: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
