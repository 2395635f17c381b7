//! Bodies that are too many for the memory that there is for them: some are asked to come again, before they are read, and
//! nobody is kept out by somebody else.

use super::{assert_unharmed, connect_from, held_to, memory};
use callspan_tests::{Request, records};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

const MIB: u64 = 1024 * 1024;
const BODY_BYTES: usize = 1_000_000;
const REFUSED: &str = "callspan_refused_bodies_total";
const HELD: &str = "callspan_bodies_bytes";

/// One address announces more than there is room for, and sends next to nothing of it. It is told that it has its share, and
/// whoever has another address is served, with small bodies and with large ones.
#[test]
fn an_address_that_takes_its_share_keeps_nobody_out() {
    const BODIES: usize = 60;
    let service = held_to("limits: { body_timeout_secs: 600 }").start();
    let greedy: Vec<TcpStream> = (0..BODIES)
        .map(|_| {
            let mut stream = connect_from(&service, 7);
            stream.write_all(head(BODY_BYTES).as_bytes()).expect("sent");
            stream
        })
        .collect();
    // Three quarters of 32 MiB, a megabyte each.
    let taken = 25;
    service.wait_for_metric(REFUSED, &["reason=\"share\""], (BODIES - taken) as f64);
    assert_eq!(service.metric(HELD, &[]), (taken * BODY_BYTES) as f64);
    for _ in 0..100 {
        assert_eq!(service.push(records::SEED).status, 200, "{}", service.log());
    }
    let large = format!("{}{}", " ".repeat(BODY_BYTES / 2), records::SEED);
    assert_eq!(service.push(large).status, 200, "{}", service.log());
    assert_unharmed(&service);
    drop(greedy);
    service.wait_for_metric(HELD, &[], 0.0);
}

/// The answer says why, and when to come again: no later than the others must be done.
#[test]
fn whoever_finds_no_room_is_told_when_to_come_again() {
    let service = held_to("limits: { body_timeout_secs: 20 }").start();
    let greedy: Vec<TcpStream> = (0..25)
        .map(|_| {
            let mut stream = connect_from(&service, 7);
            stream.write_all(head(BODY_BYTES).as_bytes()).expect("sent");
            stream
        })
        .collect();
    service.wait_for_metric(HELD, &[], (25 * BODY_BYTES) as f64);
    let mut late = connect_from(&service, 7);
    late.write_all(format!("{}{}", head(BODY_BYTES), "x".repeat(BODY_BYTES)).as_bytes())
        .expect("it is read and thrown away");
    let mut answer = vec![0; 1000];
    let length = late.read(&mut answer).expect("an answer");
    let answer = String::from_utf8_lossy(answer.get(..length).unwrap_or_default()).into_owned();
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("share_taken"), "{answer}");
    let seconds = answer.lines().find_map(|line| line.strip_prefix("retry-after: ")?.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (1..=24).contains(&seconds)), "{answer}");
    drop(greedy);
}

/// As many bodies of the largest size as there are senders, all but their last byte: what is in memory of them is what the
/// limit says, and some for the connections.
#[test]
fn bodies_take_no_more_memory_than_they_may() {
    const SENDERS: usize = 160;
    const BODIES_MIB: u64 = 48;
    const CONNECTION_BYTES: u64 = 161 * 1024;
    let limits = format!("limits: {{ body_timeout_secs: 600, bodies_bytes_max: {} }}", BODIES_MIB * MIB);
    let service = held_to(&limits).start();
    assert_eq!(service.push(records::SEED).status, 200, "{}", service.log());
    let before = memory(&service, "VmHWM");
    let (done, all) = mpsc::channel();
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let (mut stream, done) = (connect_from(&service, number % 8), done.clone());
            thread::spawn(move || {
                let body = vec![b'x'; BODY_BYTES - 1];
                let _sent = stream.write_all(head(BODY_BYTES).as_bytes()).and_then(|()| stream.write_all(&body));
                done.send(()).expect("somebody waits");
                stream
            })
        })
        .collect();
    for _ in 0..SENDERS {
        all.recv_timeout(Duration::from_secs(60)).expect("each is rid of its body");
    }
    let refused = service.metric(REFUSED, &[]);
    let held = service.metric(HELD, &[]);
    assert!(
        refused > 0.0 && held > 40_000_000.0 && held <= (BODIES_MIB * MIB) as f64,
        "{refused} refused, {held} held"
    );
    let (peak, streams) = (memory(&service, "VmHWM"), senders.into_iter().map(|it| it.join().expect("no panic")));
    let most = before + BODIES_MIB * MIB * 5 / 4 + SENDERS as u64 * CONNECTION_BYTES;
    eprintln!("{before} bytes before, {peak} at the peak, at most {most}");
    assert!(peak <= most, "{peak} bytes at the peak, {before} before");
    drop(streams.collect::<Vec<_>>());
    service.wait_for_metric(HELD, &[], 0.0);
    assert_unharmed(&service);
}

/// A small record in much that is blank is kept without the blanks.
#[test]
fn what_waits_takes_no_more_memory_than_it_counts_for() {
    const PUSHES: usize = 400;
    let service = held_to("limits: {}").start();
    for number in 0..PUSHES {
        let body = format!("{}{}", " ".repeat(900_000), records::call(&number.to_string()));
        assert_eq!(Request::push(body).send(service.address()).status, 200, "{}", service.log());
    }
    assert_unharmed(&service);
}

fn head(length: usize) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n")
}
