//! A queue for tests, that answers on cue.

use super::Append;
use crate::queue::{Refused, Settlement};
use crate::record::{Position, Record, Rejection};
use std::future::{pending, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;

/// When it wants to be asked again.
pub(in crate::intake) const RETRY_AFTER: Duration = Duration::from_secs(42);

/// Settles a record by the word it holds, and keeps what it got.
#[derive(Default)]
pub(in crate::intake) struct Queue {
    pub(in crate::intake) room: Option<usize>,
    /// It says before anything is appended that it takes nothing.
    pub(in crate::intake) refuses: Option<Refused>,
    pub(in crate::intake) taken: Mutex<Vec<String>>,
    pub(in crate::intake) has_taken: Notify,
    pub(in crate::intake) release: Arc<Notify>,
}

impl Append for Queue {
    type Receipt = Pin<Box<dyn Future<Output = Settlement> + Send>>;

    fn check(&self, _bytes: u64) -> Result<(), Refused> {
        self.refuses.map_or(Ok(()), Err)
    }

    fn retry_after(&self, _bytes: u64) -> Duration {
        RETRY_AFTER
    }

    fn append(&self, record: Record, _push_id: Option<&Arc<str>>) -> Result<Self::Receipt, Refused> {
        let body = String::from_utf8_lossy(&record.body).into_owned();
        let mut taken = self.taken.lock().expect("no panic");
        if self.room.is_some_and(|room| taken.len() >= room) {
            return Err(Refused::Full);
        }
        taken.push(body.clone());
        self.has_taken.notify_one();
        let knows_where = !body.contains("nowhere");
        // Of what is wrong between the elements of an array.
        let is_fault = ["", ",", "]"].contains(&body.as_str());
        let column = if is_fault { 1 } else { 2 };
        let rejected = |class: &str| {
            let place = if knows_where { format!(" at line 1 column {column}") } else { String::new() };
            let message = format!("the record is {class}{place}");
            Settlement::Rejected(Rejection {
                class: class.to_owned(),
                code: format!("{class}_code"),
                path: None,
                position: Position::named_by(&message),
                message,
            })
        };
        Ok(match body {
            body if is_fault || body.contains("malformed") => Box::pin(ready(rejected("malformed"))),
            body if body.contains("incomplete") => Box::pin(ready(rejected("incomplete"))),
            body if body.contains("later") => Box::pin(ready(Settlement::RetryAfter(Duration::from_secs(7)))),
            body if body.contains("too late") => Box::pin(ready(Settlement::NotTaken(Refused::Full))),
            body if body.contains("never") => Box::pin(pending()),
            body if body.contains("held") => {
                let release = Arc::clone(&self.release);
                Box::pin(async move {
                    release.notified().await;
                    Settlement::Acknowledged
                })
            }
            _ => Box::pin(ready(Settlement::Acknowledged)),
        })
    }
}
