//! A queue for tests that settles on cue.

use super::Append;
use crate::queue::{Refused, Settlement};
use crate::record::{Record, Rejection};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What is done about one record; when no cue is left, it is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(in crate::intake) enum Cue {
    Full,
    Retry,
    Reject,
    /// Until [`Stage::release`].
    Hold,
}

pub(in crate::intake) struct Stage {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    cues: VecDeque<Cue>,
    appended: Vec<String>,
    settled: usize,
}

impl Stage {
    pub(in crate::intake) fn new(cues: impl IntoIterator<Item = Cue>) -> Arc<Self> {
        let state = Mutex::new(State { cues: cues.into_iter().collect(), ..State::default() });
        Arc::new(Self { state, changed: watch::Sender::default(), released: watch::Sender::new(false) })
    }

    /// All that was appended, in order; what was retried, as often.
    pub(in crate::intake) fn appended(&self) -> Vec<String> {
        self.state.lock().expect("no panic").appended.clone()
    }

    /// How many were acknowledged or rejected.
    pub(in crate::intake) fn settled(&self) -> usize {
        self.state.lock().expect("no panic").settled
    }

    /// Waits until so many were settled.
    pub(in crate::intake) async fn has_settled(&self, count: usize) {
        self.until(|| self.settled() >= count).await;
    }

    /// Waits until so many were appended.
    pub(in crate::intake) async fn has_appended(&self, count: usize) {
        self.until(|| self.appended().len() >= count).await;
    }

    pub(in crate::intake) fn release(&self) {
        self.released.send_replace(true);
    }

    async fn until(&self, is_so: impl Fn() -> bool) {
        let mut changed = self.changed.subscribe();
        let waited = tokio::time::timeout(Duration::from_secs(20), changed.wait_for(|()| is_so())).await;
        assert!(waited.is_ok(), "never came; appended: {:?}", self.appended());
    }

    fn settle(state: &Mutex<State>, changed: &watch::Sender<()>) {
        state.lock().expect("no panic").settled += 1;
        changed.send_replace(());
    }
}

/// The queue of a source is behind an `Arc`, and a receipt outlives the call.
impl Append for Arc<Stage> {
    type Receipt = Pin<Box<dyn Future<Output = Settlement> + Send>>;

    fn check(&self, _bytes: u64) -> Result<(), Refused> {
        Ok(())
    }

    fn retry_after(&self, _bytes: u64) -> Duration {
        Duration::ZERO
    }

    fn append(&self, record: Record, _push_id: Option<&Arc<str>>) -> Result<Self::Receipt, Refused> {
        let cue = {
            let mut state = self.state.lock().expect("no panic");
            let cue = state.cues.pop_front();
            if matches!(cue, Some(Cue::Full)) {
                return Err(Refused::Full);
            }
            state.appended.push(String::from_utf8_lossy(&record.body).into_owned());
            cue
        };
        self.changed.send_replace(());
        let stage = Arc::clone(self);
        Ok(Box::pin(async move {
            let settlement = match cue {
                Some(Cue::Retry) => return Settlement::RetryAfter(Duration::from_millis(1)),
                Some(Cue::Reject) => Settlement::Rejected(Rejection {
                    class: "malformed".to_owned(),
                    code: "not_json".to_owned(),
                    path: None,
                    message: String::new(),
                    position: None,
                }),
                Some(Cue::Hold) => {
                    let released = stage.released.subscribe().wait_for(|released| *released).await.is_ok();
                    if released { Settlement::Acknowledged } else { std::future::pending().await }
                }
                Some(Cue::Full) | None => Settlement::Acknowledged,
            };
            Stage::settle(&stage.state, &stage.changed);
            settlement
        }))
    }
}
