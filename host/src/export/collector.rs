//! A backend for tests: speaks all protocols of OTLP on one port, keeps what it gets, and answers on cue.

use super::certificates::TlsListener;
use super::endpoint::Protocol;
use super::rpc_status::encoded_with_retry_info;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::BytesMut;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::pending;
use std::io::Read as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Status};

const HTTP_PATH: &str = "/v1/traces";
const GRPC_PATH: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// How one request is answered; when no cue is left, it is accepted.
pub(super) enum Reply {
    Accepted,
    /// So many spans are rejected, with these words.
    Partly(i64, &'static str),
    /// Over gRPC: a code, words, and the delay of a `RetryInfo`.
    Grpc(Code, &'static str, Option<Duration>),
    /// Over HTTP: a status, a header, and a body.
    Http(u16, Option<(HeaderName, &'static str)>, Vec<u8>),
    /// Over HTTP only.
    EndlessError,
    /// The connection ends with the answer still to come.
    Lost,
    Never,
}

pub(super) struct Collector {
    address: SocketAddr,
    scheme: &'static str,
    seen: Seen,
    /// With TLS: how many connections were made.
    connections: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Conversation>>);

#[derive(Default)]
struct Conversation {
    cues: VecDeque<Reply>,
    requests: Vec<ExportTraceServiceRequest>,
    headers: HeaderMap,
}

impl Collector {
    pub(super) async fn start(cues: impl IntoIterator<Item = Reply>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self::serve("http", address, cues, |router, _| {
            tokio::spawn(async move { axum::serve(listener, router).await.expect("served until dropped") })
        })
    }

    /// The same with TLS.
    pub(super) async fn start_with_tls(config: rustls::ServerConfig) -> Self {
        Self::start_with_tls_and_cues(config, []).await
    }

    pub(super) async fn start_with_tls_and_cues(
        config: rustls::ServerConfig,
        cues: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self::serve("https", address, cues, |router, connections| {
            let listener = TlsListener::new(listener, config, connections);
            tokio::spawn(async move { axum::serve(listener, router).await.expect("served until dropped") })
        })
    }

    fn serve(
        scheme: &'static str,
        address: SocketAddr,
        cues: impl IntoIterator<Item = Reply>,
        spawn: impl FnOnce(Router, Arc<AtomicUsize>) -> JoinHandle<()>,
    ) -> Self {
        let seen = Seen::default();
        seen.0.lock().expect("no panic").cues = cues.into_iter().collect();
        let router = Router::new().route(HTTP_PATH, post(over_http)).with_state(seen.clone()).route_service(
            GRPC_PATH,
            TraceServiceServer::new(seen.clone())
                .accept_compressed(CompressionEncoding::Gzip)
                .accept_compressed(CompressionEncoding::Zstd)
                .send_compressed(CompressionEncoding::Gzip),
        );
        let connections = Arc::default();
        Self { address, scheme, seen, server: spawn(router, Arc::clone(&connections)), connections }
    }

    pub(super) fn address(&self, protocol: Protocol) -> String {
        let path = if protocol == Protocol::Grpc { "" } else { HTTP_PATH };
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// Gives the address at which nobody listens any more.
    pub(super) async fn stop(self, protocol: Protocol) -> String {
        self.server.abort();
        assert!(self.address.port() > 0);
        let address = self.address(protocol);
        assert!(self.server.await.expect_err("aborted").is_cancelled());
        address
    }

    pub(super) fn requests(&self) -> Vec<ExportTraceServiceRequest> {
        self.seen.0.lock().expect("no panic").requests.clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Of the last request.
    pub(super) fn headers(&self) -> HeaderMap {
        self.seen.0.lock().expect("no panic").headers.clone()
    }
}

impl Seen {
    fn hear(&self, headers: HeaderMap, request: ExportTraceServiceRequest) -> Reply {
        let mut conversation = self.0.lock().expect("no panic");
        conversation.requests.push(request);
        conversation.headers = headers;
        conversation.cues.pop_front().unwrap_or(Reply::Accepted)
    }
}

#[tonic::async_trait]
impl TraceService for Seen {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, Status> {
        let (metadata, _, message) = request.into_parts();
        match self.hear(metadata.into_headers(), message) {
            Reply::Accepted => Ok(tonic::Response::new(ExportTraceServiceResponse::default())),
            Reply::Partly(count, words) => Ok(tonic::Response::new(partial_success(count, words))),
            Reply::Grpc(code, words, None) => Err(Status::new(code, words)),
            Reply::Grpc(code, words, Some(delay)) => {
                Err(Status::with_details(code, words, encoded_with_retry_info(words, delay).into()))
            }
            Reply::Lost => panic!("the connection ends here"),
            Reply::Http(..) | Reply::EndlessError => unreachable!("HTTP has these alone"),
            Reply::Never => pending().await,
        }
    }
}

async fn over_http(State(seen): State<Seen>, headers: HeaderMap, body: Bytes) -> Response {
    let is_json = headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    let body = match headers.get(CONTENT_ENCODING) {
        Some(encoding) if encoding == "zstd" => zstd::decode_all(body.as_ref()).expect("zstd").into(),
        Some(encoding) => {
            assert_eq!(encoding, "gzip");
            let mut inflated = Vec::new();
            GzDecoder::new(body.as_ref()).read_to_end(&mut inflated).expect("gzip");
            inflated.into()
        }
        None => body,
    };
    let request = if is_json {
        serde_json::from_slice(&body).expect("OTLP/JSON")
    } else {
        ExportTraceServiceRequest::decode(body).expect("protocol buffers")
    };
    match seen.hear(headers, request) {
        Reply::Accepted => success(is_json, &ExportTraceServiceResponse::default()),
        Reply::Partly(count, words) => success(is_json, &partial_success(count, words)),
        Reply::Http(status, header, body) => {
            let mut response = (StatusCode::from_u16(status).expect("a status"), body).into_response();
            let kind = if is_json { "application/json" } else { "application/x-protobuf" };
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            response.headers_mut().extend(header.map(|(name, value)| (name, HeaderValue::from_static(value))));
            response
        }
        Reply::Lost => panic!("the connection ends here"),
        Reply::Grpc(..) => unreachable!("gRPC has these alone"),
        Reply::EndlessError => (StatusCode::BAD_REQUEST, Body::new(Endless)).into_response(),
        Reply::Never => pending().await,
    }
}

fn partial_success(rejected_spans: i64, words: &str) -> ExportTraceServiceResponse {
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message: words.to_owned() });
    ExportTraceServiceResponse { partial_success }
}

fn success(is_json: bool, response: &ExportTraceServiceResponse) -> Response {
    if is_json {
        let text = serde_json::to_string(response).expect("JSON");
        ([(CONTENT_TYPE, "application/json")], text).into_response()
    } else {
        ([(CONTENT_TYPE, "application/x-protobuf")], response.encode_to_vec()).into_response()
    }
}

struct Endless;

impl axum::body::HttpBody for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(hyper::body::Frame::data(BytesMut::zeroed(8 * 1024).freeze()))))
    }
}
