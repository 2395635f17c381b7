//! What the process has used: processor time, bytes written, flushes and memory.

use std::ffi::{c_int, c_long};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

static FLUSHES: AtomicU64 = AtomicU64::new(0);

/// What was used since it was made.
pub(crate) struct Meter {
    start: Instant,
    cpu: Duration,
    written_bytes: u64,
    flushes: u64,
}

pub(crate) struct Used {
    pub(crate) time: Duration,
    pub(crate) cpu: Duration,
    pub(crate) written_bytes: u64,
    pub(crate) flushes: u64,
}

impl Meter {
    pub(crate) fn start() -> Self {
        let flushes = FLUSHES.load(Ordering::Relaxed);
        Self { start: Instant::now(), cpu: cpu(), written_bytes: written_bytes(), flushes }
    }

    pub(crate) fn used(&self) -> Used {
        Used {
            time: self.start.elapsed(),
            cpu: cpu() - self.cpu,
            written_bytes: written_bytes() - self.written_bytes,
            flushes: FLUSHES.load(Ordering::Relaxed) - self.flushes,
        }
    }
}

/// The most memory the process ever had resident.
pub(crate) fn peak_bytes() -> u64 {
    field("/proc/self/status", "VmHWM:") * 1024
}

pub(crate) fn resident_bytes() -> u64 {
    field("/proc/self/status", "VmRSS:") * 1024
}

/// User and system time of all threads.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn written_bytes() -> u64 {
    field("/proc/self/io", "write_bytes:")
}

fn field(path: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

// The libraries flush through libc, whose functions these stand in for: flushes of their own threads, of folders and of
// files nobody told us about are counted too.

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    flush(libc::SYS_fsync, fd)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    flush(libc::SYS_fdatasync, fd)
}

fn flush(how: c_long, fd: c_int) -> c_int {
    FLUSHES.fetch_add(1, Ordering::Relaxed);
    // SAFETY: both calls take a descriptor and nothing else, and report a bad one.
    if unsafe { libc::syscall(how, fd) } == 0 { 0 } else { -1 }
}
