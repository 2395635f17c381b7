//! What throughput is measured against, and with: a bare HTTP server that reads a body and answers, and a backend that
//! takes OTLP over gRPC and HTTP and only counts the spans it gets, so that measuring costs next to nothing.
//!
//! `yardstick 127.0.0.1:PORT` serves all of it on one port: `GET /counts` answers `{"requests":…,"spans":…,"bytes":…}`.

use bytes::{Buf as _, Bytes};
use http_body_util::{BodyExt as _, Either, Full, combinators::WithTrailers};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpListener;

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static SPANS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// A gRPC message: not compressed, of length 0.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];
const FRAME_HEADER_BYTES: usize = 5;
/// `resource_spans`, `scope_spans` and `spans` in OTLP's trace messages.
const PATH_TO_SPANS: [u64; 3] = [1, 2, 2];

type Trailers = Ready<Option<Result<HeaderMap, Infallible>>>;
type Answer = Response<Either<Full<Bytes>, WithTrailers<Full<Bytes>, Trailers>>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            // A peer that goes away is none of our business.
            let _ended = builder.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Answer, Infallible> {
    if request.method() == Method::GET {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (requests, spans, bytes) = (count(&REQUESTS), count(&SPANS), count(&BYTES));
        return Ok(plain(format!("{{\"requests\":{requests},\"spans\":{spans},\"bytes\":{bytes}}}")));
    }
    let kind = request.headers().get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
    let (is_grpc, is_otlp) = (kind.starts_with(b"application/grpc"), kind.starts_with(b"application/x-protobuf"));
    let mut body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    REQUESTS.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(body.len() as u64, Ordering::Relaxed);
    if is_grpc {
        body.advance(FRAME_HEADER_BYTES.min(body.len()));
    }
    if is_grpc || is_otlp {
        SPANS.fetch_add(count(&body, &PATH_TO_SPANS), Ordering::Relaxed);
    }
    Ok(if is_grpc { grpc() } else { plain("{}") })
}

fn plain(text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn grpc() -> Answer {
    let mut trailers = HeaderMap::new();
    trailers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let body = Full::new(Bytes::from_static(EMPTY_MESSAGE)).with_trailers(ready(Some(Ok(trailers))));
    let mut answer = Response::new(Either::Right(body));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    answer
}

/// How many messages lie at the end of this path of field numbers. What cannot be read counts for nothing.
fn count(mut message: &[u8], path: &[u64]) -> u64 {
    let Some((wanted, rest)) = path.split_first() else { return 1 };
    let mut found = 0;
    while let Some(key) = varint(&mut message) {
        let skipped = match key & 7 {
            0 => varint(&mut message).map(|_| 0),
            1 => Some(8),
            2 => varint(&mut message),
            5 => Some(4),
            _ => None,
        };
        let Some((field, after)) = skipped.and_then(|bytes| message.split_at_checked(usize::try_from(bytes).ok()?))
        else {
            return found;
        };
        if key == wanted << 3 | 2 {
            found += count(field, rest);
        }
        message = after;
    }
    found
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
