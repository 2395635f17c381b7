//! Addresses to listen on, of which no two may be in each other's way.

use super::path::At;
use super::plan::{ListenerPlan, Part, SourcePlan};
use super::problem::Report;
use std::net::{IpAddr, SocketAddr};

/// Every address that is listened on, with where it is configured.
pub(super) fn check(admin: Option<SocketAddr>, sources: &[Part<SourcePlan>], report: &mut Report<'_>) {
    let mut taken: Vec<(SocketAddr, String)> = Vec::new();
    let mut listen = |address: SocketAddr, at: At<'_>, report: &mut Report<'_>| match taken
        .iter()
        .find(|(other, _)| is_in_the_way(address, *other))
    {
        Some((_, other)) => {
            let shown = report.shown(at, &address.to_string());
            let message = format!("{shown} is taken by {other}; listen on another port");
            report.add(at, message);
        }
        None => taken.push((address, at.to_string())),
    };
    let section = At::Root.key("sources");
    for source in sources {
        let at = section.key(&source.name);
        match &source.plan {
            SourcePlan::HttpServer { address, .. } => listen(*address, at.key("address"), report),
            SourcePlan::Opentelemetry { grpc, http, .. } => {
                for (key, address) in [("grpc", grpc), ("http", http)] {
                    if let Some(ListenerPlan { address, .. }) = address {
                        let protocol = at.key(key);
                        listen(*address, protocol.key("address"), report);
                    }
                }
            }
            SourcePlan::File(_) | SourcePlan::Stdin(_) => {}
        }
    }
    if let Some(address) = admin {
        let at = At::Root.key("admin");
        listen(address, at.key("address"), report);
    }
}

/// Port 0 is any that is free.
fn is_in_the_way(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() != 0 && one.port() == other.port() && is_covered(one.ip(), other.ip())
}

/// An unspecified address is every address, and that of IPv6 is those of IPv4 too.
fn is_covered(one: IpAddr, other: IpAddr) -> bool {
    let covers = |one: IpAddr, other: IpAddr| one.is_unspecified() && (one.is_ipv6() || other.is_ipv4());
    one == other || covers(one, other) || covers(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_addresses_are_in_each_others_way_where_one_covers_the_other() {
        for (one, other, expected) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "[::]:80", true),
            ("0.0.0.0:80", "[::1]:80", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
        ] {
            let address = |text: &str| text.parse().expect("an address");
            assert_eq!(is_in_the_way(address(one), address(other)), expected, "{one} {other}");
        }
    }
}
