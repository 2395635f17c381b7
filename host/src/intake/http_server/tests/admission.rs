//! What is refused before its body is read, and what is for want of room while it is.

use super::service::{Answer, OK, Service, basic};
use crate::connections::ConnectionLimits;
use crate::intake::double::Queue;
use crate::intake::http_server::Settings;
use crate::queue::Refused;
use crate::telemetry::{Component, metric};
use axum::http::Method;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Takes so much.
async fn with_room_for(bodies_bytes_max: usize) -> Service {
    let settings = Settings { bodies_bytes_max, body_timeout: Duration::from_secs(3600), ..Settings::default() };
    Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await
}

/// Sends no more than this, and reads the answer to its end.
async fn answer_to(service: &Service, beginning: &str) -> String {
    let mut sender = TcpStream::connect(service.address).await.expect("a connection");
    sender.write_all(beginning.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    sender.read_to_string(&mut answer).await.expect("an answer, then the end");
    answer
}

fn refused(component: &Component, reason: &str) -> u64 {
    component.counter(metric::REFUSED_BODIES, &[("reason", reason)]).value()
}

/// The body never comes, and is not waited for.
#[tokio::test]
async fn what_the_queue_would_not_take_is_refused_before_its_body_is_read() {
    for (why, status, code, reason) in [
        (Refused::Full, 429, "queue_full", "queue"),
        (Refused::NoSpace, 503, "not_stored", "disk"),
        (Refused::Broken, 503, "not_stored", "disk"),
    ] {
        let queue = Queue { refuses: Some(why), ..Queue::default() };
        let service = Service::start_with(queue, Settings::default(), ConnectionLimits::default()).await;
        let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 100\r\n\r\n";
        let answer = answer_to(&service, head).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(code), "{answer}");
        assert!(answer.contains("retry-after: 42\r\n"), "{answer}");
        assert_eq!((refused(&service.component, reason), service.errors(code)), (1, 1));
        assert_eq!(service.count(metric::RECEIVED_BYTES), 0);
        let other = Answer::to(service.request(Method::POST, "/?action=voicemail").body("{}")).await;
        assert_eq!(other.text, OK, "nothing of it is stored");
    }
}

/// It asks for nothing of what is behind the door.
#[tokio::test]
async fn a_stranger_does_not_learn_that_the_queue_is_full() {
    let queue = Queue { refuses: Some(Refused::Full), ..Queue::default() };
    let settings = Settings { auth: basic("a", "b"), ..Settings::default() };
    let service = Service::start_with(queue, settings, ConnectionLimits::default()).await;
    assert_eq!(service.post("{}").await.status, 401);
    assert_eq!(refused(&service.component, "queue"), 0);
}

/// What the queue finds out when it writes is no other answer than what it knows before.
#[tokio::test]
async fn a_queue_that_is_found_full_too_late_says_so_all_the_same() {
    let service = Service::start().await;
    let answer = service.post(r#"{"a":"too late"}"#).await;
    assert!(answer.is_error(429, "queue_full", "again later"), "{answer:?}");
    assert_eq!((answer.header("retry-after"), service.settled("to_be_retried")), (Some("42"), 1));
}

#[tokio::test]
async fn a_body_takes_what_it_announces_or_all_that_it_may_have() {
    let service = with_room_for(2_600_000).await;
    let mut slow = TcpStream::connect(service.address).await.expect("a connection");
    slow.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n{").await.expect("sent");
    while service.component.gauge(metric::BODIES_BYTES, &[]).value() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(service.component.gauge(metric::BODIES_BYTES, &[]).value(), 1_000_000);
    assert_eq!(service.post("{}").await.text, OK, "there is room for this one");
    let in_chunks = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = answer_to(&service, in_chunks).await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("share_taken"), "{answer}");
    assert!(answer.contains("retry-after: "), "{answer}");
    assert_eq!((refused(&service.component, "share"), service.errors("share_taken")), (1, 1));
    drop(slow);
    while service.component.gauge(metric::BODIES_BYTES, &[]).value() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(service.post("{}").await.text, OK, "its room was given back");
}

/// What it is inflated to takes room while it grows, not before.
#[tokio::test]
async fn a_body_takes_more_when_it_is_inflated() {
    let body = format!("{{\"a\":\"{}\"}}", "x".repeat(200_000));
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(body.as_bytes()).expect("memory");
    let gzip = gzip.finish().expect("memory");
    for (bodies_bytes_max, status) in [(100_000, 503), (1_000_000, 200)] {
        let service = with_room_for(bodies_bytes_max).await;
        let request = service.request(Method::POST, "/").header("content-encoding", "gzip").body(gzip.clone());
        let answer = Answer::to(request).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(service.component.gauge(metric::BODIES_BYTES, &[]).value(), 0);
    }
}

/// Each takes more than its bytes.
#[tokio::test]
async fn many_small_records_take_more_than_their_bytes() {
    for (bodies_bytes_max, status) in [(500_000, 503), (1_000_000, 200)] {
        let service = with_room_for(bodies_bytes_max).await;
        let answer = service.post("{}\n".repeat(1000)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(status == 200 || service.taken().is_empty(), "all or nothing");
    }
}
