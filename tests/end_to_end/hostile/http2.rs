//! HTTP/2, frame by frame (RFC 9113, section 4.1).

use super::{assert_unharmed, connect, held_to};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `POST / HTTP/2` to the host `a`, by the numbers of RFC 7541, appendix A.
const HEAD: [u8; 6] = [0x83, 0x86, 0x84, 0x41, 0x01, b'a'];

/// Streams that are taken back as fast as they are opened (CVE-2023-44487): the connection is told to go.
#[test]
fn streams_that_are_taken_back_at_once_end_the_connection() {
    const STREAMS: u32 = 20_000;
    let service = held_to("limits: {}").start();
    let mut frames = Vec::new();
    for number in 0..STREAMS {
        let stream = 2 * number + 1;
        frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &HEAD));
        frames.extend(frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes()));
    }
    assert!(told(&mut open(&service), &frames).contains(&GOAWAY), "it was not told to go");
    assert_unharmed(&service);
}

/// Headers that go on without end (CVE-2024-27316).
#[test]
fn headers_that_go_on_without_end_end_the_connection() {
    const FRAMES: usize = 10_000;
    let service = held_to("limits: { header_timeout_secs: 2 }").start();
    let mut frames = frame(HEADERS, END_STREAM, 1, &HEAD);
    // A header that is not indexed, `x: xx…`, again and again.
    let mut header = vec![0x00, 1, b'x', 0x7e];
    header.extend([b'x'; 126]);
    for _ in 0..FRAMES {
        frames.extend(frame(CONTINUATION, 0, 1, &header));
    }
    told(&mut open(&service), &frames);
    assert_unharmed(&service);
}

/// More streams at once than a connection may have: those are refused, and nothing else happens.
#[test]
fn streams_beyond_the_limit_are_refused() {
    let service = held_to("limits: { streams_max: 10, body_timeout_secs: 1, idle_timeout_secs: 1 }").start();
    let frames: Vec<u8> = (0..100).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &HEAD)).collect();
    assert!(told(&mut open(&service), &frames).contains(&RST_STREAM), "none was refused");
    assert_unharmed(&service);
}

fn open(service: &callspan_tests::Service) -> TcpStream {
    let mut stream = connect(service);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).expect("sent");
    stream
}

/// Sends these frames, and reads until the other side closes: the types of what it said.
fn told(stream: &mut TcpStream, frames: &[u8]) -> Vec<u8> {
    let mut reader = stream.try_clone().expect("a socket");
    let reading = std::thread::spawn(move || {
        let mut types = Vec::new();
        let mut head = [0; 9];
        while reader.read_exact(&mut head).is_ok() {
            types.push(head[3]);
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; length as usize];
            if reader.read_exact(&mut payload).is_err() {
                break;
            }
        }
        types
    });
    // It may be gone before it has all.
    let _sent = stream.write_all(frames);
    reading.join().expect("no panic")
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}
