//! What an operator asks is answered by the thread that owns the store.

use super::{EmbeddedQueue, Shared};
use crate::queue::control::{Control, ControlError, Request, Response, answer};
use crate::queue::now_ms;
use crate::queue::store::Pace;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Asks a queue whose thread runs. Clones ask the same one.
#[derive(Clone)]
pub struct QueueControl(Arc<Shared>);

impl EmbeddedQueue {
    /// To ask it.
    #[must_use]
    pub fn control(&self) -> QueueControl {
        QueueControl(Arc::clone(&self.shared))
    }
}

impl Control for QueueControl {
    async fn answer(&self, request: Request) -> Result<Response, ControlError> {
        let (answer_to, answered) = oneshot::channel();
        let shared = Arc::clone(&self.0);
        self.0.inbox.add(move |waiting| {
            waiting.errands.push(Box::new(move |store| {
                let changes_log = matches!(request, Request::Revive { .. } | Request::Erase { .. });
                let answered = answer(store, request, now_ms(), Pace::Brisk);
                // The tail knows neither what came in by another way nor what is gone.
                if changes_log {
                    shared.tail.clear();
                }
                // Who asked may have gone.
                let _heard = answer_to.send(answered);
            }));
        });
        answered.await.unwrap_or(Err(ControlError::Stopping))
    }
}
