//! Loads a plugin while the service runs: on a thread of its own, which gets only what the others leave of the processor.
//! The threads that the compiler divides its work among have the priority of all others.

use crate::transform::{Loader, Plugin, Settings, Source};
use rustix::process::nice;
use std::thread;
use tokio::sync::oneshot;

/// The least that a thread can ask of the scheduler.
const NICENESS: i32 = 19;

/// A plugin that is ready to map records, or none where the mapping would be the one of this fingerprint.
///
/// # Errors
/// Why it cannot be used, as it follows after "failed to".
pub(super) async fn load(
    loader: &Loader,
    fingerprint: String,
    source: Source,
    settings: Settings,
) -> Result<Option<Plugin>, String> {
    let (answer_to, answered) = oneshot::channel();
    let loader = loader.clone();
    let load = move || {
        if let Err(error) = nice(NICENESS) {
            tracing::debug!(%error, "plugins are loaded with the priority of all others");
        }
        let loaded = loader.load_unless(&fingerprint, &source, settings).map_err(|error| error.to_string());
        // Who asked may have gone.
        let _heard = answer_to.send(loaded);
    };
    thread::Builder::new()
        .name("callspan-loader".to_owned())
        .spawn(load)
        .map_err(|error| format!("start the thread that loads plugins: {error}"))?;
    answered.await.unwrap_or_else(|_| Err("load the plugin: its compiler panicked".to_owned()))
}
