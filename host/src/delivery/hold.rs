//! Whether a sink may be sent to: not while its backend wants to be left alone, and it is held while that refuses whatever
//! it is sent, so that a wrong token does not turn a queue into dead letters.
//!
//! A sink is held at once when a refusal names the configuration, and when one trace after another is refused with
//! nothing taken between. While it is held one request goes out at a time, as a probe, and fewer and fewer of them. The
//! first one that is taken ends it.

use super::respite::Respite;
use crate::export::{Backoff, BackoffSettings};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};

/// So many traces refused in a row hold a sink.
pub(super) const REFUSALS_IN_A_ROW: u32 = 5;
/// The longest time between two probes, unless the backend asks for more.
const PROBE_DELAY_MAX: Duration = Duration::from_secs(60);

/// One for each sink, shared by all routes that lead to it.
#[derive(Clone)]
pub struct Hold(Arc<Shared>);

struct Shared {
    respite: Respite,
    state: Mutex<State>,
    seen: watch::Sender<Seen>,
    /// For one probe at a time; whoever has waited longest is next, so that it is not always the same trace.
    probing: Semaphore,
}

/// What others wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Seen {
    is_held: bool,
    past: Past,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// Requests that the backend has taken.
    pub(super) taken: u64,
    /// Times that the sink was held.
    pub(super) holds: u64,
}

struct State {
    /// Traces refused since a request was last taken.
    refused_in_a_row: u32,
    backoff: Backoff,
    /// No probe before that.
    probe_at: Instant,
}

/// The right to send one request.
pub(super) enum Pass<'h> {
    /// To a sink that is not held.
    Free,
    /// A single trace, to see whether the sink is still to be held.
    Probe(#[expect(dead_code, reason = "it is given back when it is dropped")] SemaphorePermit<'h>),
}

impl Default for Hold {
    fn default() -> Self {
        Self::new(BackoffSettings { max_delay: PROBE_DELAY_MAX, ..BackoffSettings::default() })
    }
}

impl Hold {
    /// A sink that is not held, to be probed with these delays if it comes to be.
    #[must_use]
    pub fn new(delays: BackoffSettings) -> Self {
        let backoff = Backoff::new(delays, fastrand::u64(..));
        let state = State { refused_in_a_row: 0, backoff, probe_at: Instant::now() };
        let (state, seen) = (Mutex::new(state), watch::Sender::default());
        let respite = Respite::new(delays.max_retry_after);
        Hold(Arc::new(Shared { respite, state, seen, probing: Semaphore::new(1) }))
    }

