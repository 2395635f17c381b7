//! Requests are answered on the folder of a service that does not run.

use super::{ControlError, Request, Response, answer};
use crate::queue::store::{Pace, Store};
use crate::queue::{DeadLetterSettings, DuplicateSettings, OpenError, Settings, StoreError, now_ms};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A queue that this process has open, and nobody appends to. It is closed when it is dropped.
pub struct Offline {
    /// Until it is closed.
    store: Option<Store>,
}

/// Why the queue of a stopped service cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OfflineError {
    #[error("there is no queue in {}", .0.display())]
    NoQueue(PathBuf),
    #[error(transparent)]
    Open(#[from] OpenError),
}

impl Offline {
    /// Opens the queue in this folder; none is made. What was found damaged or missing comes with it, a line for each:
    /// whoever opens a queue first is the one who gets to know.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub fn open(folder: &Path, settings: Settings) -> Result<(Self, Vec<String>), OfflineError> {
        if !folder.join("FORMAT").exists() {
            return Err(OfflineError::NoQueue(folder.to_owned()));
        }
        let (store, recovered) = Store::open(folder, keeping_all(settings), now_ms())?;
        Ok((Offline { store: Some(store) }, recovered.told()))
    }

    /// Answers one request.
    ///
    /// # Errors
    /// When the store cannot be read or written, or what is asked for is not there.
    pub fn answer(&mut self, request: Request) -> Result<Response, ControlError> {
        let store = self.store.as_mut().ok_or(StoreError::Closed)?;
        answer(store, request, now_ms(), Pace::Thorough)
    }

    /// Closes it.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub fn close(mut self) -> Result<(), ControlError> {
        Ok(self.store.take().map_or(Ok(()), Store::close)?)
    }
}

/// A service alone keeps house: a command may not have been told for how long things are kept.
fn keeping_all(settings: Settings) -> Settings {
    Settings {
        keep: Duration::MAX,
        dead_letters: DeadLetterSettings { bytes_max: u64::MAX, keep: Duration::MAX },
        duplicates: DuplicateSettings { window: Duration::MAX, ..settings.duplicates },
        ..settings
    }
}

impl Drop for Offline {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.store.take().map(Store::close) {
            tracing::warn!(%error, "the queue was not closed; it is opened as after a crash");
        }
    }
}
