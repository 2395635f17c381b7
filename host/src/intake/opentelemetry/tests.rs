//! The source as its senders see it, over sockets: what they are told, and what reaches the queue.

use super::{Settings, receiver};
use crate::connections::{ConnectionCounters, ConnectionLimits, serve};
use crate::export::{RETRY_INFO, encoded_status};
use crate::intake::SourceCounters;
use crate::intake::double::{Queue, RETRY_AFTER};
use crate::queue::Refused;
use crate::telemetry::metric;
use crate::telemetry::{Component, Metrics};
use flate2::Compression;
use flate2::write::GzEncoder;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use prost::Message;
use reqwest::{Client, Method, Response};
use serde_json::json;
use std::future::pending;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic::{Code, Status};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

struct Service {
    address: SocketAddr,
    queue: Arc<Queue>,
    component: Component,
}

impl Service {
    async fn start() -> Self {
        Self::start_with(Queue::default(), Settings::default()).await
    }

    async fn start_with(queue: Queue, settings: Settings) -> Self {
        Self::start_within(queue, settings, ConnectionLimits::default()).await
    }

    async fn start_within(queue: Queue, settings: Settings, limits: ConnectionLimits) -> Self {
        let queue = Arc::new(queue);
        let metrics = Metrics::new().expect("a registry of its own");
        let component = metrics.component("source", "opentelemetry", "logs");
        let counters = Arc::new(SourceCounters::new(&component));
        let receiver = receiver("logs", Arc::clone(&queue), settings, counters);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(serve(listener, receiver, limits, ConnectionCounters::default(), pending()));
        Self { address, queue, component }
    }

    async fn client(&self) -> LogsServiceClient<Channel> {
        LogsServiceClient::connect(format!("http://{}", self.address)).await.expect("a connection")
    }

    /// Over gRPC.
    async fn call(&self, request: ExportLogsServiceRequest) -> Result<Option<ExportLogsPartialSuccess>, Status> {
        self.client().await.export(request).await.map(|response| response.into_inner().partial_success)
    }

