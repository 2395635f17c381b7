//! The intake as its senders see it, over a socket.

mod admission;
mod connections;
mod heads;
mod service;

use super::Settings;
use crate::connections::ConnectionLimits;
use crate::intake::double::Queue;
use crate::telemetry::metric;
use axum::http::Method;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::json;
use service::{Answer, OK, Service, basic};
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
        (service.requests("200"), service.count(metric::RECEIVED_EVENTS), service.settled("acknowledged")),
        (1, 1, 1)
    );
    assert_eq!(service.count(metric::RECEIVED_BYTES), 9);
}

#[tokio::test]
async fn every_record_of_a_body_is_stored_by_itself() {
    let service = Service::start().await;
    assert_eq!(service.post("{\"a\":1}\n{\"b\":2}\n").await.text, OK);
    assert_eq!(service.post("[{\"c\":3},{\"d\":4}]").await.text, OK);
    assert_eq!(service.taken(), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#, r#"{"d":4}"#]);
}

#[tokio::test]
async fn a_single_record_that_is_refused_says_why_and_where() {
    let service = Service::start().await;
    let malformed = service.post("\n {malformed").await;
    assert!(malformed.is_error(400, "records_refused", "line 2 column 3"), "{malformed:?}");
    let verdict = json!([{
        "index": 0, "code": "malformed_code", "line": 2, "column": 3,
        "message": "the record is malformed at line 2 column 3"
    }]);
    assert_eq!(malformed.verdicts(), verdict);
    let incomplete = service.post(r#"{"a":"incomplete"}"#).await;
    assert!(incomplete.is_error(422, "records_refused", "the record is incomplete"), "{incomplete:?}");
    assert_eq!(service.settled("rejected"), 2);
    assert_eq!((service.errors_of("malformed", "malformed_code"), service.errors("records_refused")), (1, 0));
    assert_eq!((service.requests("400"), service.requests("422")), (1, 1));
}

#[tokio::test]
async fn of_several_records_each_that_is_refused_is_told() {
    let service = Service::start().await;
    let answer = service.post("{\"a\":1}\n {malformed\n{\"b\":\"incomplete nowhere\"}\n").await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.text,
        concat!(
            r#"{"ErrCode":422,"ErrMsg":"2 of 3 records are refused, the others are stored","code":"records_refused","#,
            r#""records":[{"index":1,"code":"malformed_code","line":2,"column":3,"#,
            r#""message":"the record is malformed at line 2 column 3"},"#,
            r#"{"index":2,"code":"incomplete_code","line":3,"column":1,"message":"the record is incomplete"}]}"#
        )
    );
    assert_eq!(service.post("{\"a\":1}\n{malformed\n").await.status, 400);
}

#[tokio::test]
async fn a_place_is_one_in_the_inflated_body() {
    let service = Service::start().await;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all("[{\"a\":\"\u{e9}\"}, {malformed}]".as_bytes()).expect("memory");
    let body = gzip.finish().expect("memory");
    let answer = Answer::to(service.request(Method::POST, "/").header("content-encoding", "gzip").body(body)).await;
    assert_eq!((&answer.verdicts()[0]["line"], &answer.verdicts()[0]["column"]), (&json!(1), &json!(15)));
}

/// A sender that was answered with 200 would forget the records that may be missing.
#[tokio::test]
async fn an_array_that_is_broken_between_its_records_is_refused_and_the_records_are_stored() {
    let cases = [
        ("[{\"a\":1},\n", 1, (2, 1)),
        ("[{\"a\":1}", 1, (1, 9)),
        ("[{\"a\":1} {\"a\":1}]", 2, (1, 10)),
        ("[{\"a\":1},\n ,{\"a\":1}]", 2, (2, 2)),
        ("[{\"a\":1},]", 1, (1, 10)),
        ("[,]", 0, (1, 2)),
    ];
    for (body, stored, (line, column)) in cases {
        let service = Service::start().await;
        let answer = service.post(body).await;
        assert!(answer.is_error(400, "records_refused", ""), "{answer:?}");
        let verdicts = answer.verdicts();
        assert_eq!(
            (&verdicts[0]["code"], &verdicts[0]["line"], &verdicts[0]["column"], verdicts.get(1)),
            (&json!("malformed_code"), &json!(line), &json!(column), None),
            "{body:?}"
        );
        assert_eq!(service.taken().iter().filter(|taken| *taken == "{\"a\":1}").count(), stored, "{body:?}");
        assert_eq!(service.settled("acknowledged"), stored as u64, "{body:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_stored_now_is_asked_for_again() {
    let service = Service::start().await;
    let answer = service.post("{\"a\":1}\n{\"b\":\"later\"}\n{malformed\n").await;
    assert!(answer.is_error(503, "not_stored", "whole body"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("7"));
    let verdicts = answer.verdicts();
    assert_eq!(
        (&verdicts[0]["index"], &verdicts[0]["code"], &verdicts[0]["line"]),
        (&json!(1), &json!("not_stored"), &json!(2))
    );
    assert_eq!((&verdicts[1]["index"], &verdicts[1]["code"]), (&json!(2), &json!("malformed_code")));
    assert_eq!((service.settled("to_be_retried"), service.errors("not_stored")), (1, 1));
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
    assert!(answer.is_error(429, "queue_full", "again later"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("42"));
    let verdicts = answer.verdicts();
    assert_eq!((&verdicts[0]["index"], &verdicts[1]["index"], verdicts.get(2)), (&json!(1), &json!(2), None));
    assert_eq!(
        (service.errors("queue_full"), service.count(metric::RECEIVED_EVENTS), service.settled("acknowledged")),
        (1, 1, 1)
    );
    assert!(service.post("{}").await.is_error(429, "queue_full", "again later"));
    assert_eq!(service.count(metric::RECEIVED_EVENTS), 1);
}

#[tokio::test]
async fn a_queue_that_says_nothing_is_not_waited_for_for_ever() {
    let settings = Settings { answer_timeout: Duration::ZERO, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let answer = service.post(r#"{"a":"never"}"#).await;
    assert!(answer.is_error(503, "not_stored", ""), "{answer:?}");
    assert_eq!(service.post(r#"{"a":1}"#).await.text, OK);
}

#[tokio::test]
async fn what_is_known_to_be_no_call_record_is_not_stored_and_what_is_unknown_is() {
    let service = Service::start().await;
    for (query, stored) in [
        ("", true),
        ("?action=cdr&version=2", true),
        ("?action=record", false),
        ("?action=voicemail", false),
        ("?action=other", true),
        ("?action=", true),
    ] {
        let answer =
            Answer::to(service.request(Method::POST, &format!("/{query}")).body(format!("{{\"q\":\"{query}\"}}")))
                .await;
        assert_eq!(answer.text, OK);
        assert_eq!(service.taken().iter().any(|body| body.contains(&format!("\"{query}\""))), stored, "{query}");
    }
    assert_eq!(
        (
            service.count(metric::OTHER_ACTIONS),
            service.count(metric::UNKNOWN_ACTIONS),
            service.count(metric::UNKNOWN_VERSIONS)
        ),
        (2, 2, 1)
    );
    let answer = Answer::to(service.request(Method::POST, "/?action=other").body("{malformed")).await;
    assert!(answer.is_error(400, "records_refused", "malformed"), "{answer:?}");
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let settings = Settings { path: "/{calls}/*".to_owned(), ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let record = |method, path| Answer::to(service.request(method, path).body("{}"));
    let answer = record(Method::POST, "/").await;
    assert!(answer.is_error(404, "unknown_path", "call records go to /{calls}/*"), "{answer:?}");
    assert_eq!(record(Method::POST, "/%7Bcalls%7D/*").await.status, 404);
    let answer = record(Method::PUT, "/").await;
    assert_eq!(answer.status, 404);
    assert_eq!(service.errors("unknown_path"), 3);

    let service = Service::start().await;
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = Answer::to(service.request(method, "/")).await;
        assert!(answer.is_error(405, "method_not_allowed", "POST"), "{answer:?}");
        assert_eq!(answer.header("allow"), Some("POST"));
    }
}

#[tokio::test]
async fn paths_below_are_served_when_they_are_asked_for() {
    let settings = Settings { path: "/calls".to_owned(), strict_path: false, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    for (path, status) in
        [("/calls", 200), ("/calls/", 200), ("/calls/a/b?x=1", 200), ("/callspan", 404), ("/", 404), ("/a/calls", 404)]
    {
        assert_eq!(Answer::to(service.request(Method::POST, path).body("{}")).await.status, status, "{path}");
    }
    let settings = Settings { strict_path: false, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    assert_eq!(Answer::to(service.request(Method::POST, "/anything").body("{}")).await.status, 200);
}

#[tokio::test]
async fn another_method_is_served_when_it_is_asked_for() {
    let settings = Settings { method: Method::PUT, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    assert_eq!(Answer::to(service.request(Method::PUT, "/").body("{}")).await.text, OK);
    let answer = service.post("{}").await;
    assert!(answer.is_error(405, "method_not_allowed", "PUT"), "{answer:?}");
    assert_eq!(answer.header("allow"), Some("PUT"));
}

/// Whoever does not know the password learns where pushes go, and nothing else.
#[tokio::test]
async fn a_sender_that_is_not_admitted_is_told_before_anything_else() {
    let settings = Settings { auth: basic("tccc", "pass:word"), body_bytes_max: 10, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let right = service.request(Method::POST, "/").basic_auth("tccc", Some("pass:word"));
    assert_eq!(Answer::to(right.body("{}")).await.text, OK);
    let push = || service.request(Method::POST, "/").body("x".repeat(11)).header("content-encoding", "br");
    let mut messages = Vec::new();
    for request in [push(), push().basic_auth("tccc", Some("wrong")), push().basic_auth("other", Some("pass:word"))] {
        let answer = Answer::to(request).await;
        assert!(answer.is_error(401, "unauthorized", "missing or wrong"), "{answer:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Basic realm=\"callspan\", charset=\"UTF-8\""));
        messages.push(answer.text);
    }
    messages.dedup();
    assert_eq!((messages.len(), service.errors("unauthorized"), service.taken().len()), (1, 3, 1));
    assert_eq!(["missing", "wrong"].map(|reason| service.auth_failures(reason)), [1, 2]);
}

/// Every record that is taken is settled once, and whoever reads the metrics can check it.
#[tokio::test]
async fn the_books_are_balanced() {
    let queue = Queue { room: Some(5), ..Queue::default() };
    let service = Service::start_with(queue, Settings::default(), ConnectionLimits::default()).await;
    for body in ["{\"a\":1}", "{malformed\n{incomplete\n{later", "", "{}\n{}\n{}"] {
        service.post(body).await;
    }
    let settled = ["acknowledged", "to_be_retried", "rejected", "abandoned"].map(|name| service.settled(name));
    assert_eq!(settled, [2, 1, 2, 0]);
    assert_eq!(service.count(metric::RECEIVED_EVENTS), settled.iter().sum::<u64>());
    assert_eq!(["200", "503", "400", "429"].map(|status| service.requests(status)), [1; 4]);
    let text = service.metrics.text().expect("text");
    for name in [
        "component_received_bytes_total",
        "component_received_events_total",
        "component_settled_events_total",
        "component_errors_total",
        "requests_total",
        "request_duration_seconds_count",
        "other_actions_total",
        "unknown_actions_total",
        "unknown_versions_total",
    ] {
        assert!(text.contains(&format!("\ncallspan_{name}{{component_id=\"pushes\"")), "{name} is not in\n{text}");
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
        assert!(answer.is_error(400, "no_record", "empty"), "{answer:?}");
    }
    assert_eq!(service.errors("no_record"), 4);
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
    let zstd = zstd::encode_all(record.as_slice(), 0).expect("memory");
    for (encoding, body) in [
        ("gzip", gzip.clone()),
        ("X-GZIP", gzip),
        ("deflate", zlib),
        ("deflate", raw),
        ("zstd", zstd),
        ("identity", record.to_vec()),
    ] {
        let answer =
            Answer::to(service.request(Method::POST, "/").header("content-encoding", encoding).body(body)).await;
        assert_eq!(answer.text, OK, "{encoding}");
    }
    assert_eq!(service.taken(), [r#"{"a":1}"#; 6]);
}

#[tokio::test]
async fn an_encoding_that_is_unknown_or_broken_is_refused() {
    let service = Service::start().await;
    let with = |encoding: &str| service.request(Method::POST, "/").header("content-encoding", encoding).body("{}");
    for encoding in ["br", "gzip, gzip"] {
        let answer = Answer::to(with(encoding)).await;
        assert!(answer.is_error(415, "unknown_encoding", "gzip, deflate, zstd and identity"), "{answer:?}");
        assert_eq!(answer.header("accept-encoding"), Some("gzip, deflate, zstd, identity"));
    }
    for encoding in ["gzip", "deflate", "zstd"] {
        let answer = Answer::to(with(encoding)).await;
        assert!(answer.is_error(400, "broken_encoding", "content encoding"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_body_is_limited_before_and_after_it_is_inflated() {
    let settings = Settings { body_bytes_max: 100, expanded_bytes_max: 120, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let of_size = |size: usize| format!("\"{}\"", "x".repeat(size - 2));
    let in_chunks = |text: String| {
        // A body of unknown length, as a proxy may send it.
        let request = service.request(Method::POST, "/").header("transfer-encoding", "chunked");
        Answer::to(request.body(text))
    };
    for answer in [service.post(of_size(100)).await, in_chunks(of_size(100)).await] {
        assert_eq!(answer.text, OK);
    }
    for answer in [service.post(of_size(101)).await, in_chunks(of_size(101)).await] {
        assert!(answer.is_error(413, "body_too_large", "100 bytes"), "{answer:?}");
    }
    let compressed = |encoding: &str, text: String| {
        let body = encoded(encoding, text.as_bytes());
        assert!(body.len() < 100);
        Answer::to(service.request(Method::POST, "/").header("content-encoding", encoding).body(body))
    };
    for encoding in ["gzip", "deflate", "zstd"] {
        assert_eq!(compressed(encoding, of_size(120)).await.text, OK);
        let answer = compressed(encoding, of_size(121)).await;
        assert!(answer.is_error(413, "body_too_large", "120 bytes"), "{encoding}: {answer:?}");
    }
    assert_eq!(service.errors("body_too_large"), 5);
}

#[tokio::test]
async fn a_body_holds_a_limited_number_of_records_and_is_not_stored_in_part() {
    let settings = Settings { body_records_max: 2, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings, ConnectionLimits::default()).await;
    let answer = service.post("{}\n{}\n{}\n").await;
    assert!(answer.is_error(413, "too_many_records", "2 records"), "{answer:?}");
    assert!(service.taken().is_empty());
    assert_eq!(service.post("{}\n{}\n").await.text, OK);
}

fn encoded(encoding: &str, text: &[u8]) -> Vec<u8> {
    match encoding {
        "gzip" => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            gzip.write_all(text).expect("memory");
            gzip.finish().expect("memory")
        }
        "deflate" => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
            zlib.write_all(text).expect("memory");
            zlib.finish().expect("memory")
        }
        _ => zstd::encode_all(text, 0).expect("memory"),
    }
}
