//! Connections that are secured with TLS, by certificates that are read again when their files change.

use super::Listen;
use crate::telemetry::Reporter;
use crate::tls::ServerTls;
use crate::watched::Watched;
use rustls::ServerConfig;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A listener whose connections are secured.
pub struct Secured {
    listener: TcpListener,
    files: TlsFiles,
}

/// What connections are secured with, from files. Clones are the same.
#[derive(Clone)]
pub struct TlsFiles(Arc<Watched<ServerConfig>>);

/// For how long a certificate that was replaced may still be shown.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl TlsFiles {
    /// Reads the files. The owner, an option, is told in the log.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new(owner: &str, tls: ServerTls) -> Result<Self, String> {
        let files = tls.files();
        let make = move || {
            tls.config().map_err(|unusable| {
                let problems: Vec<_> = unusable.iter().map(ToString::to_string).collect();
                problems.join("; ")
            })
        };
        Watched::new(owner, files, make).map(Self)
    }

    /// Looks at the files now and then, so that it is told when they cannot be used before somebody needs them. It never
    /// ends.
    pub async fn watch(&self, health: &Reporter) {
        loop {
            match self.0.latest().await.trouble {
                Some(trouble) => drop(health.trouble_is(&trouble)),
                None => drop(health.well()),
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }
}

impl Secured {
    /// Secures what this listener accepts.
    #[must_use]
    pub fn new(listener: TcpListener, files: TlsFiles) -> Self {
        Self { listener, files }
    }
}

impl Listen for Secured {
    type Stream = TcpStream;
    type Agreed = TlsStream<TcpStream>;

    async fn next(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        Listen::next(&self.listener).await
    }

    fn agree(&self, stream: TcpStream) -> impl Future<Output = io::Result<Self::Agreed>> + Send + 'static {
        let files = self.files.clone();
        async move { TlsAcceptor::from(files.0.recent(LOOK_INTERVAL).await).accept(stream).await }
    }
}
