//! The intake as its senders see it, over a socket.

mod connections;
mod service;

use super::Settings;
use crate::connections::ConnectionLimits;
use axum::http::Method;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use service::{Answer, OK, Queue, Service};
use std::io::Write;
use std::time::Duration;

#[tokio::test]
async fn a_record_that_is_stored_is_acknowledged() {
    let service = Service::start().await;
    let vendors =
        service.request(Method::POST, "/?action=cdr&version=1").header("content-type", "application/json;charset=utf8");
    let answer = Answer::to(vendors.body(" {\"a\":1}\n")).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, OK));
    assert_eq!(service.taken(), [r#"{"a":1}"#]);
    assert_eq!(
        (service.count(|c| &c.requests), service.count(|c| &c.records), service.count(|c| &c.acknowledged)),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn every_record_of_a_body_is_stored_by_itself() {
    let service = Service::start().await;
    assert_eq!(service.post("{\"a\":1}\n{\"b\":2}\n").await.text, OK);
    assert_eq!(service.post("[{\"c\":3},{\"d\":4}]").await.text, OK);
    assert_eq!(service.taken(), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#, r#"{"d":4}"#]);
}

#[tokio::test]
async fn a_single_record_that_is_refused_says_why() {
    let service = Service::start().await;
    let malformed = service.post("{malformed").await;
    assert!(malformed.is_error(400, "line 1 column 2"), "{malformed:?}");
    let incomplete = service.post(r#"{"a":"incomplete"}"#).await;
    assert!(incomplete.is_error(422, "the record is incomplete"), "{incomplete:?}");
    assert_eq!(service.count(|c| &c.rejected), 2);
}

#[tokio::test]
async fn of_several_records_each_that_is_refused_is_told() {
    let service = Service::start().await;
    let answer = service.post("{\"a\":1}\n{malformed\n{\"b\":\"incomplete\"}\n").await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.text,
        concat!(
            r#"{"ErrCode":422,"ErrMsg":"2 of 3 records are refused, the others are stored","records":["#,
            r#"{"index":1,"code":"malformed_code","message":"the record is malformed at line 1 column 2"},"#,
            r#"{"index":2,"code":"incomplete_code","message":"the record is incomplete at line 1 column 2"}]}"#
        )
    );
    assert_eq!(service.post("{\"a\":1}\n{malformed\n").await.status, 400);
}

#[tokio::test]
async fn what_cannot_be_stored_now_is_asked_for_again() {
    let service = Service::start().await;
    let answer = service.post("{\"a\":1}\n{\"b\":\"later\"}\n{malformed\n").await;
    assert!(answer.is_error(503, "whole body"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("7"));
    assert_eq!(service.count(|c| &c.to_be_retried), 1);
}

#[tokio::test]
async fn a_full_queue_takes_what_fits_and_asks_for_the_whole_body_again() {
    let service = Service::start_with(
        Queue { room: Some(1), ..Queue::default() },
        Settings::default(),
        ConnectionLimits::default(),
    )
    .await;
    let answer = service.post("{\"a\":1}\n{\"b\":2}\n{\"c\":3}\n").await;
    assert!(answer.is_error(503, "again later"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("5"));
    assert_eq!(
        (service.count(|c| &c.queue_full), service.count(|c| &c.records), service.count(|c| &c.acknowledged)),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn a_queue_that_says_nothing_is_not_waited_for_for_ever() {
    let settings = Settings { answer_timeout: Duration::ZERO, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let answer = service.post(r#"{"a":"never"}"#).await;
    assert!(answer.is_error(503, ""), "{answer:?}");
    assert_eq!(service.post(r#"{"a":1}"#).await.text, OK);
}

#[tokio::test]
async fn only_call_records_are_stored_and_other_actions_are_counted() {
    let service = Service::start().await;
    for (query, stored) in [
        ("", true),
        ("?action=cdr&version=2", true),
        ("?action=record", false),
        ("?action=voicemail", false),
        ("?action=other", false),
    ] {
        let answer =
            Answer::to(service.request(Method::POST, &format!("/{query}")).body(format!("{{\"q\":\"{query}\"}}")))
                .await;
        assert_eq!(answer.text, OK);
        assert_eq!(service.taken().iter().any(|body| body.contains(&format!("\"{query}\""))), stored, "{query}");
    }
    assert_eq!(
        (
            service.count(|c| &c.other_actions),
            service.count(|c| &c.unknown_actions),
            service.count(|c| &c.unknown_versions)
        ),
        (2, 1, 1)
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let settings = Settings { path: "/{calls}/*".to_owned(), ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let record = |method, path| Answer::to(service.request(method, path).body("{}"));
    let answer = record(Method::POST, "/").await;
    assert!(answer.is_error(404, "call records go to /{calls}/*"), "{answer:?}");
    assert_eq!(record(Method::POST, "/%7Bcalls%7D/*").await.status, 404);
    let answer = record(Method::PUT, "/").await;
    assert_eq!(answer.status, 404);
    assert_eq!(service.count(|c| &c.misdirected), 3);

    let service = Service::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = Answer::to(service.request(method, "/")).await;
        assert!(answer.is_error(405, "POST"), "{answer:?}");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
}

/// The vendor spells its content type in its own way, and `curl` says that everything is a form.
#[tokio::test]
async fn a_record_is_taken_under_any_content_type() {
    let service = Service::start().await;
    for kind in ["application/json;charset=utf8", "application/x-www-form-urlencoded", "x"] {
        let answer = Answer::to(service.request(Method::POST, "/").header("content-type", kind).body("{}")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_without_a_record_is_refused() {
    let service = Service::start().await;
    for body in ["", " \r\n", "\u{feff}", "[]"] {
        let answer = service.post(body).await;
        assert!(answer.is_error(400, "empty"), "{answer:?}");
    }
    assert_eq!(service.count(|c| &c.unreadable), 4);
}

#[tokio::test]
async fn a_compressed_body_is_inflated() {
    let service = Service::start().await;
    let record = br#"{"a":1}"#;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    for encoder in [&mut gzip as &mut dyn Write, &mut zlib, &mut raw] {
        encoder.write_all(record).expect("memory");
    }
    let (gzip, zlib, raw) =
        (gzip.finish().expect("memory"), zlib.finish().expect("memory"), raw.finish().expect("memory"));
    for (encoding, body) in
        [("gzip", gzip.clone()), ("X-GZIP", gzip), ("deflate", zlib), ("deflate", raw), ("identity", record.to_vec())]
    {
        let answer =
            Answer::to(service.request(Method::POST, "/").header("content-encoding", encoding).body(body)).await;
        assert_eq!(answer.text, OK, "{encoding}");
    }
    assert_eq!(service.taken(), [r#"{"a":1}"#; 5]);
}

#[tokio::test]
async fn an_encoding_that_is_unknown_or_broken_is_refused() {
    let service = Service::start().await;
    let with = |encoding: &str| service.request(Method::POST, "/").header("content-encoding", encoding).body("{}");
    for encoding in ["br", "gzip, gzip"] {
        let answer = Answer::to(with(encoding)).await;
        assert!(answer.is_error(415, "gzip, deflate and identity"), "{answer:?}");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate, identity"));
    }
    for encoding in ["gzip", "deflate"] {
        let answer = Answer::to(with(encoding)).await;
        assert!(answer.is_error(400, "content encoding"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_is_limited_before_and_after_it_is_inflated() {
    let settings = Settings { body_bytes_max: 100, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let of_size = |size: usize| format!("\"{}\"", "x".repeat(size - 2));
    let in_chunks = |text: String| {
        // A body of unknown length, as a proxy may send it.
        let request = service.request(Method::POST, "/").header("transfer-encoding", "chunked");
        Answer::to(request.body(text))
    };
    let compressed = |text: String| {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(text.as_bytes()).expect("memory");
        let body = gzip.finish().expect("memory");
        assert!(body.len() < 100);
        Answer::to(service.request(Method::POST, "/").header("content-encoding", "gzip").body(body))
    };
    for answer in [service.post(of_size(100)).await, in_chunks(of_size(100)).await, compressed(of_size(100)).await] {
        assert_eq!(answer.text, OK);
    }
    for answer in [service.post(of_size(101)).await, in_chunks(of_size(101)).await, compressed(of_size(101)).await] {
        assert!(answer.is_error(413, "100 bytes"), "{answer:?}");
    }
    assert_eq!(service.count(|c| &c.too_large), 3);
}

#[tokio::test]
async fn a_body_holds_a_limited_number_of_records_and_is_not_stored_in_part() {
    let settings = Settings { body_records_max: 2, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let answer = service.post("{}\n{}\n{}\n").await;
    assert!(answer.is_error(413, "2 records"), "{answer:?}");
    assert!(service.taken().is_empty());
    assert_eq!(service.post("{}\n{}\n").await.text, OK);
}
