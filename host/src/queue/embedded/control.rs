//! What an operator asks is answered by the thread that owns the store.

use super::{EmbeddedQueue, Shared};
use crate::queue::control::{Control, ControlError, Request, Response, answer};
use crate::queue::now_ms;
use crate::queue::store::{Pace, Store};
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

impl QueueControl {
    /// Notes that these consumers map with another mapping now, from the first record on that they are not done with. It is
    /// on disk afterwards.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn map_with(&self, consumers: Vec<String>, mapping: Arc<str>) -> Result<(), ControlError> {
        let note = move |store: &mut Store| {
            consumers.iter().for_each(|name| store.map_with(name, &mapping));
            Ok(store.write(true)?)
        };
        self.run(note).await
    }

    /// Does something on the thread that owns the store.
    async fn run<T: Send + 'static>(
        &self,
        errand: impl FnOnce(&mut Store) -> Result<T, ControlError> + Send + 'static,
    ) -> Result<T, ControlError> {
        let (answer_to, answered) = oneshot::channel();
        self.0.inbox.add(move |waiting| {
            waiting.errands.push(Box::new(move |store| {
                // Who asked may have gone.
                let _heard = answer_to.send(errand(store));
            }));
        });
        answered.await.unwrap_or(Err(ControlError::Stopping))
    }
}

impl Control for QueueControl {
    async fn answer(&self, request: Request) -> Result<Response, ControlError> {
        let shared = Arc::clone(&self.0);
        self.run(move |store| {
            let changes_log = matches!(request, Request::Revive { .. } | Request::Erase { .. });
            let answered = answer(store, request, now_ms(), Pace::Brisk);
            // The tail knows neither what came in by another way nor what is gone.
            if changes_log {
                shared.tail.clear();
            }
            answered
        })
        .await
    }
}
