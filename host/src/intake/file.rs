//! Reads records from files, one on each line, follows the files as they grow, and remembers how far it has come.

use std::path::PathBuf;
use std::time::Duration;

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
pub async fn run<Q: super::Append>(
    _s: Settings,
    _q: std::sync::Arc<Q>,
    _c: &crate::telemetry::Component,
    shutdown: impl Future<Output = ()> + Send,
) -> anyhow::Result<()> {
    shutdown.await;
    Ok(())
}
