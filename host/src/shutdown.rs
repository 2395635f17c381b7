//! When to stop: at SIGTERM, as service managers send it, or SIGINT, as Ctrl-C does.

use anyhow::Context as _;
use std::future::Future;
use tokio::signal::unix::{SignalKind, signal as listen};

/// Becomes ready at the first of the two signals. To be called within a tokio runtime.
///
/// # Errors
/// When the system does not let this process listen for them.
pub fn signal() -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = listen(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = listen(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: finishing what was taken in");
    })
}
