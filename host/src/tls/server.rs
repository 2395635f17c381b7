//! TLS as a server: the certificate that senders are shown, and whether they have to show one.

use super::{TlsVersion, identity, mismatched, roots};
use crate::setting_file::{SettingFile, Unusable};
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::path::PathBuf;
use std::sync::Arc;

/// How connections of senders are secured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Our certificate with those between it and its CA, in PEM.
    pub certificate: SettingFile,
    /// Its key, in PEM.
    pub key: SettingFile,
    /// Whose certificates senders may show, if they are asked for one.
    pub clients: Option<Clients>,
    /// The protocols that are offered within TLS (RFC 7301), the best first.
    pub protocols: Vec<String>,
    pub min_version: TlsVersion,
}

/// Senders that show a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// Certificates in PEM; a sender's has to be signed by one of them.
    pub ca: SettingFile,
    /// Whether a sender without one is turned away.
    pub are_required: bool,
}

impl ServerTls {
    /// What is read, and read again when it changes.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let clients = self.clients.iter().map(|clients| &clients.ca);
        [&self.certificate, &self.key].into_iter().chain(clients).map(|file| file.path().to_owned()).collect()
    }

    /// What rustls answers connections with, from what the files hold now.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub fn config(&self) -> Result<ServerConfig, Vec<Unusable>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = self.verifier(&provider);
        let (identity, verifier) = match (identity(&self.certificate, &self.key), verifier) {
            (Ok(identity), Ok(verifier)) => (identity, verifier),
            (identity, verifier) => {
                return Err(identity.err().into_iter().flatten().chain(verifier.err()).collect());
            }
        };
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.min_version.and_later())
            .expect("the provider has ciphers for each version")
            .with_client_cert_verifier(verifier)
            .with_single_cert(identity.certificates, identity.key)
            .map_err(|error| vec![mismatched(&self.key, &error)])?;
        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(config)
    }

    fn verifier(&self, provider: &Arc<CryptoProvider>) -> Result<Arc<dyn ClientCertVerifier>, Unusable> {
        let Some(clients) = &self.clients else { return Ok(WebPkiClientVerifier::no_client_auth()) };
        let roots = roots(&clients.ca)?;
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
        let builder = if clients.are_required { builder } else { builder.allow_unauthenticated() };
        builder.build().map_err(|error| clients.ca.unusable(&format!("its certificates cannot be used: {error}")))
    }
}
