//! Clients that take their time, or go before they are done.

use super::{assert_unharmed, connect, held_to, push, until_closed};
use callspan_tests::{Connection, Request, Service, records};
use std::io::Write as _;
use std::thread;
use std::time::Duration;

const CLIENTS: usize = 50;

/// Each is closed without an answer, however far it has come.
#[test]
fn headers_that_do_not_come_to_an_end_are_not_waited_for() {
    let service = held_to("limits: { header_timeout_secs: 1, idle_timeout_secs: 3600 }").start();
    let beginnings =
        ["", "P", "PRI * HTTP/2.0\r\n", "POST / HTTP/1.1\r\nHost:", "POST / HTTP/1.1\r\nHost: a\r\nX: y\r\n"];
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = connect(&service);
            client.write_all(beginnings[number % beginnings.len()].as_bytes()).expect("sent");
            client
        })
        .collect();
    assert_unharmed(&service);
    for mut client in clients {
        assert_eq!(until_closed(&mut client), "");
    }
    assert_unharmed(&service);
}

/// Nothing more is asked on it, so nothing is waited for.
#[test]
fn a_connection_that_is_left_open_is_closed() {
    let service = held_to("limits: { idle_timeout_secs: 1, header_timeout_secs: 600 }").start();
    let mut connection = Connection::open(service.address());
    assert_eq!(connection.send(&Request::push(records::SEED)).status, 200);
    connection.wait_for_end();
    assert_unharmed(&service);
}

#[test]
fn a_body_that_does_not_come_to_an_end_is_answered_and_closed() {
    let service = held_to("limits: { body_timeout_secs: 1 }").start();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let mut client = connect(&service);
            client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{").expect("sent");
            client
        })
        .collect();
    assert_unharmed(&service);
    for mut client in clients {
        let answer = until_closed(&mut client);
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
    assert_unharmed(&service);
}

/// Whoever sends a byte now and then is not slower than nobody may be: a head and a body have a time as a whole, however
/// much comes meanwhile.
#[test]
fn a_client_that_sends_byte_by_byte_has_no_more_time() {
    let limits = "limits: { header_timeout_secs: 1, body_timeout_secs: 1, idle_timeout_secs: 3600 }";
    let service = held_to(limits).start();
    let head = "POST / HTTP/1.1\r\nHost: a\r\nX: ";
    let body = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{";
    let chunks = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nf4240\r\n{";
    thread::scope(|scope| {
        let clients: Vec<_> = [head, body, chunks]
            .into_iter()
            .map(|beginning| (beginning, scope.spawn(|| answer_to_a_trickle(&service, beginning))))
            .collect();
        assert_unharmed(&service);
        for (beginning, client) in clients {
            let answer = client.join().expect("it is closed");
            let expected = if beginning == head { "" } else { "HTTP/1.1 408 " };
            assert!(answer.starts_with(expected) && answer.is_empty() == expected.is_empty(), "{beginning}: {answer}");
        }
    });
    assert_unharmed(&service);
}

/// Sends these bytes and then one now and then, until the other side closes.
fn answer_to_a_trickle(service: &Service, beginning: &str) -> String {
    let mut client = connect(service);
    client.write_all(beginning.as_bytes()).expect("sent");
    let mut reader = client.try_clone().expect("a socket");
    let reading = thread::spawn(move || until_closed(&mut reader));
    // More than a minute of it is what makes the reader fail: it is to be closed after a second.
    for _ in 0..700 {
        if reading.is_finished() || client.write_all(b"x").is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    reading.join().expect("it is closed")
}

/// Wherever a client breaks off, nothing of it is stored.
#[test]
fn a_client_that_goes_before_it_is_done_leaves_nothing_behind() {
    let service = held_to("limits: {}").start();
    let whole = push("", &records::call("gone"));
    for length in (1..whole.len()).step_by(7) {
        connect(&service).write_all(&whole.as_bytes()[..length]).expect("sent");
    }
    assert_unharmed(&service);
    service.wait_for_metric("callspan_component_received_events_total", &["component_kind=\"source\""], 1.0);
}
