//! Reads records from files, one on each line, follows the files as they grow, and remembers how far it has come.
//!
//! ```text
//! follower: files that match ──▶ lines ──▶ queue
//!     ▲                                      │
//!     │ checkpoints ◀── window ◀── settled ──┘
//! ```
//!
//! What is guaranteed: every complete line of a file is settled at least once, as long as the file can be read. The
//! position that is remembered passes a line only when it and all before it were acknowledged or rejected, so that
//! after a crash the others are read again; they make the same traces again.
//!
//! - A renamed file is the same file: it is read to its end, and not once more under its new name.
//! - A deleted file is read to its end and forgotten.
//! - A file that was cut off, or written anew in place, begins again at its start.
//! - A last line without its line break waits for the rest. When the file has ended, renamed or deleted, it is taken
//!   as it is.
//!
//! What is read of all files and not settled has a limit in records and bytes; the files take turns at it.
//!
//! A limited number of files is open at a time. If there are more, one that was read to its end and has nothing under
//! way is closed for another, and opened again when it has changed; those that have something to read take turns. A
//! file that is deleted, or renamed so that it matches no more, while it is closed and has something to read, loses it,
//! which is logged. What cannot be opened is tried again at every look. What a copytruncate cuts off before it was read
//! is lost, as with every reader.

mod budget;
mod checkpoints;
mod followed;
mod follower;
mod lines;
mod window;

#[cfg(test)]
mod tests;

use super::Append;
use super::under_way::{UnderWay, Verdict};
use crate::telemetry::Component;
use follower::Follower;
use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// What is read, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Patterns of the files to read (`/var/log/calls/*.ndjson`).
    pub include: Vec<String>,
    /// Patterns of files to leave alone.
    pub exclude: Vec<String>,
    /// Where to begin in a file that is seen for the first time when the service starts.
    pub read_from: ReadFrom,
    /// Whether positions of earlier runs count for nothing.
    pub ignore_checkpoints: bool,
    /// The longest line that is taken.
    pub line_bytes_max: usize,
    /// How often files are looked for and looked at.
    pub poll_interval: Duration,
    /// The file in which positions are remembered.
    pub checkpoints: PathBuf,
}

/// Where to begin in a file that is seen for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReadFrom {
    /// At its first line.
    #[default]
    Beginning,
    /// Behind what is there already.
    End,
}

/// Why files cannot be followed. What is wrong with a single file is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// A pattern that is none.
    #[error("understand the pattern {pattern}: {error}")]
    Pattern {
        /// As it is configured.
        pattern: String,
        /// What is wrong with it.
        error: glob::PatternError,
    },
    /// Going on without them could leave lines out, or read all again.
    #[error(
        "read the checkpoints in {}: {reason}; move the file away, and the files are read as read_from says",
        .path.display()
    )]
    Checkpoints {
        /// Where they are.
        path: PathBuf,
        /// What is wrong with them.
        reason: String,
    },
    /// The positions cannot be remembered.
    #[error("write the checkpoints to {}: {error}", .path.display())]
    Save {
        /// Where they should be.
        path: PathBuf,
        /// Why they are not.
        error: io::Error,
    },
    /// The thread that reads has panicked.
    #[error("go on reading files: {0}")]
    Broken(#[from] tokio::task::JoinError),
}

/// Positions are written at most so often.
const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// Follows files until `shutdown` is ready, and then waits until what is under way is settled. Whoever will not wait so
/// long drops the future: what was not settled is read again at the next start.
///
/// # Errors
/// When a pattern is none, or the checkpoints cannot be read at the start or written at the end.
pub async fn run<Q: Append>(
    settings: Settings,
    queue: Arc<Q>,
    component: Component,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), FileError> {
    let mut shutdown = pin!(shutdown);
    let mut under_way = UnderWay::new(queue, &component);
    let poll_interval = settings.poll_interval;
    let mut follower = spawn_blocking(move || Follower::new(settings, &component)).await??;
    // Records that were read, and wait for room in the queue.
    let mut waiting = VecDeque::new();
    let (mut next_look, mut next_save) = (Instant::now(), Instant::now() + SAVE_INTERVAL);
    let mut is_save_failing = false;
    loop {
        let now = Instant::now();
        let (looks, saves, reads) = (now >= next_look, now >= next_save, waiting.is_empty());
        if looks || saves || reads && follower.has_more() {
            let saved;
            (follower, waiting, saved) = spawn_blocking(move || {
                if looks {
                    follower.look();
                }
                if reads {
                    follower.read(&mut waiting);
                }
                let saved = if saves { follower.save() } else { Ok(()) };
                (follower, waiting, saved)
            })
            .await?;
            next_look = if looks { now + poll_interval } else { next_look };
            next_save = if saves { now + SAVE_INTERVAL } else { next_save };
            if let Err(error) = &saved
                && !is_save_failing
            {
                tracing::error!(%error, "positions in files are not remembered, trying again");
            }
            is_save_failing = saved.is_err() || is_save_failing && !saves;
        }
        while let Some((mark, record)) = waiting.front() {
            if under_way.append(*mark, record).is_err() {
                break;
            }
            waiting.pop_front();
        }
        let full_until = under_way.full_until();
        tokio::select! {
            () = &mut shutdown => break,
            Some(settled) = under_way.settled() => settle(&mut follower, settled),
            () = sleep_until(next_look.min(next_save)) => {}
            () = sleep_until(full_until), if !waiting.is_empty() => {}
        }
        while let Some(settled) = under_way.settled_already() {
            settle(&mut follower, settled);
        }
    }
    under_way.stop();
    while let Some(settled) = under_way.settled().await {
        settle(&mut follower, settled);
    }
    spawn_blocking(move || follower.save()).await?
}

fn settle(follower: &mut Follower, (mark, verdict): (follower::Mark, Verdict)) {
    match verdict {
        Verdict::Acknowledged => follower.settle(mark, None),
        Verdict::Rejected(rejection) => follower.settle(mark, Some(&rejection)),
        Verdict::Unsettled => {}
    }
}
