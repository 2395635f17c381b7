//! Why a queue cannot be opened, or cannot go on.

use std::io;
use std::path::{Path, PathBuf};

/// Why the folder of a queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("failed to {what} {}: {source}", path.display())]
    Io { what: &'static str, path: PathBuf, source: io::Error },
    #[error(
        "{} is in use by {by}; a folder belongs to one process at a time: stop the other one, or set another `data_dir`",
        folder.display()
    )]
    InUse { folder: PathBuf, by: String },
    #[error("{} {problem}; call records lie in it: run `{remedy}`", path.display())]
    NotPrivate { path: PathBuf, problem: String, remedy: String },
    #[error(
        "{} was written by a newer callspan, in format {found}; this one knows formats up to {known}: \
         run the newer version, or set another `data_dir`",
        folder.display()
    )]
    Newer { folder: PathBuf, found: u32, known: u32 },
    #[error("{} does not say which format the queue has; move {} away to begin a new queue", file.display(), folder.display())]
    NoFormat { file: PathBuf, folder: PathBuf },
    #[error(
        "the records in {} are encrypted {with}; set `queue.encryption_key_file` to the key they were encrypted with",
        folder.display()
    )]
    Key { folder: PathBuf, with: &'static str },
    #[error(
        "the store in {} is damaged ({reason}); move {} away and start again: what is in it is not lost, and not delivered either",
        store.display(),
        store.display()
    )]
    Damaged { store: PathBuf, reason: String },
}

/// The store failed: a write or a read did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("failed to write to the store: {0}")]
    Write(#[source] fjall::Error),
    #[error("failed to read from the store: {0}")]
    Read(#[source] fjall::Error),
    #[error("the store is closed until the disk works again")]
    Closed,
}

impl OpenError {
    pub(super) fn io(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| OpenError::Io { what, path, source }
    }

    /// Whether nobody but another process stands in the way.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }
}
