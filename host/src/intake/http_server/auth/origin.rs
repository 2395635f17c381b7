//! Where a sender is. Behind a proxy that is trusted, it is where the proxy says: each proxy appends to `X-Forwarded-For`
//! who came to it, so the list is read from its right end, as far as those are trusted who wrote it. What stands before
//! the first stranger may have been made up by that stranger.

use axum::http::HeaderMap;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const FORWARDED_FOR: &str = "x-forwarded-for";

/// The sender's address. An address of IPv4 in the form of IPv6 is told as what it is.
pub(in crate::intake::http_server) fn address(
    peer: Option<IpAddr>,
    headers: &HeaderMap,
    trusted_proxies: &[IpNet],
) -> IpAddr {
    let mut address = peer.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |peer| peer.to_canonical());
    let mut named =
        headers.get_all(FORWARDED_FOR).iter().rev().flat_map(|value| value.as_bytes().rsplit(|it| *it == b','));
    while is_within(trusted_proxies, address) {
        // Where a proxy names nobody, or nobody that can be understood, it is the last that is known.
        let Some(before) = named.next().and_then(parse) else { break };
        address = before;
    }
    address
}

/// Whether one of these networks has this address.
pub(super) fn is_within(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// Some proxies add the port.
fn parse(named: &[u8]) -> Option<IpAddr> {
    let named = std::str::from_utf8(named).ok()?.trim();
    let bare = named.strip_prefix('[').and_then(|named| named.strip_suffix(']')).unwrap_or(named);
    let with_port = || named.parse().map(|address: SocketAddr| address.ip());
    bare.parse().or_else(|_| with_port()).ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn told(peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).expect("a header"));
        }
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
        address(peer.parse().ok(), &headers, &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_where_its_connection_comes_from_whatever_it_says() {
        assert_eq!(told("192.0.2.1", &["198.51.100.7"]), "192.0.2.1");
        assert_eq!(told("::ffff:192.0.2.1", &[]), "192.0.2.1");
        assert_eq!(told("none", &[]), "::");
    }

    #[test]
    fn behind_trusted_proxies_the_rightmost_stranger_counts() {
        for (peer, forwarded, expected) in [
            ("10.0.0.1", &["198.51.100.7"][..], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9, 198.51.100.7, 10.1.1.1"], "198.51.100.7"),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.7 ,10.1.1.1"], "198.51.100.7"),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["198.51.100.7:4711"], "198.51.100.7"),
            ("10.0.0.1", &["::ffff:198.51.100.7"], "198.51.100.7"),
        ] {
            assert_eq!(told(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn where_a_proxy_names_nobody_it_is_the_last_that_is_known() {
        for forwarded in [&[][..], &[""], &["unknown"], &["203.0.113.9, _hidden"], &["203.0.113.9,"]] {
            assert_eq!(told("10.0.0.1", forwarded), "10.0.0.1", "{forwarded:?}");
        }
        assert_eq!(told("10.0.0.1", &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "all of them are trusted");
    }

    #[test]
    fn networks_hold_addresses_of_their_kind() {
        let networks = ["192.0.2.0/24", "2001:db8::/32"].map(|network| network.parse().expect("a network"));
        let is_within = |address: &str| is_within(&networks, address.parse::<IpAddr>().expect("one").to_canonical());
        for (address, expected) in [
            ("192.0.2.0", true),
            ("192.0.2.255", true),
            ("192.0.3.0", false),
            ("::ffff:192.0.2.1", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::", false),
        ] {
            assert_eq!(is_within(address), expected, "{address}");
        }
    }
}
