//! Clients that mean harm, or know no better: whatever they do, others are served, and the memory of the service stays
//! bounded. The sockets are real, and what goes over them is written byte by byte.

mod admission;
mod bodies;
mod crowds;
mod heads;
mod http2;
mod slowness;
mod soak;

use callspan_tests::{Builder, Request, Service, records};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// What the service may take at any time, in bytes.
const MEMORY_MAX: u64 = 200 * 1024 * 1024;
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service on disk, whose backend is away: it takes records in all the same.
fn held_to(options: &str) -> Builder {
    let source = format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', {options} }} }}");
    Service::new().durable().config(&source)
}

/// An honest client is served, and the service never took more memory than it may.
#[track_caller]
fn assert_unharmed(service: &Service) {
    assert_eq!(service.push(records::SEED).status, 200, "{}", service.log());
    let peak = memory(service, "VmHWM");
    assert!(peak <= MEMORY_MAX, "{peak} bytes at the peak");
}

/// What the system says of the service's memory.
fn memory(service: &Service, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.process_id())).expect("it runs");
    let line = status.lines().find_map(|known| known.strip_prefix(line)).expect("the system counts it");
    line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<u64>().expect("a number") * 1024
}

fn connect(service: &Service) -> TcpStream {
    let stream = TcpStream::connect(service.address()).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream
}

/// A connection from one of the addresses that this machine has by itself.
fn connect_from(service: &Service, number: usize) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let stream = runtime.block_on(crowds::connect_from(service, number)).into_std().expect("a socket");
    stream.set_nonblocking(false).expect("a socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream
}

/// Sends these bytes, and reads until the other side closes.
fn answers_to(service: &Service, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = connect(service);
    // A server that refuses the beginning need not read the rest.
    let _sent = stream.write_all(bytes.as_ref());
    until_closed(&mut stream)
}

/// Whatever comes until the other side closes, which it does.
fn until_closed(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        // The end may come as a reset, but it has to come.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "it is not closed");
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// A push as it goes over the wire, with these headers.
fn push(headers: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// A push in this encoding.
fn encoded_push(encoding: &str, body: Vec<u8>) -> Request {
    Request::push(body).header("Content-Encoding", encoding)
}
