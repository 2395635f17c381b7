//! What a service answers over HTTP, put together from what its listeners say of themselves.

use crate::admin;
use crate::args::Schema;
use crate::commands::{Failure, read_config, variable};
use crate::config::Overrides;
use crate::config::plan::{Part, SourcePlan};
use crate::connections::ConnectionLimits;
use crate::intake::http_server::{self, Settings};
use crate::openapi::Description;
use crate::queue::Durability;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};

const ABOUT: &str = "callspan turns call records into OpenTelemetry traces. Records are pushed to a source; metrics and \
                     health are shown by a listener of their own. Another path is answered with 404, another method with \
                     405, and what is no HTTP with 400 and no body.";

/// A source that pushes come to.
struct Source<'p> {
    name: &'p str,
    address: SocketAddr,
    is_secured: bool,
    settings: &'p Settings,
    connections: &'p ConnectionLimits,
}

pub(super) fn document(arguments: &Schema) -> Result<Value, Failure> {
    let plan = read_config(arguments.config.as_deref())?.plan(&Overrides::default(), &variable)?;
    let mut description = Description::default();
    if let Some(source) = choose(&plan.sources, arguments.source.as_deref())? {
        let waits_for_sinks = plan.queue.durability == Durability::Memory;
        let of_source = http_server::describe(source.settings, source.connections, waits_for_sinks);
        let url = url(source.address, source.is_secured);
        description.join(of_source.served_at(&url, &format!("The source {}.", source.name)));
    }
    if let Some(address) = plan.admin {
        description.join(admin::describe()?.served_at(&url(address, false), "The admin listener."));
    }
    Ok(description.document("callspan", env!("CARGO_PKG_VERSION"), ABOUT))
}

/// The source of this name, or the only one. A document has each path once.
fn choose<'p>(sources: &'p [Part<SourcePlan>], name: Option<&str>) -> Result<Option<Source<'p>>, Failure> {
    let of_pushes = sources.iter().filter_map(|source| match &source.plan {
        SourcePlan::HttpServer { address, settings, connections, tls } => {
            Some(Source { name: &source.name, address: *address, is_secured: tls.is_some(), settings, connections })
        }
        _ => None,
    });
    let mut chosen: Vec<_> = of_pushes.filter(|source| name.is_none_or(|name| source.name == name)).collect();
    match (chosen.pop(), name) {
        (Some(source), _) if chosen.is_empty() => Ok(Some(source)),
        (None, None) => Ok(None),
        (Some(_), _) => {
            Err(usage("there are several sources of type http_server, of which one must be chosen with --source"))
        }
        (None, Some(name)) => Err(usage(&format!("--source: there is no source `{name}` of type http_server"))),
    }
}

fn usage(message: &str) -> Failure {
    Failure::Usage(anyhow::Error::msg(message.to_owned()))
}

/// Where a client on this machine finds it.
fn url(address: SocketAddr, is_secured: bool) -> String {
    let scheme = if is_secured { "https" } else { "http" };
    let host = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
    format!("{scheme}://{}", SocketAddr::new(host, address.port()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_led_to_this_machine_where_all_addresses_are_listened_to() {
        let local = |address: &str, is_secured| url(address.parse().expect("an address"), is_secured);
        assert_eq!(local("0.0.0.0:8443", true), "https://127.0.0.1:8443");
        assert_eq!(local("[2001:db8::1]:80", false), "http://[2001:db8::1]:80");
    }
}
