//! Deadlines for guests.
//!
//! A guest is interrupted by the clock on the wall but judged by the clock of its thread: a machine that was paused,
//! or is busy with something else, condemns nobody.

use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;
use wasmtime::UpdateDeadline;

/// How often a running guest is looked at.
const TICK: Duration = Duration::from_millis(10);

/// Moves the engine's epoch while guests run, and sleeps while none does.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// The thread, to be woken.
    handle: Thread,
}

struct Shared {
    running_guests: AtomicUsize,
    is_stopped: AtomicBool,
}

/// Keeps the clock ticking for as long as it lives.
pub(super) struct Ticking<'t>(&'t Ticker);

impl Ticker {
    pub(super) fn start(engine: wasmtime::Engine) -> io::Result<Self> {
        let shared = Arc::new(Shared { running_guests: AtomicUsize::new(0), is_stopped: AtomicBool::new(false) });
        let ticking = Arc::clone(&shared);
        let thread =
            std::thread::Builder::new().name("callspan-epoch".to_owned()).spawn(move || ticking.run(&engine))?;
        Ok(Ticker { shared, handle: thread.thread().clone(), thread: Some(thread) })
    }

    pub(super) fn tick_while_running(&self) -> Ticking<'_> {
        if self.shared.running_guests.fetch_add(1, Ordering::Relaxed) == 0 {
            self.handle.unpark();
        }
        Ticking(self)
    }
}

impl Shared {
    fn run(&self, engine: &wasmtime::Engine) {
        while !self.is_stopped.load(Ordering::Relaxed) {
            if self.running_guests.load(Ordering::Relaxed) == 0 {
                std::thread::park();
            } else {
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        }
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.shared.running_guests.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
        self.handle.unpark();
        if let Some(thread) = self.thread.take() {
            // The thread cannot panic: it only sleeps and counts.
            let _joined = thread.join();
        }
    }
}

/// Lets the guest of this store compute for this long, counted in the time of the calling thread.
pub(super) fn set<T: 'static>(store: &mut wasmtime::Store<T>, budget: Duration) {
    let started = thread_time();
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        let is_over = thread_time().saturating_sub(started) > budget;
        Ok(if is_over { UpdateDeadline::Interrupt } else { UpdateDeadline::Continue(1) })
    });
}

/// How long the calling thread has computed.
fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}
