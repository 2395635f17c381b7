//! OTLP over HTTP, in protocol buffers and in JSON.

use super::answer::Trouble;
use super::intake::Intake;
use super::receiver::came_from;
use super::{Append, json};
use crate::export::{RETRY_INFO, encoded_status};
use crate::intake::body::{self, Arrived, BodyError};
use crate::intake::body_room::RECORD_BYTES;
use crate::intake::postponed::Postponed;
use crate::intake::store::whole_seconds;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, Response, StatusCode};
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::AnyValue;
use prost::Message;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Code;

pub(super) const PATH: &str = "/v1/logs";

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// How a request is written, and so its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Protobuf,
    Json,
}

/// Why a request as a whole is not taken. The text of each is what its sender reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum Refusal {
    #[error("nothing is served at this path; logs go to {PATH}")]
    OtherPath,
    #[error("logs are sent with POST")]
    OtherMethod,
    #[error("the content type is not known; there are {PROTOBUF} and {JSON}")]
    OtherContentType,
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body is not an OTLP request in protocol buffers")]
    NotProtobuf,
    #[error("the body is not an OTLP request in JSON at line {line} column {column}")]
    NotJson { line: usize, column: usize },
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

pub(super) async fn export<Q: Append>(State(intake): State<Arc<Intake<Q>>>, request: Request) -> Response<Body> {
    let begun = Instant::now();
    let encoding = Encoding::of(request.headers());
    // Whoever says neither can at least be read by a person.
    let written = encoding.unwrap_or(Encoding::Json);
    let response = match intake.answer(request, encoding).await {
        Ok(partial) => success(written, partial),
        Err(refusal) => intake.refuse(&refusal, written),
    };
    intake.counters.requests(response.status().as_str()).add(1);
    intake.counters.answered_after(begun.elapsed());
    response
}

impl<Q: Append> Intake<Q> {
    async fn answer(
        &self,
        request: Request,
        encoding: Option<Encoding>,
    ) -> Result<Option<ExportLogsPartialSuccess>, Refusal> {
        let (head, body) = request.into_parts();
        let encoding = match check(&head, encoding) {
            Ok(encoding) => encoding,
            Err(refusal) => {
                body::drain(&head, body).await;
                return Err(refusal);
            }
        };
        let settings = &self.settings;
        let claim = body::claim(&body, settings.body_bytes_max);
        // Given back when it is known what became of the records.
        let mut place = match self.body_room.admit(&*self.queue, came_from(&head.extensions), claim) {
            Ok(place) => place,
            Err(postponed) => {
                body::drain(&head, body).await;
                return Err(Trouble::from(postponed).into());
            }
        };
        let body = body::receive(&head, body, settings.body_bytes_max, settings.body_timeout, &mut place).await?;
        let Arrived { body, received_bytes } = body.inflate(settings.expanded_bytes_max, &mut place)?;
        self.counters.received_bytes.add(received_bytes as u64);
        let bodies = encoding.bodies(body)?;
        if bodies.len() > 1 {
            place.grow_to((received_bytes + bodies.len() * RECORD_BYTES) as u64).map_err(Trouble::from)?;
        }
        Ok(self.take(bodies).await?)
    }

    /// Refuses one that is not looked at, in the encoding it has.
    pub(super) fn postpone(&self, head: &Parts, postponed: Postponed) -> Response<Body> {
        self.refuse(&Trouble::from(postponed).into(), Encoding::of(&head.headers).unwrap_or(Encoding::Json))
    }

    fn refuse(&self, refusal: &Refusal, encoding: Encoding) -> Response<Body> {
        let (status, code) = (refusal.status(), refusal.code());
        self.note_refused(code, status.as_u16().into());
        let mut response = response(status, encoding, refusal.text(encoding));
        response.headers_mut().extend(refusal.header());
        response
    }
}

