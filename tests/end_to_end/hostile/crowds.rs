//! More connections than anybody needs.

use super::{PATIENCE, assert_unharmed, connect, held_to, until_closed};
use callspan_tests::Service;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const CONNECTIONS: usize = 10_000;
const ADDRESSES: usize = 20;

/// All are held, since they may be, and say nothing.
#[test]
fn ten_thousand_idle_connections_are_in_nobodys_way() {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).expect("the limit of this machine");
    // Some files are others'.
    let possible = most.map_or(CONNECTIONS, |most| usize::try_from(most).unwrap_or(CONNECTIONS).saturating_sub(500));
    let count = CONNECTIONS.min(possible);
    if count < CONNECTIONS {
        eprintln!("this machine allows {count} connections instead of {CONNECTIONS}");
    }
    let limits = "limits: { connections_max: 20000, connections_per_address_max: 1000, header_timeout_secs: 600 }";
    let service = held_to(limits).start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let held: Vec<TcpStream> = runtime.block_on(async {
        let mut held = Vec::with_capacity(count);
        for number in 0..count {
            held.push(connect_from(&service, number % ADDRESSES).await);
        }
        held
    });
    assert_unharmed(&service);
    let mut byte = [0];
    let closed = held.iter().filter(|stream| stream.try_read(&mut byte).is_ok()).count();
    assert_eq!(closed, 0, "of {count}");
}

/// One address gets its share, and whoever has another is served.
#[test]
fn one_address_cannot_take_all_connections() {
    const SHARE: usize = 50;
    let limits =
        format!("limits: {{ connections_max: 100, connections_per_address_max: {SHARE}, header_timeout_secs: 600 }}");
    let service = held_to(&limits).start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let held = runtime.block_on(async {
        let mut held = Vec::new();
        for _ in 0..SHARE {
            held.push(connect_from(&service, 1).await);
        }
        for _ in 0..10 * SHARE {
            let beyond = connect_from(&service, 1).await;
            timeout(PATIENCE, beyond.readable()).await.expect("it is not held").expect("it is told");
            assert!(!matches!(beyond.try_read(&mut [0]), Ok(1..)), "it is closed without a word");
        }
        held
    });
    assert_unharmed(&service);
    drop(held);
    assert!(service.log().contains("too_many_connections"), "{}", service.log());
}

/// Connections that say nothing make room by themselves.
#[test]
fn connections_that_say_nothing_give_way() {
    let service = held_to("limits: { connections_max: 10, header_timeout_secs: 1 }").start();
    let silent: Vec<_> = (0..10).map(|_| connect(&service)).collect();
    assert_unharmed(&service);
    for mut silent in silent {
        assert_eq!(until_closed(&mut silent), "");
    }
}

/// From one of the addresses that this machine has by itself.
pub(super) async fn connect_from(service: &Service, number: usize) -> TcpStream {
    let last = u8::try_from(number + 2).expect("few addresses");
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0))).expect("an address of this machine");
    let address: SocketAddr = service.address().parse().expect("an address");
    socket.connect(address).await.expect("it listens")
}
