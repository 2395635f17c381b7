//! How connections of a client are made where its library leaves that to us.

use super::endpoint::{Endpoint, UnusableSettings};
use hyper_rustls::{DefaultServerNameResolver, FixedServerNameResolver, HttpsConnector, ResolveServerName};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::ClientConfig;
use std::sync::Arc;

/// Without TLS.
pub(super) fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp
}

/// With TLS. `protocols` are those of ALPN.
pub(super) fn https(
    endpoint: &Endpoint,
    protocols: &[&str],
) -> Result<HttpsConnector<HttpConnector>, UnusableSettings> {
    let server_name: Arc<dyn ResolveServerName + Send + Sync> = match &endpoint.tls().server_name {
        Some(name) => Arc::new(FixedServerNameResolver::new(name.clone())),
        None => Arc::new(DefaultServerNameResolver::default()),
    };
    Ok(HttpsConnector::new(tcp(), client_config(endpoint, protocols)?, true, server_name))
}

/// For HTTP.
pub(super) fn client_config(endpoint: &Endpoint, protocols: &[&str]) -> Result<ClientConfig, UnusableSettings> {
    endpoint.tls().client_config(protocols).map_err(UnusableSettings)
}

/// Finds this host, whatever name is looked for: the name in an address may be the one that a certificate is for.
pub(super) struct Host(pub(super) String);

impl Resolve for Host {
    fn resolve(&self, _: Name) -> Resolving {
        // The port comes from the address.
        let host = (self.0.clone(), 0);
        Box::pin(async move {
            let addresses: Vec<_> = tokio::net::lookup_host(host).await?.collect();
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}
