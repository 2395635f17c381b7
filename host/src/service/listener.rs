//! Where a source listens, secured or not.

use crate::connections::{ConnectionCounters, ConnectionLimits, Respond, Secured, TlsFiles, serve};
use crate::telemetry::{Health, Reporter};
use crate::tls::ServerTls;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// Where a source listens.
pub(super) struct Listener {
    listener: TcpListener,
    /// What its connections are secured with, if they are, and who is told when that cannot be used.
    tls: Option<(TlsFiles, Reporter)>,
}

impl Listener {
    /// One whose connections are secured with what this option of the source says.
    ///
    /// # Errors
    /// When its files cannot be used.
    pub(super) fn new(
        listener: TcpListener,
        tls: Option<Box<ServerTls>>,
        source: &str,
        option: &str,
        health: &Health,
    ) -> anyhow::Result<Self> {
        let files = |tls: Box<ServerTls>| {
            let owner = format!("sources.{source}.{option}");
            let files =
                TlsFiles::new(&owner, *tls).map_err(|problem| anyhow::anyhow!("failed to use {owner}: {problem}"));
            // A source may have several listeners.
            let part = option.strip_suffix(".tls").map_or(source.to_owned(), |listener| format!("{source}.{listener}"));
            Ok::<_, anyhow::Error>((files?, health.part("tls", &part)))
        };
        Ok(Self { listener, tls: tls.map(files).transpose()? })
    }

    /// Where it is.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers requests until the shutdown.
    pub(super) async fn serve(
        self,
        responder: impl Respond,
        limits: ConnectionLimits,
        counters: ConnectionCounters,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) {
        let Self { listener, tls } = self;
        let Some((files, health)) = tls else { return serve(listener, responder, limits, counters, shutdown).await };
        let secured = Secured::new(listener, files.clone());
        tokio::select! {
            () = serve(secured, responder, limits, counters, shutdown) => {}
            () = files.watch(&health) => {}
        }
    }
}