/// Whether a request is for us, before its body is read.
fn check(head: &Parts, encoding: Option<Encoding>) -> Result<Encoding, Refusal> {
    if head.uri.path() != PATH {
        return Err(Refusal::OtherPath);
    }
    if head.method != Method::POST {
        return Err(Refusal::OtherMethod);
    }
    encoding.ok_or(Refusal::OtherContentType)
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(header::CONTENT_TYPE)?.as_bytes();
        let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
        if is(PROTOBUF) { Some(Self::Protobuf) } else { is(JSON).then_some(Self::Json) }
    }

    fn bodies(self, request: Bytes) -> Result<Vec<Option<AnyValue>>, Refusal> {
        match self {
            Self::Protobuf => {
                let request = ExportLogsServiceRequest::decode(request).map_err(|_| Refusal::NotProtobuf)?;
                let scopes = request.resource_logs.into_iter().flat_map(|resource| resource.scope_logs);
                let records = scopes.flat_map(|scope| scope.log_records);
                Ok(records.map(|record| record.body).collect())
            }
            // What is wrong in words would quote the request.
            Self::Json => {
                json::bodies(&request).map_err(|error| Refusal::NotJson { line: error.line(), column: error.column() })
            }
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => PROTOBUF,
            Self::Json => JSON,
        })
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::OtherPath => StatusCode::NOT_FOUND,
            Self::OtherMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::OtherContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Body(error) => error.status(),
            Self::NotProtobuf | Self::NotJson { .. } => StatusCode::BAD_REQUEST,
            Self::Trouble(Trouble::Postponed(postponed)) => postponed.status(),
            Self::Trouble(Trouble::TooManyRecords { .. }) => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// Stable, for scripts and metrics.
    fn code(&self) -> &'static str {
        match self {
            Self::OtherPath => "unknown_path",
            Self::OtherMethod => "method_not_allowed",
            Self::OtherContentType => "unknown_content_type",
            Self::Body(error) => error.code(),
            Self::NotProtobuf => "not_protobuf",
            Self::NotJson { .. } => "not_json",
            Self::Trouble(trouble) => trouble.code(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Trouble(trouble) => trouble.retry_after(),
            Self::Body(BodyError::Postponed(postponed)) => Some(postponed.retry_after),
            _ => None,
        }
    }

    /// What HTTP wants to be said beside the status.
    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::OtherMethod => Some((header::ALLOW, HeaderValue::from_static("POST"))),
            Self::Body(BodyError::UnknownEncoding) => {
                Some((header::ACCEPT_ENCODING, HeaderValue::from_static(body::ENCODINGS)))
            }
            _ => self.retry_after().map(|delay| (header::RETRY_AFTER, whole_seconds(delay).into())),
        }
    }

    /// A `google.rpc.Status`.
    fn text(&self, encoding: Encoding) -> Vec<u8> {
        let (code, message) = (i32::from(grpc_code(self.status())), self.to_string());
        match encoding {
            Encoding::Protobuf => encoded_status(code, &message, self.retry_after()),
            Encoding::Json => {
                let detail =
                    |delay: Duration| json!({"@type": RETRY_INFO, "retryDelay": format!("{}s", delay.as_secs_f64())});
                let details: Vec<_> = self.retry_after().map(detail).into_iter().collect();
                json!({"code": code, "message": message, "details": details}).to_string().into_bytes()
            }
        }
    }
}

/// The code of gRPC that means what a status of HTTP does.
fn grpc_code(status: StatusCode) -> Code {
    match status {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::Unimplemented,
        StatusCode::REQUEST_TIMEOUT => Code::DeadlineExceeded,
        StatusCode::TOO_MANY_REQUESTS => Code::ResourceExhausted,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::InvalidArgument,
    }
}

fn success(encoding: Encoding, partial_success: Option<ExportLogsPartialSuccess>) -> Response<Body> {
    let text = match (encoding, partial_success) {
        (Encoding::Protobuf, partial_success) => ExportLogsServiceResponse { partial_success }.encode_to_vec(),
        (Encoding::Json, None) => b"{}".to_vec(),
        // A 64-bit number is text in protocol buffers' JSON.
        (Encoding::Json, Some(ExportLogsPartialSuccess { rejected_log_records: count, error_message: message })) => {
            json!({"partialSuccess": {"rejectedLogRecords": count.to_string(), "errorMessage": message}})
                .to_string()
                .into_bytes()
        }
    };
    response(StatusCode::OK, encoding, text)
}

fn response(status: StatusCode, encoding: Encoding, text: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, encoding.content_type());
    response
}