    /// Waits until a request may be sent.
    pub(super) async fn pass(&self) -> Pass<'_> {
        loop {
            self.0.respite.over().await;
            if !self.seen().is_held {
                return Pass::Free;
            }
            tokio::select! {
                () = self.ended() => {}
                Some(probe) = self.probe() => return Pass::Probe(probe),
            }
        }
    }

    /// Waits for the turn to probe. None if the sink is held no more then.
    async fn probe(&self) -> Option<SemaphorePermit<'_>> {
        let probe = self.0.probing.acquire().await.ok()?;
        let at = self.state().probe_at;
        sleep_until(at).await;
        // The backend may have asked for more meanwhile, in its answer to what was under way.
        self.0.respite.over().await;
        self.seen().is_held.then_some(probe)
    }

    /// The backend wants to be left alone for so long, by this and every other request.
    pub(super) fn leave_alone(&self, respite: Duration) {
        self.0.respite.ask(respite);
    }

    /// For how long it wants to be left alone.
    pub(super) fn left_alone_for(&self) -> Duration {
        self.0.respite.left()
    }

    async fn ended(&self) {
        // It fails when nobody is left to change it, which is not while somebody waits.
        let mut seen = self.0.seen.subscribe();
        let _ended = seen.wait_for(|seen| !seen.is_held).await;
    }

    pub(super) fn past(&self) -> Past {
        self.seen().past
    }

    /// Waits until more requests than these were taken, or the sink is held.
    pub(super) async fn more_is_known(&self, taken: u64) {
        let mut seen = self.0.seen.subscribe();
        let _known = seen.wait_for(|seen| seen.past.taken > taken || seen.is_held).await;
    }

    /// The backend has taken a request. True when that ends the hold.
    pub(super) fn taken(&self) -> bool {
        let mut state = self.state();
        state.refused_in_a_row = 0;
        state.backoff.reset();
        let mut was_held = false;
        self.0.seen.send_modify(|seen| {
            was_held = seen.is_held;
            seen.is_held = false;
            seen.past.taken += 1;
        });
        was_held
    }

    /// The backend has refused one more trace. True when it has refused so many in a row that the sink is to be held.
    pub(super) fn refused(&self) -> bool {
        let mut state = self.state();
        state.refused_in_a_row = state.refused_in_a_row.saturating_add(1);
        state.refused_in_a_row >= REFUSALS_IN_A_ROW
    }

    /// Holds the sink, or lets it wait longer for the next probe. True when it was not held before.
    pub(super) fn hold(&self, retry_after: Option<Duration>) -> bool {
        let mut state = self.state();
        let delay = state.backoff.next_delay(retry_after);
        let now = Instant::now();
        state.probe_at = now.checked_add(delay).unwrap_or(now);
        let mut is_news = false;
        self.0.seen.send_modify(|seen| {
            is_news = !seen.is_held;
            seen.is_held = true;
            seen.past.holds += u64::from(is_news);
        });
        is_news
    }

    fn seen(&self) -> Seen {
        *self.0.seen.borrow()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass<'_> {
    pub(super) fn is_probe(&self) -> bool {
        matches!(self, Self::Probe(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Waker};
    use tokio::time::timeout;

    /// Looks at a future once.
    fn is_ready<F: Future>(future: F) -> bool {
        pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    fn eager() -> Hold {
        Hold::new(BackoffSettings { initial_delay: Duration::ZERO, ..BackoffSettings::default() })
    }

    #[tokio::test]
    async fn one_probe_goes_out_at_a_time_and_the_first_that_is_taken_lets_all_pass() {
        let hold = eager();
        assert!(!hold.pass().await.is_probe());
        assert!(hold.hold(None), "that is news");
        assert!(!hold.hold(None));
        let probe = hold.pass().await;
        assert!(probe.is_probe() && !is_ready(hold.pass()), "the others wait");
        drop(probe);
        assert!(hold.pass().await.is_probe());
        assert!(hold.taken() && !hold.taken());
        assert!(!hold.pass().await.is_probe());
    }

    #[tokio::test]
    async fn a_probe_waits_for_as_long_as_the_backend_asks() {
        let hold = eager();
        hold.hold(Some(Duration::from_secs(300)));
        assert!(!is_ready(hold.pass()));
    }

    #[tokio::test]
    async fn five_refusals_in_a_row_are_too_many_and_one_success_between_begins_a_new_row() {
        let hold = eager();
        let refusals: Vec<bool> = (0..5).map(|_| hold.refused()).collect();
        assert_eq!(refusals, [false, false, false, false, true]);
        hold.taken();
        assert!(!hold.refused());
    }

    #[tokio::test]
    async fn nobody_passes_while_the_backend_wants_to_be_left_alone_be_the_sink_held_or_not() {
        let hold = eager();
        hold.leave_alone(Duration::from_secs(3600));
        assert_eq!(hold.left_alone_for().min(Duration::from_secs(250)), Duration::from_secs(250));
        assert!(!is_ready(hold.pass()));
        hold.hold(None);
        assert!(!is_ready(hold.pass()));
    }

    #[tokio::test]
    async fn a_probe_that_is_about_to_go_waits_too_when_the_backend_asks_for_it_meanwhile() {
        let hold = eager();
        hold.hold(Some(Duration::from_millis(50)));
        let probe = timeout(Duration::from_millis(200), hold.pass());
        let (probe, ()) = tokio::join!(probe, async { hold.leave_alone(Duration::from_secs(3600)) });
        assert!(probe.is_err());
    }

    #[test]
    fn probes_become_as_rare_as_one_in_a_minute() {
        assert_eq!(PROBE_DELAY_MAX, Duration::from_secs(60));
    }
}
