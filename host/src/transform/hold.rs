//! Whether a plugin is held: it fails whatever it is given, so records wait instead of being condemned for it.
//!
//! It is held when it fails even its trial, which no record can be blamed for, or too many of its last records
//! (`conduct`). Somebody tries it again now and then, and releases it when it passes its trial. How it did before is
//! not forgotten then: while that is too bad no record is condemned, and a batch that does not make it better has it
//! held again.

use super::conduct::{Conduct, FAILURES, RECORDS};
use std::sync::{Mutex, PoisonError};
use tokio::sync::watch;

/// Of one plugin, for all who map with it.
#[derive(Debug, Default)]
pub struct PluginHold {
    conduct: Mutex<Conduct>,
    seen: watch::Sender<Seen>,
}

/// What others wait for.
#[derive(Debug, Default)]
struct Seen {
    /// Why it is held, if it is.
    held: Option<HoldReason>,
    /// Whether it has mapped anything since it was last held.
    has_worked: bool,
}

/// Why a plugin is held. Each says what the plugin did last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldReason {
    #[error("it fails its trial, without any record: it {0}")]
    Trial(String),
    #[error("it failed {FAILURES} of its last {RECORDS} records or more: it {0}")]
    Records(String),
}

impl PluginHold {
    /// Waits until it is not held.
    pub async fn is_over(&self) {
        let mut seen = self.seen.subscribe();
        // It fails when nobody is left to change it, which is not while somebody waits.
        let _over = seen.wait_for(|seen| seen.held.is_none()).await;
    }

    /// Waits until it is held, and says why.
    pub async fn has_begun(&self) -> Option<HoldReason> {
        let mut seen = self.seen.subscribe();
        let held = seen.wait_for(|seen| seen.held.is_some()).await.ok()?;
        held.held.clone()
    }

    /// Waits until it has mapped something since it was last held, or is held again: whether the former.
    pub async fn has_worked(&self) -> bool {
        let mut seen = self.seen.subscribe();
        let seen = seen.wait_for(|seen| seen.has_worked || seen.held.is_some()).await;
        seen.is_ok_and(|seen| seen.held.is_none())
    }

    /// Why it is held, if it is.
    pub fn reason(&self) -> Option<HoldReason> {
        self.seen.borrow().held.clone()
    }

    pub(super) fn is_held(&self) -> bool {
        self.seen.borrow().held.is_some()
    }

    /// The plugin has mapped one more record, or refused it as a mapping may.
    pub(super) fn worked(&self) {
        self.conduct.lock().unwrap_or_else(PoisonError::into_inner).worked();
        self.seen.send_if_modified(|seen| !std::mem::replace(&mut seen.has_worked, true));
    }

    /// The plugin has failed one more record. True when these are too many for any of them to be blamed.
    pub(super) fn failed(&self) -> bool {
        let mut conduct = self.conduct.lock().unwrap_or_else(PoisonError::into_inner);
        conduct.failed();
        conduct.is_bad()
    }

    /// Whether the plugin did so badly that it is to be held.
    pub(super) fn is_due(&self) -> bool {
        self.conduct.lock().unwrap_or_else(PoisonError::into_inner).is_bad()
    }

    pub(super) fn begin(&self, reason: HoldReason) {
        self.seen.send_modify(|seen| *seen = Seen { held: Some(reason), has_worked: false });
    }

    pub(super) fn release(&self) {
        self.seen.send_modify(|seen| seen.held = None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn now<T>(future: impl Future<Output = T>) -> Option<T> {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        }
    }

    fn reason() -> HoldReason {
        HoldReason::Trial("trapped".to_owned())
    }

    #[test]
    fn it_begins_for_a_reason_and_is_over_when_it_is_released() {
        let hold = PluginHold::default();
        assert!(now(hold.is_over()).is_some() && now(hold.has_begun()).is_none());
        hold.begin(reason());
        assert!(hold.is_held() && now(hold.is_over()).is_none());
        assert_eq!(now(hold.has_begun()), Some(Some(reason())));
        hold.release();
        assert!(!hold.is_held() && now(hold.is_over()).is_some());
    }

    #[test]
    fn only_what_is_mapped_after_the_last_hold_proves_anything() {
        let hold = PluginHold::default();
        hold.worked();
        hold.begin(reason());
        assert_eq!(now(hold.has_worked()), Some(false));
        hold.release();
        assert_eq!(now(hold.has_worked()), None);
        hold.worked();
        assert_eq!(now(hold.has_worked()), Some(true));
    }

    #[test]
    fn the_twenty_fifth_failure_blames_no_record_and_successes_are_needed_to_forget_it() {
        let hold = PluginHold::default();
        let blames_nobody: Vec<bool> = (0..25).map(|_| hold.failed()).collect();
        assert_eq!(blames_nobody.iter().position(|is_so| *is_so), Some(24));
        assert!(hold.is_due());
        hold.begin(reason());
        hold.release();
        assert!(hold.failed() && hold.is_due(), "what it did before is not forgotten");
        (0..6).for_each(|_| hold.worked());
        assert!(!hold.is_due() && !hold.failed());
    }
}
