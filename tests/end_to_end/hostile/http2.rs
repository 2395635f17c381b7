//! HTTP/2, frame by frame (RFC 9113, section 4.1).

use super::{assert_unharmed, connect, held_to};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const NO_ERROR: u32 = 0;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// `:status: 200`, by its number in RFC 7541, appendix A.
const STATUS_200: u8 = 0x88;
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
        frames.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
    }
    let told = told(&mut open(&service), &frames);
    assert!(told.iter().any(|frame| frame.kind == GOAWAY), "it was not told to go");
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

/// As many streams at once as a connection may have are answered, and each one more is refused by itself.
#[test]
fn streams_beyond_the_limit_are_refused() {
    const LIMIT: u32 = 10;
    let options = format!("limits: {{ streams_max: {LIMIT}, body_timeout_secs: 1, idle_timeout_secs: 1 }}");
    let service = held_to(&options).start();
    for (streams, beyond) in [(LIMIT, vec![]), (LIMIT + 1, vec![2 * LIMIT + 1])] {
        // Their bodies do not come, so that all are open until they are answered.
        let frames: Vec<u8> =
            (0..streams).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &HEAD)).collect();
        let told = told(&mut open(&service), &frames);
        let refused = told.iter().filter(|frame| frame.is_reset_with(REFUSED_STREAM)).map(|frame| frame.stream);
        assert_eq!(refused.collect::<Vec<_>>(), beyond, "{streams}");
        assert_eq!(told.iter().filter(|frame| frame.kind == HEADERS).count(), LIMIT as usize, "{streams}");
    }
    let frames: Vec<u8> = (0..100).flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &HEAD)).collect();
    assert!(told(&mut open(&service), &frames).iter().any(|frame| frame.kind == RST_STREAM), "none was refused");
    assert_unharmed(&service);
}

/// As many streams as may be are taken back before anybody looked at them, and what comes then is answered; with one more
/// the connection ends.
#[test]
fn just_so_many_streams_may_be_taken_back() {
    const LIMIT: u32 = 5;
    let options = format!("limits: {{ pending_resets_max: {LIMIT}, idle_timeout_secs: 1 }}");
    let service = held_to(&options).start();
    for (streams, goes_on) in [(LIMIT, true), (LIMIT + 1, false)] {
        let mut frames = Vec::new();
        for number in 0..streams {
            let stream = 2 * number + 1;
            frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, &HEAD));
            frames.extend(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
        }
        assert_goes_on(&service, frames, streams, goes_on);
    }
    assert_unharmed(&service);
}

/// As many streams as may be are broken off for what is wrong with them, and what comes then is answered; with one more the
/// connection ends.
#[test]
fn just_so_many_streams_may_be_wrong() {
    const LIMIT: u32 = 5;
    let options = format!("limits: {{ error_resets_max: {LIMIT}, idle_timeout_secs: 1 }}");
    let service = held_to(&options).start();
    // `connection: close`, which HTTP/2 does not have (RFC 9113, section 8.2.2).
    let wrong = [&HEAD[..], &[0x00, 10], b"connection", &[5], b"close"].concat();
    for (streams, goes_on) in [(LIMIT, true), (LIMIT + 1, false)] {
        let frames: Vec<u8> =
            (0..streams).flat_map(|number| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &wrong)).collect();
        assert_goes_on(&service, frames, streams, goes_on);
    }
    assert_unharmed(&service);
}

/// A connection that is old is told to go, and what has begun on it is answered all the same.
#[test]
fn an_old_connection_is_told_to_go_and_answers_what_has_begun() {
    let options = "keepalive: { max_connection_age_secs: 1, max_connection_age_jitter_factor: 0 },
                   limits: { header_timeout_secs: 1, body_timeout_secs: 60, idle_timeout_secs: 600 }";
    let service = held_to(options).start();
    let mut stream = open(&service);
    let body = callspan_tests::records::call("old");
    stream.write_all(&frame(HEADERS, END_HEADERS, 1, &HEAD)).expect("sent");
    let mut reader = stream.try_clone().expect("a socket");
    let goes = std::iter::from_fn(|| Frame::read(&mut reader)).find(|frame| frame.kind == GOAWAY);
    assert!(goes.is_some_and(|frame| frame.code() == NO_ERROR), "it is told in peace");
    let rest = told(&mut stream, &frame(DATA, END_STREAM, 1, body.as_bytes()));
    let answer = rest.iter().find(|frame| frame.kind == HEADERS && frame.stream == 1).expect("it is answered");
    assert_eq!(answer.payload.first(), Some(&STATUS_200));
    assert_unharmed(&service);
}

/// A connection goes on, or does not, after these frames on so many streams.
#[track_caller]
fn assert_goes_on(service: &callspan_tests::Service, mut frames: Vec<u8>, streams: u32, goes_on: bool) {
    let next = 2 * streams + 1;
    frames.extend(frame(HEADERS, END_HEADERS | END_STREAM, next, &HEAD));
    let told = told(&mut open(service), &frames);
    let is_answered = told.iter().any(|frame| frame.kind == HEADERS && frame.stream == next);
    let is_calmed = told.iter().any(|frame| frame.kind == GOAWAY && frame.code() == ENHANCE_YOUR_CALM);
    assert_eq!((is_answered, is_calmed), (goes_on, !goes_on), "{streams}: {told:?}");
}

fn open(service: &callspan_tests::Service) -> TcpStream {
    let mut stream = connect(service);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").expect("sent");
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).expect("sent");
    stream
}

/// What the other side says.
#[derive(Debug)]
struct Frame {
    kind: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Frame {
    /// The next one, if one comes before the other side closes, which it does.
    fn read(reader: &mut TcpStream) -> Option<Self> {
        let mut read = |bytes: &mut [u8]| match reader.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) => {
                assert_ne!(error.kind(), ErrorKind::WouldBlock, "it is not closed");
                None
            }
        };
        let mut head = [0; 9];
        read(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        read(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Self { kind: head[3], stream, payload })
    }

    /// Why a stream or a connection ends: the last but for the words of a `GOAWAY`, which come behind it.
    fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().expect("four bytes"))
    }

    fn is_reset_with(&self, code: u32) -> bool {
        self.kind == RST_STREAM && self.code() == code
    }
}

/// Sends these frames, and reads until the other side closes.
fn told(stream: &mut TcpStream, frames: &[u8]) -> Vec<Frame> {
    let mut reader = stream.try_clone().expect("a socket");
    let reading = std::thread::spawn(move || std::iter::from_fn(|| Frame::read(&mut reader)).collect());
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
