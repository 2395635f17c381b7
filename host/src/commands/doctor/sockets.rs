//! Which process listens on an address, as the kernel tells it (proc(5)): the table of sockets gives a socket's number,
//! and the open files of a process are named after such numbers.

use std::collections::HashSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

/// `TCP_LISTEN`, as the table has it.
const LISTENING: &str = "0A";

/// Whether a process listens on an address, or on all that cover it. None where this user may not know.
pub(super) fn holds(process: u32, address: SocketAddr) -> Option<bool> {
    let folder = format!("/proc/{process}");
    let files = fs::read_dir(format!("{folder}/fd")).ok()?;
    let targets = files.flatten().filter_map(|file| fs::read_link(file.path()).ok());
    let own: HashSet<String> = targets.map(|target| target.to_string_lossy().into_owned()).collect();
    let mut sockets = Vec::new();
    for table in ["net/tcp", "net/tcp6"] {
        sockets.extend(fs::read_to_string(Path::new(&folder).join(table)).ok().iter().flat_map(|text| listening(text)));
    }
    let is_it =
        |(at, number): &(SocketAddr, String)| covers(*at, address) && own.contains(&format!("socket:[{number}]"));
    Some(sockets.iter().any(is_it))
}

/// The addresses that are listened on, with the numbers of their sockets.
fn listening(table: &str) -> Vec<(SocketAddr, String)> {
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    let rows = rows.filter(|row| row.get(3) == Some(&LISTENING));
    rows.filter_map(|row| Some((address(row.get(1)?)?, (*row.get(9)?).to_owned()))).collect()
}

/// `0100007F:1F90`: groups of four bytes in the machine's order, then the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let groups = ip.len() / 8;
    let group = |index: usize| u32::from_str_radix(ip.get(index * 8..index * 8 + 8)?, 16).ok().map(u32::to_ne_bytes);
    let bytes: Vec<u8> = (0..groups).map(group).collect::<Option<Vec<_>>>()?.concat();
    let ip = match groups {
        1 => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        4 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

fn covers(socket: SocketAddr, address: SocketAddr) -> bool {
    let is_same = socket.ip() == address.ip() || socket.ip().is_unspecified();
    socket.port() == address.port() && is_same
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_own_listeners_are_found_and_others_are_not() {
        for at in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(at) else { continue };
            let address = listener.local_addr().expect("it has one");
            assert_eq!(holds(std::process::id(), address), Some(true), "{address}");
            drop(listener);
            assert_eq!(holds(std::process::id(), address), Some(false), "{address}");
        }
        assert_eq!(holds(u32::MAX, ([127, 0, 0, 1], 1).into()), None);
    }
}