    /// Over HTTP.
    async fn post(&self, kind: &str, body: impl Into<reqwest::Body>) -> Response {
        self.send(Method::POST, "/v1/logs", &[("content-type", kind)], body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Response {
        let client = Client::builder().no_proxy().build().expect("a client");
        let mut request = client.request(method, format!("http://{}{path}", self.address)).body(body);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    fn taken(&self) -> Vec<String> {
        self.queue.taken.lock().expect("no panic").clone()
    }

    fn requests(&self, status: &str) -> u64 {
        self.component.counter(metric::REQUESTS, &[("status", status)]).value()
    }

    fn errors(&self, kind: &str, code: &str) -> u64 {
        let labels = [("error_code", code), ("error_type", kind), ("stage", "receiving")];
        self.component.counter(metric::ERRORS, &labels).value()
    }
}

fn of_values(values: impl IntoIterator<Item = Option<Value>>) -> ExportLogsServiceRequest {
    let log_record = |value: Option<Value>| LogRecord {
        time_unix_nano: 1,
        body: value.map(|value| AnyValue { value: Some(value) }),
        ..LogRecord::default()
    };
    let log_records = values.into_iter().map(log_record).collect();
    let scope_logs = vec![ScopeLogs { log_records, ..ScopeLogs::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }] }
}

fn of_texts<const N: usize>(texts: [&str; N]) -> ExportLogsServiceRequest {
    of_values(texts.map(|text| Some(Value::StringValue(text.to_owned()))))
}

fn in_json(texts: &[&str]) -> String {
    let records: Vec<_> = texts.iter().map(|text| json!({"body": {"stringValue": text}})).collect();
    json!({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).to_string()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

#[tokio::test]
async fn what_is_stored_is_a_success_in_every_dress() {
    let service = Service::start().await;
    let request = of_texts([r#"{"a":1}"#]);
    assert_eq!(service.call(request.clone()).await.expect("a success"), None);
    let mut compressing = service.client().await.send_compressed(CompressionEncoding::Gzip);
    compressing.export(request.clone()).await.expect("a success");
    let bytes = request.encode_to_vec();
    let plain = service.post(PROTOBUF, bytes.clone()).await;
    assert_eq!((plain.status().as_u16(), plain.headers()["content-type"].as_bytes()), (200, PROTOBUF.as_bytes()));
    assert!(plain.bytes().await.expect("a body").is_empty());
    let headers = [("content-type", "Application/JSON; charset=utf-8"), ("content-encoding", "gzip")];
    let json = service.send(Method::POST, "/v1/logs", &headers, gzip(in_json(&[r#"{"a":1}"#]).as_bytes())).await;
    assert_eq!((json.status().as_u16(), json.headers()["content-type"].as_bytes()), (200, JSON.as_bytes()));
    assert_eq!(json.text().await.expect("a body"), "{}");
    assert_eq!(service.taken(), [r#"{"a":1}"#; 4]);
    assert_eq!((service.requests("ok"), service.requests("200")), (2, 2));
    let count = |metric| service.component.counter(metric, &[]).value();
    assert_eq!(count(metric::RECEIVED_EVENTS), 4);
    assert!(count(metric::RECEIVED_BYTES) > 3 * bytes.len() as u64);
}

#[tokio::test]
async fn a_request_without_records_is_a_success() {
    let service = Service::start().await;
    for request in [ExportLogsServiceRequest::default(), of_texts([])] {
        assert_eq!(service.call(request.clone()).await.expect("a success"), None);
        assert_eq!(service.post(PROTOBUF, request.encode_to_vec()).await.status().as_u16(), 200);
    }
    assert_eq!(service.post(JSON, "{}").await.text().await.expect("a body"), "{}");
    assert!(service.taken().is_empty());
}

#[tokio::test]
async fn a_body_is_split_as_a_push_is_and_a_map_is_written() {
    let service = Service::start().await;
    let pair = KeyValue {
        key: "a".to_owned(),
        value: Some(AnyValue { value: Some(Value::IntValue(1)) }),
        ..KeyValue::default()
    };
    let values = [
        Value::StringValue("{\"a\":1}\n{\"b\":2}\n".to_owned()),
        Value::BytesValue(b"[{\"c\":3}]".to_vec()),
        Value::KvlistValue(KeyValueList { values: vec![pair] }),
        Value::IntValue(7),
    ];
    assert_eq!(service.call(of_values(values.map(Some))).await.expect("a success"), None);
    assert_eq!(service.taken(), [r#"{"a":1}"#, r#"{"b":2}"#, r#"{"c":3}"#, r#"{"a":1}"#, "7"]);
}

#[tokio::test]
async fn what_is_refused_for_good_is_a_partial_success() {
    let service = Service::start().await;
    let text = |text: &str| Some(Value::StringValue(text.to_owned()));
    let request = of_values([text("{}"), text("{malformed\n{incomplete"), None, text(" \n"), text("{incomplete")]);
    let partial = service.call(request.clone()).await.expect("a success").expect("a part of it");
    assert_eq!(partial.rejected_log_records, 4);
    assert_eq!(
        partial.error_message,
        "4 of 5 records refused: index 1 malformed_code, index 2 no_body, index 3 no_body, index 4 incomplete_code"
    );
    let response = service.post(PROTOBUF, request.encode_to_vec()).await.bytes().await.expect("a body");
    let response = ExportLogsServiceResponse::decode(response).expect("a response");
    assert_eq!(response.partial_success, Some(partial));
    let response = service.post(JSON, in_json(&["{}", "{malformed"])).await.text().await.expect("a body");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&response).expect("JSON"),
        json!({"partialSuccess": {
            "rejectedLogRecords": "1", "errorMessage": "1 of 2 records refused: index 1 malformed_code"
        }})
    );
    assert_eq!((service.errors("malformed", "no_body"), service.errors("incomplete", "incomplete_code")), (4, 4));
}

#[tokio::test]
async fn what_cannot_be_stored_now_is_asked_for_again() {
    let service = Service::start().await;
    let request = of_texts(["{}", "{later", "{malformed"]);
    let status = service.call(request.clone()).await.expect_err("later");
    assert_eq!(status.code(), Code::Unavailable);
    let message = "not everything could be stored for now; send the whole body again later";
    let details = encoded_status(Code::Unavailable.into(), message, Some(Duration::from_secs(7)));
    assert_eq!(status.details(), details);
    let response = service.post(PROTOBUF, request.encode_to_vec()).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, b"7".as_slice()));
    assert_eq!(response.bytes().await.expect("a body"), details);
    let response = service.post(JSON, in_json(&["{later"])).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, b"7".as_slice()));
    let text = response.text().await.expect("a body");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON"),
        json!({"code": 14, "message": message, "details": [{"@type": RETRY_INFO, "retryDelay": "7s"}]})
    );
    assert_eq!(
        (service.errors("request_failed", "unavailable"), service.errors("request_failed", "not_stored")),
        (1, 2)
    );
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_again() {
    let service = Service::start_with(Queue { room: Some(1), ..Queue::default() }, Settings::default()).await;
    let request = of_texts(["{}", "{}"]);
    let status = service.call(request.clone()).await.expect_err("no room");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(!status.details().is_empty());
    let response = service.post(PROTOBUF, request.encode_to_vec()).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (429, b"42".as_slice()));
    assert_eq!(service.taken().len(), 1);
}

#[tokio::test]
async fn what_the_queue_would_not_take_is_refused_before_it_is_read() {
    let queue = Queue { refuses: Some(Refused::Full), ..Queue::default() };
    let service = Service::start_with(queue, Settings::default()).await;
    let message = "the queue is full; send the whole body again later";
    let details = encoded_status(Code::ResourceExhausted.into(), message, Some(RETRY_AFTER));
    let status = service.call(of_texts(["{}"])).await.expect_err("no room");
    assert_eq!((status.code(), status.details()), (Code::ResourceExhausted, details.as_slice()));
    let response = service.post(PROTOBUF, "it is not even read").await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (429, b"42".as_slice()));
    assert_eq!(response.bytes().await.expect("a body"), details);
    assert_eq!(service.component.counter(metric::REFUSED_BODIES, &[("reason", "queue")]).value(), 2);
}

/// A call over gRPC announces no length, and takes room for the largest.
#[tokio::test]
async fn a_request_finds_room_or_is_asked_to_come_again() {
    let settings = Settings { bodies_bytes_max: 100_000, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings).await;
    let status = service.call(of_texts(["{}"])).await.expect_err("no room");
    assert_eq!((status.code(), status.details().is_empty()), (Code::Unavailable, false), "{status}");
    assert_eq!(service.post(JSON, in_json(&["{}"])).await.status().as_u16(), 200);
    let response = service.post(JSON, in_json(&["{}"; 200])).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].is_empty()), (503, false));
    assert_eq!(service.errors("request_failed", "no_room"), 1);
    assert_eq!(service.component.gauge(metric::BODIES_BYTES, &[]).value(), 0);
}

#[tokio::test]
async fn one_request_more_than_may_be_answered_is_refused_in_its_protocol() {
    let limits = ConnectionLimits { requests_max: 1, ..ConnectionLimits::default() };
    let service = Service::start_within(Queue::default(), Settings::default(), limits).await;
    let mut client = service.client().await;
    let in_flight = tokio::spawn(async move { client.export(of_texts(["held"])).await });
    service.queue.has_taken.notified().await;
    let status = service.call(of_texts(["{}"])).await.expect_err("too many");
    assert_eq!((status.code(), status.details().is_empty()), (Code::Unavailable, false), "{status}");
    let response = service.post(JSON, in_json(&["{}"])).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, b"14".as_slice()));
    service.queue.release.notify_one();
    assert!(in_flight.await.expect("no panic").is_ok());
}

#[tokio::test]
async fn a_queue_that_says_nothing_is_not_waited_for_for_ever() {
    let settings = Settings { answer_timeout: Duration::ZERO, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings).await;
    assert_eq!(service.post(JSON, in_json(&["[\"never\"]"])).await.status().as_u16(), 503);
}

#[tokio::test]
async fn a_request_is_limited_in_bytes_and_records() {
    let settings =
        Settings { body_bytes_max: 200, expanded_bytes_max: 200, body_records_max: 2, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings).await;
    let large = of_texts([&"x".repeat(200)]);
    let mut compressing = service.client().await.send_compressed(CompressionEncoding::Gzip);
    // Without details, and so without a time to come again, it is not sent again.
    for status in [service.call(large.clone()).await.err(), compressing.export(large.clone()).await.err()] {
        let status = status.expect("too large");
        assert_eq!((status.code(), status.details()), (Code::ResourceExhausted, b"".as_slice()), "{status}");
        assert!(status.message().contains("200 bytes"), "{status}");
    }
    assert_eq!((service.requests("resource_exhausted"), service.requests("out_of_range")), (2, 0));
    assert_eq!(service.post(PROTOBUF, large.encode_to_vec()).await.status().as_u16(), 413);
    for many in [of_texts(["{}", "{}", "{}"]), of_texts(["{}\n{}\n{}"]), of_texts(["{}", "[1,2]"])] {
        assert_eq!(service.call(many.clone()).await.expect_err("too many").code(), Code::InvalidArgument);
        assert_eq!(service.post(PROTOBUF, many.encode_to_vec()).await.status().as_u16(), 413);
    }
    assert!(service.taken().is_empty());
    assert_eq!(service.call(of_texts(["{}\n{}"])).await.expect("a success"), None);
}

/// Every error has a status for its body, in the encoding of the request, and none quotes it.
#[tokio::test]
async fn what_is_no_request_is_refused() {
    let service = Service::start().await;
    let json = [("content-type", JSON)];
    let cases = [
        (404, service.send(Method::POST, "/v1/traces", &json, "{}").await),
        (405, service.send(Method::GET, "/v1/logs", &json, "").await),
        (415, service.send(Method::POST, "/v1/logs", &[("content-type", "text/plain")], "{}").await),
        (415, service.send(Method::POST, "/v1/logs", &[], "{}").await),
        (415, service.send(Method::POST, "/v1/logs", &[json[0], ("content-encoding", "br")], "{}").await),
        (400, service.send(Method::POST, "/v1/logs", &[json[0], ("content-encoding", "gzip")], "{}").await),
        (400, service.post(JSON, r#"{"resourceLogs":"secret"}"#).await),
        (400, service.post(JSON, "").await),
    ];
    for (status, response) in cases {
        assert_eq!(
            (response.status().as_u16(), response.headers()["content-type"].as_bytes()),
            (status, JSON.as_bytes())
        );
        let text = response.text().await.expect("a body");
        let body: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert!(body["code"].as_i64() > Some(0) && !text.contains("secret"), "{text}");
    }
    let response = service.post(PROTOBUF, "secret").await;
    assert_eq!((response.status().as_u16(), response.headers()["content-type"].as_bytes()), (400, PROTOBUF.as_bytes()));
    let message = "the body is not an OTLP request in protocol buffers";
    assert_eq!(response.bytes().await.expect("a body"), encoded_status(Code::InvalidArgument.into(), message, None));
    assert_eq!(service.errors("request_failed", "not_json"), 2);
}

#[tokio::test]
async fn a_call_that_never_comes_to_an_end_is_ended() {
    let patience = Duration::from_millis(10);
    let settings = Settings { body_timeout: patience, answer_timeout: patience, ..Settings::default() };
    let service = Service::start_with(Queue::default(), settings).await;
    let mut sender = TcpStream::connect(service.address).await.expect("a connection");
    let head = format!("POST {} HTTP/1.1\r\nhost: a\r\ncontent-type: application/grpc\r\n", super::GRPC_PATH);
    sender.write_all(head.as_bytes()).await.expect("sent");
    sender.write_all(b"te: trailers\r\ncontent-length: 10\r\n\r\n\0").await.expect("sent");
    let mut answer = String::new();
    sender.read_to_string(&mut answer).await.expect("an answer, then the end");
    assert!(answer.contains("grpc-status: 4"), "{answer}");
    assert_eq!(service.requests("deadline_exceeded"), 1);
}
