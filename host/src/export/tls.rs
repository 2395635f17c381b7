//! TLS to a backend: whom it has to be trusted by, who we show that we are, and which versions are spoken. One
//! implementation for gRPC and HTTP, rustls. There is no switch that turns the verification off: a CA's file and a name
//! to check do what it would be used for.

mod explanation;

pub(super) use explanation::explanation;

use crate::setting_file::{SettingFile, Unusable};
use crate::tls::{TlsVersion, identity, mismatched, roots, system_roots};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ConfigBuilder};
use std::sync::Arc;

/// How connections are secured. What is left out: the roots of this machine, no certificate of our own, the name in the
/// backend's address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tls {
    /// Certificates in PEM; the backend's has to be signed by one of them.
    pub(super) ca: Option<SettingFile>,
    /// Our certificate with those between it and its CA, and its key, in PEM.
    pub(super) identity: Option<(SettingFile, SettingFile)>,
    /// What the backend is asked for, and what its certificate has to be for.
    pub(super) server_name: Option<ServerName<'static>>,
    pub(super) min_version: TlsVersion,
}

impl Tls {
    pub(super) fn files(&self) -> impl Iterator<Item = &SettingFile> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.ca.iter().chain(identity)
    }

    /// What rustls makes connections with, from what the files hold now. `protocols` are those of ALPN.
    ///
    /// # Errors
    /// Everything that is wrong with the files.
    pub(super) fn client_config(&self, protocols: &[&str]) -> Result<ClientConfig, Vec<Unusable>> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let roots = match &self.ca {
            Some(file) => roots(file),
            None => system_roots(),
        };
        let identity = self.identity.as_ref().map(|(certificate, key)| identity(certificate, key)).transpose();
        let (roots, identity) = match (roots, identity) {
            (Ok(roots), Ok(identity)) => (roots, identity),
            (roots, identity) => {
                return Err(roots.err().into_iter().chain(identity.err().into_iter().flatten()).collect());
            }
        };
        let builder = self.builder(provider).with_root_certificates(roots);
        let mut config = match (identity, &self.identity) {
            (Some(identity), Some((_, key_file))) => builder
                .with_client_auth_cert(identity.certificates, identity.key)
                .map_err(|error| vec![mismatched(key_file, &error)])?,
            _ => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(config)
    }

    fn builder(&self, provider: Arc<CryptoProvider>) -> ConfigBuilder<ClientConfig, rustls::WantsVerifier> {
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.min_version.and_later())
            .expect("the provider has ciphers for each version")
    }
}
