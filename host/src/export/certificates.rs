//! For tests: certificates that are made as they run, and a listener that shows them.

use axum::serve::Listener;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// A CA.
pub(super) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(super) struct Issued {
    pub(super) certificate: String,
    pub(super) key: String,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub(super) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for this name, of a host or a client.
    pub(super) fn issue(&self, name: &str) -> Issued {
        self.issue_until(name, 2100)
    }

    /// The same, valid before this year.
    pub(super) fn issue_until(&self, name: &str, year: i32) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

impl Issued {
    /// Written to `NAME.crt` and `NAME.key`.
    pub(super) fn write(&self, folder: &Path, name: &str) {
        std::fs::write(folder.join(format!("{name}.crt")), &self.certificate).expect("it is written");
        std::fs::write(folder.join(format!("{name}.key")), &self.key).expect("it is written");
    }

    /// What a server with this certificate is held to; with an authority, clients have to show one that it issued.
    pub(super) fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        self.server_of(clients, rustls::ALL_VERSIONS)
    }

    /// The same with these versions of TLS.
    pub(super) fn server_of(
        &self,
        clients: Option<&Authority>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> ServerConfig {
        let provider = Arc::new(default_provider());
        let verifier = match clients {
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.0.der().clone()).expect("a root");
                let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
                builder.build().expect("a verifier")
            }
            None => WebPkiClientVerifier::no_client_auth(),
        };
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).expect("a key");
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .expect("the provider knows them")
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate], key)
            .expect("the key is that of the certificate");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

pub(super) struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    /// How many connections were made.
    accepted: Arc<AtomicUsize>,
}

impl TlsListener {
    pub(super) fn new(listener: TcpListener, config: ServerConfig, accepted: Arc<AtomicUsize>) -> Self {
        Self { listener, acceptor: TlsAcceptor::from(Arc::new(config)), accepted }
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.expect("a connection");
            match self.acceptor.accept(stream).into_fallible().await {
                Ok(stream) => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    return (stream, address);
                }
                Err((_, stream)) => drop(tokio::spawn(read_to_end(stream))),
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Closed with something unread, a connection would be reset, and the peer might not read why.
async fn read_to_end(mut stream: TcpStream) {
    let _closed = stream.shutdown().await;
    let _read = stream.read_to_end(&mut Vec::new()).await;
}
