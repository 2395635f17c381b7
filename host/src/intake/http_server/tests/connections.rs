//! Connections that are slow, idle, too many, or open when the service ends.

use super::service::{Answer, OK, Service, basic};
use crate::connections::ConnectionLimits;
use crate::intake::double::Queue;
use crate::intake::http_server::Settings;
use crate::telemetry::metric;
use axum::http::Method;
use reqwest::Client;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let settings = Settings { body_timeout: Duration::from_millis(20), ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let mut sender = TcpStream::connect(service.address).await.expect("a connection");
    sender.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{").await.expect("sent");
    let mut answer = String::new();
    sender.read_to_string(&mut answer).await.expect("an answer, then the end");
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("took too long"), "{answer}");
}

/// Many a client reads only once it has sent all.
#[tokio::test]
async fn a_sender_that_sends_all_before_it_reads_gets_its_refusal() {
    const BODY_BYTES: usize = 3_000_000;
    let settings = Settings { path: "/calls".to_owned(), auth: basic("a", "b"), ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let body = "x".repeat(BODY_BYTES);
    let announced = (format!("content-length: {BODY_BYTES}"), body.clone());
    let in_chunks = ("transfer-encoding: chunked".to_owned(), format!("{BODY_BYTES:x}\r\n{body}\r\n0\r\n\r\n"));
    let admitted = "authorization: Basic YTpi";
    for (header, body) in [announced, in_chunks] {
        for (status, request, authorization) in [
            (413, "POST /calls", admitted),
            (404, "POST /", admitted),
            (405, "PUT /calls", admitted),
            (401, "POST /calls", "x: y"),
        ] {
            let socket = TcpSocket::new_v4().expect("a socket");
            // Else the sender might be rid of all its body before any of it is read.
            socket.set_send_buffer_size(256 * 1024).expect("a size");
            let mut sender = socket.connect(service.address).await.expect("a connection");
            let head =
                format!("{request} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{authorization}\r\n{header}\r\n\r\n");
            sender.write_all(head.as_bytes()).await.expect("sent");
            sender.write_all(body.as_bytes()).await.expect("sent to its end");
            let mut answer = String::new();
            sender.read_to_string(&mut answer).await.expect("an answer, then the end");
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request} {header}: {answer}");
        }
    }
}

/// Nor is it asked to send what is not going to be read.
#[tokio::test]
async fn a_refusal_does_not_wait_for_a_body_that_does_not_come() {
    let service = Service::start().await;
    for (length, header) in [(3_000_000, "expect: 100-continue"), (3_000_000, "x: y"), (1_000_000_000, "x: y")] {
        let mut sender = TcpStream::connect(service.address).await.expect("a connection");
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{header}\r\ncontent-length: {length}\r\n\r\n");
        sender.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        sender.read_to_string(&mut answer).await.expect("an answer, then the end");
        assert!(answer.starts_with("HTTP/1.1 413 "), "{length} {header}: {answer}");
    }
}

#[tokio::test]
async fn http_2_is_spoken_on_the_same_port() {
    let service = Service::start().await;
    let client = Client::builder().no_proxy().http2_prior_knowledge().build().expect("a client");
    let response = client.post(format!("http://{}/", service.address)).body("{}").send().await.expect("an answer");
    assert_eq!((response.version(), response.status().as_u16()), (reqwest::Version::HTTP_2, 200));
}

/// A sender that goes away is not answered, but its record is not forgotten by the books.
#[tokio::test]
async fn a_record_whose_sender_went_away_is_counted() {
    let service = Service::start().await;
    let mut sender = TcpStream::connect(service.address).await.expect("a connection");
    sender.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n[\"never\"]").await.expect("sent");
    service.queue.has_taken.notified().await;
    drop(sender);
    while service.settled("abandoned") == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(service.count(metric::RECEIVED_EVENTS), 1);
}

#[tokio::test]
async fn a_request_in_flight_is_answered_at_shutdown_and_nothing_new_is_accepted() {
    let service = Service::start().await;
    let in_flight = tokio::spawn(Answer::to(service.request(Method::POST, "/").body(r#"{"a":"held"}"#)));
    service.queue.has_taken.notified().await;
    let idle = TcpStream::connect(service.address).await.expect("a connection");
    service.shutdown.send(()).expect("a server");
    // Once an idle connection is closed, or reset because it was not accepted yet, the shutdown is under way.
    assert!(matches!({ idle }.read(&mut [0]).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(service.address).await.is_err());
    service.queue.release.notify_one();
    assert_eq!(in_flight.await.expect("no panic").text, OK);
    service.server.await.expect("no panic");
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_closed() {
    let limits = ConnectionLimits { idle_timeout: Duration::from_millis(20), ..ConnectionLimits::default() };
    let service = Service::start_with(Queue::default(), Settings::default(), limits).await;
    let mut senders = JoinSet::new();
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "POST / HTTP/1.1\r\nhost:", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        senders.spawn(async move {
            let mut sender = TcpStream::connect(service.address).await.expect("a connection");
            sender.write_all(beginning.as_bytes()).await.expect("sent");
            // HTTP/2 says good day first. The end may also come as a reset.
            let _ = sender.read_to_end(&mut Vec::new()).await;
        });
    }
    senders.join_all().await;
}

#[tokio::test]
async fn a_request_that_takes_longer_than_idleness_may_is_answered() {
    let limits = ConnectionLimits { idle_timeout: Duration::from_millis(500), ..ConnectionLimits::default() };
    let service = Service::start_with(Queue::default(), Settings::default(), limits).await;
    let in_flight = tokio::spawn(Answer::to(service.request(Method::POST, "/").body(r#"{"a":"held"}"#)));
    service.queue.has_taken.notified().await;
    // When an idle connection that came later is closed, the one in flight has waited longer.
    let mut idle = TcpStream::connect(service.address).await.expect("a connection");
    assert_eq!(idle.read(&mut [0]).await.expect("an end"), 0);
    service.queue.release.notify_one();
    assert_eq!(in_flight.await.expect("no panic").text, OK);
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_ends() {
    let limits = ConnectionLimits { connections_max: 1, ..ConnectionLimits::default() };
    let service = Service::start_with(Queue::default(), Settings::default(), limits).await;
    let first = TcpStream::connect(service.address).await.expect("a connection");
    let second = tokio::spawn(Answer::to(service.request(Method::POST, "/").body("{}")));
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    while service.count(metric::CONNECTIONS_DELAYED) == 0 {
        tokio::task::yield_now().await;
    }
    drop(first);
    assert_eq!(second.await.expect("no panic").text, OK);
}
