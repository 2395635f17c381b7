//! Whether the clock can be true. No network is asked: a clock that stands before this program was made is wrong.

use super::finding::Finding;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const CHECK: &str = "clock";
/// No version of this program is older: the first day of 2026.
const EARLIEST: Duration = Duration::from_secs(1_767_225_600);
/// Clocks of machines that files came from may have been ahead.
const TOLERANCE: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn check() -> Finding {
    let program = std::env::current_exe().and_then(fs::metadata).and_then(|file| file.modified());
    judge(SystemTime::now(), program.ok())
}

/// What to think of a clock, by when this program was written to the disk.
fn judge(now: SystemTime, program: Option<SystemTime>) -> Finding {
    let shown = humantime::format_rfc3339_seconds(now);
    let remedy = "set the clock, or have it set by NTP: times of receipt, retention and the window for repeated \
                  records go by it";
    if now < UNIX_EPOCH + EARLIEST {
        return Finding::error(CHECK, format!("it is {shown}, before this version was made"), remedy);
    }
    match program {
        Some(program) if program > now + TOLERANCE => {
            let program = humantime::format_rfc3339_seconds(program);
            Finding::warning(CHECK, format!("it is {shown}, before this program was written ({program})"), remedy)
        }
        _ => Finding::ok(CHECK, format!("it is {shown}, which can be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::finding::Status;

    #[test]
    fn a_clock_before_the_program_cannot_be_true() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let day = 24 * 60 * 60;
        let earliest = EARLIEST.as_secs();
        for (now, program, expected) in [
            (0, None, Status::Error),
            (earliest - 1, None, Status::Error),
            (earliest, None, Status::Ok),
            (earliest, Some(0), Status::Ok),
            (earliest, Some(earliest + day), Status::Ok),
            (earliest, Some(earliest + day + 1), Status::Warning),
        ] {
            let finding = judge(at(now), program.map(at));
            assert_eq!(finding.status(), expected, "{now} {program:?}");
        }
    }
}
