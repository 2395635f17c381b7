//! Heads of requests, and connections, at their limits and beyond.

use super::service::{Answer, OK, Service};
use crate::connections::ConnectionLimits;
use crate::intake::double::Queue;
use crate::intake::http_server::Settings;
use crate::telemetry::metric;
use axum::http::Method;
use reqwest::Client;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn held_to(limits: ConnectionLimits) -> Service {
    Service::start_with(Queue::default(), Settings::default(), limits).await
}

/// A client of HTTP/1.1, and one of HTTP/2.
fn clients() -> [Client; 2] {
    let builder = || Client::builder().no_proxy();
    [builder().build().expect("a client"), builder().http2_prior_knowledge().build().expect("a client")]
}

#[tokio::test]
async fn an_address_of_just_so_many_bytes_is_taken() {
    let service = held_to(ConnectionLimits { uri_bytes_max: 20, ..ConnectionLimits::default() }).await;
    for client in clients() {
        let push = |query: &str| client.post(format!("http://{}/?{query}", service.address)).body("{}");
        assert_eq!(Answer::to(push(&"a".repeat(18))).await.text, OK);
        let answer = Answer::to(push(&"a".repeat(19))).await;
        assert!(answer.is_error(414, "uri_too_long", "20 bytes"), "{answer:?}");
    }
    assert_eq!(service.errors("uri_too_long"), 2);
}

/// Each of the 8 kB has to be told, whatever the library thinks of it.
#[tokio::test]
async fn headers_of_just_so_many_bytes_are_taken() {
    let service = held_to(ConnectionLimits { header_bytes_max: 8192, ..ConnectionLimits::default() }).await;
    for (length, expected) in [(8192, 200), (8193, 431), (9000, 431), (100_000, 431)] {
        // The others count with 4 + 1 + 32, 10 + 5 + 32 and 14 + 1 + 32, this one with 1 + 32 beside its value.
        let filler = "x".repeat(length - 37 - 47 - 47 - 33);
        let answer = sent(&service, &format!("x: {filler}\r\n")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{length}: {answer}");
    }
    assert_eq!(service.errors("headers_too_large"), 2, "of the others the library tells nobody");
}

#[tokio::test]
async fn just_so_many_headers_are_taken() {
    let service = held_to(ConnectionLimits { headers_max: 10, ..ConnectionLimits::default() }).await;
    for client in clients() {
        let push = |more: usize| {
            let request = client.post(format!("http://{}/", service.address)).body("{}");
            (0..more).fold(request, |request, number| request.header(format!("x-{number}"), "x"))
        };
        let plain = Answer::to(push(0)).await;
        assert_eq!(plain.text, OK);
        let answer = Answer::to(push(10)).await;
        assert!(answer.is_error(431, "too_many_headers", "10 headers"), "{answer:?}");
    }
    // More than a hundred are more than the library has room for.
    for (count, expected) in [(10, 200), (11, 431), (200, 431)] {
        let more: String = (0..count - 3).map(|number| format!("x-{number}: x\r\n")).collect();
        let answer = sent(&service, &more).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected} ")), "{count}: {answer}");
    }
}

#[tokio::test]
async fn one_request_more_than_may_be_answered_at_once_is_asked_to_come_again() {
    let service = held_to(ConnectionLimits { requests_max: 1, ..ConnectionLimits::default() }).await;
    let in_flight = tokio::spawn(Answer::to(service.request(Method::POST, "/").body(r#"{"a":"held"}"#)));
    service.queue.has_taken.notified().await;
    let answer = service.post("{}").await;
    assert!(answer.is_error(503, "too_many_requests", "again later"), "{answer:?}");
    assert_eq!(
        answer.header("retry-after"),
        Some("14"),
        "as long as a body may hold its room: none was given back yet"
    );
    service.queue.release.notify_one();
    assert_eq!(in_flight.await.expect("no panic").text, OK);
    assert_eq!(service.post("{}").await.text, OK);
}

#[tokio::test]
async fn one_connection_more_than_an_address_may_have_is_closed() {
    let service = held_to(ConnectionLimits { connections_per_address_max: 1, ..ConnectionLimits::default() }).await;
    let mut first = TcpStream::connect(service.address).await.expect("a connection");
    let mut second = TcpStream::connect(service.address).await.expect("a connection");
    assert!(matches!(second.read(&mut [0]).await, Ok(0) | Err(_)), "it is closed without a word");
    assert_eq!(service.refused_connections("connections_per_address_max"), 1);
    assert_eq!(service.count(metric::CONNECTIONS_ACCEPTED), 2);
    let request = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
    first.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.expect("an answer, then the end");
    assert!(answer.ends_with(OK), "{answer}");
}

#[tokio::test]
async fn a_head_that_comes_byte_by_byte_has_less_time_than_idleness() {
    let limits = ConnectionLimits {
        header_timeout: Duration::from_millis(20),
        idle_timeout: Duration::from_secs(3600),
        ..ConnectionLimits::default()
    };
    let service = held_to(limits).await;
    for beginning in ["", "P", "PRI * HTTP/2.0\r\n", "POST / HTTP/1.1\r\nhost:"] {
        let mut sender = TcpStream::connect(service.address).await.expect("a connection");
        sender.write_all(beginning.as_bytes()).await.expect("sent");
        // The end may also come as a reset.
        let _ = sender.read_to_end(&mut Vec::new()).await;
    }
    // The second head of a connection is held to the same.
    let mut sender = TcpStream::connect(service.address).await.expect("a connection");
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}";
    sender.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = vec![0; 12];
    sender.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 200");
    sender.write_all(b"POST / HT").await.expect("sent");
    let _ = sender.read_to_end(&mut Vec::new()).await;
}

/// A sender that is told with an answer loses nothing; one of HTTP/2 is told between answers.
#[tokio::test]
async fn an_old_connection_ends_with_its_next_answer() {
    let old = ConnectionLimits { age_max: Duration::ZERO, ..ConnectionLimits::default() };
    for (limits, expected) in [(old, Some("close")), (ConnectionLimits::default(), None)] {
        let service = held_to(limits).await;
        let answer = service.post("{}").await;
        assert_eq!((answer.text.as_str(), answer.header("connection")), (OK, expected));
    }
}

/// A push with three headers and these.
async fn sent(service: &Service, headers: &str) -> String {
    let mut sender = TcpStream::connect(service.address).await.expect("a connection");
    let request = format!("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 2\r\n{headers}\r\n{{}}");
    // A server that refuses a head need not read it to its end.
    let _sent = sender.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _read = sender.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}
