//! What a backend said, sorted by what is to be done about it (OTLP specification, "Failures", for gRPC and for HTTP).

use super::ANSWER_BYTES_MAX;
use super::quotes::{Quotes, whole};
use super::refusal::{Cause, Refusal, name_of};
use super::rpc_status::RpcStatus;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use std::error::Error;
use std::time::{Duration, SystemTime};
use tonic::Code;

/// What a backend said to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All spans were taken.
    Accepted,
    /// The request was taken, some of its spans were not. Zero spans and a message is the specification's way to warn.
    PartiallyAccepted {
        /// How many spans were left out.
        rejected_spans: u64,
        /// The backend's words.
        message: String,
    },
    /// Nothing was taken; the same request may succeed later.
    Retry {
        /// How long the backend wants to be left alone, if it said so.
        after: Option<Duration>,
        /// What happened.
        reason: String,
    },
    /// Nothing was taken, and the same request will never be.
    Refused(Refusal),
    /// The request is larger than the backend takes; its parts may be taken.
    TooLarge {
        /// What happened.
        reason: String,
    },
}

// What is said in a reason is a fragment for people, and holds no header's value.

impl Answer {
    pub(super) fn of_response(response: ExportTraceServiceResponse, quotes: &Quotes) -> Self {
        match response.partial_success {
            Some(partial) if partial.rejected_spans > 0 || !partial.error_message.is_empty() => {
                Self::PartiallyAccepted {
                    rejected_spans: u64::try_from(partial.rejected_spans).unwrap_or(0),
                    message: quotes.clean(&partial.error_message),
                }
            }
            _ => Self::Accepted,
        }
    }

    pub(super) fn of_grpc_status(status: &tonic::Status, quotes: &Quotes) -> Self {
        let message = status.message();
        if is_transport_error(status) {
            // A status shows itself as programmers like it; what lies below it speaks to people.
            return match status.source() {
                Some(error) => Self::unreachable(error, quotes),
                None => Self::Retry { after: None, reason: out_of_reach(message, quotes) },
            };
        }
        let code = name_of(status.code());
        let reason = format!("the backend answered {code}{}", quotes.after_colon(message));
        let refused =
            |reason| Self::Refused(Refusal { status: code.to_owned(), cause: Cause::of_grpc(status.code()), reason });
        let delay = || {
            let details = RpcStatus::decode(status.details()).unwrap_or_default();
            details.retry_delay()
        };
        match status.code() {
            // Servers built on tonic say OUT_OF_RANGE, which alone would be retried for ever.
            Code::ResourceExhausted | Code::OutOfRange if delay().is_none() && speaks_of_size(message) => {
                Self::TooLarge { reason }
            }
            // A proxy answered in the backend's place.
            Code::Unknown if message.ends_with("HTTP status code 413") => Self::TooLarge { reason },
            Code::ResourceExhausted => match delay() {
                Some(delay) => Self::Retry { after: Some(delay), reason },
                None => refused(reason),
            },
            Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss => Self::Retry { after: delay(), reason },
            _ => refused(reason),
        }
    }

    pub(super) fn of_http(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        now: SystemTime,
        quotes: &Quotes,
    ) -> Self {
        let is_json = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"application/json"));
        if status.is_success() {
            // A backend that answers 200 has taken the request, whatever its body is.
            let response =
                if is_json { partial_success_of_json(body) } else { ExportTraceServiceResponse::decode(body).ok() };
            return Self::of_response(response.unwrap_or_default(), quotes);
        }
        let reason =
            format!("the backend answered {status}{}", quotes.after_colon(&words_of_error(is_json, headers, body)));
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge { reason },
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => Self::Retry {
                after: headers.get(RETRY_AFTER).and_then(|value| retry_after(value.to_str().ok()?, now)),
                reason,
            },
            _ => Self::Refused(Refusal {
                status: format!("HTTP {}", status.as_u16()),
                cause: Cause::of_http(status),
                reason,
            }),
        }
    }

    /// The request, or its answer, got lost on the way.
    pub(super) fn unreachable(error: &dyn Error, quotes: &Quotes) -> Self {
        Self::Retry { after: None, reason: unreachable(error, quotes) }
    }

    /// What a backend took is not known when its answer cannot be read.
    pub(super) fn of_huge_answer() -> Self {
        Self::Retry { after: None, reason: format!("the backend's answer is larger than {ANSWER_BYTES_MAX} bytes") }
    }

    pub(super) fn timed_out(timeout: Duration) -> Self {
        Self::Retry { after: None, reason: timed_out(timeout) }
    }
}

/// Why there was no answer.
pub(super) fn unreachable(error: &dyn Error, quotes: &Quotes) -> String {
    out_of_reach(&whole(error), quotes)
}

fn out_of_reach(why: &str, quotes: &Quotes) -> String {
    format!("the backend could not be reached{}", quotes.after_colon(why))
}

/// The same where it did not come in time.
pub(super) fn timed_out(timeout: Duration) -> String {
    format!("the backend did not answer within {timeout:?}")
}

/// Failures that the client found itself. Only those have a source, but for two that are told by their words.
fn is_transport_error(status: &tonic::Status) -> bool {
    let by_words = ["Service was not ready", "protocol error: missing grpc-status"];
    status.source().is_some()
        || status.code() == Code::Unknown && by_words.iter().any(|words| status.message().starts_with(words))
}

/// The gRPC libraries have no code of their own for a message that is too large, only words.
fn speaks_of_size(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["larger than max", "too large", "exceeds maximum", "exceeds the maximum", "message size", "size limit"]
        .iter()
        .any(|words| message.contains(words))
}

/// `Retry-After` as seconds or as a date; a date that has passed means at once (RFC 9110, section 10.2.3).
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = value.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

fn words_of_error(is_json: bool, headers: &HeaderMap, body: &[u8]) -> String {
    let is_protobuf = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().ends_with(b"protobuf"));
    if is_protobuf {
        return RpcStatus::decode(body).unwrap_or_default().message;
    }
    let json: Option<serde_json::Value> = is_json.then(|| serde_json::from_slice(body).ok()).flatten();
    match json.as_ref().and_then(|status| status.get("message")?.as_str()) {
        Some(message) => message.to_owned(),
        None => String::from_utf8_lossy(body).into_owned(),
    }
}

/// 64-bit integers are text in OTLP/JSON, but numbers are to be understood too.
fn partial_success_of_json(body: &[u8]) -> Option<ExportTraceServiceResponse> {
    let response: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = response.get("partialSuccess")?;
    let rejected = partial.get("rejectedSpans");
    let rejected_spans = rejected.and_then(|count| count.as_i64().or_else(|| count.as_str()?.parse().ok()));
    let message = partial.get("errorMessage").and_then(serde_json::Value::as_str);
    let mut response = ExportTraceServiceResponse::default();
    let partial = response.partial_success.get_or_insert_default();
    partial.rejected_spans = rejected_spans.unwrap_or(0);
    partial.error_message = message.unwrap_or_default().to_owned();
    Some(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::rpc_status::encoded_with_retry_info;
    use reqwest::header::HeaderValue;
    use tonic::Status;

    fn grpc(status: &Status) -> Answer {
        Answer::of_grpc_status(status, &Quotes::default())
    }

    fn http(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let status = StatusCode::from_u16(status).expect("a status");
        Answer::of_http(status, &map, body, SystemTime::UNIX_EPOCH, &Quotes::default())
    }

    fn is_retry_after(answer: &Answer, expected: Option<Duration>) -> bool {
        matches!(answer, Answer::Retry { after, .. } if *after == expected)
    }

    #[test]
    fn the_grpc_codes_of_the_specification_are_retried_and_no_others() {
        for code in (1..=16).map(Code::from) {
            let answer = grpc(&Status::new(code, "words"));
            let is_retried = [
                Code::Cancelled,
                Code::DeadlineExceeded,
                Code::Aborted,
                Code::OutOfRange,
                Code::Unavailable,
                Code::DataLoss,
            ]
            .contains(&code);
            assert_eq!(is_retry_after(&answer, None), is_retried, "{code:?}");
            assert_eq!(matches!(answer, Answer::Refused(_)), !is_retried, "{code:?}");
        }
    }

    #[test]
    fn a_backend_that_is_exhausted_is_retried_when_it_says_when() {
        let delay = Duration::from_millis(1_500);
        let details = encoded_with_retry_info("", delay);
        let status = Status::with_details(Code::ResourceExhausted, "message size quota", details.into());
        assert!(is_retry_after(&grpc(&status), Some(delay)));
        assert!(matches!(grpc(&Status::resource_exhausted("quota")), Answer::Refused(_)));
    }

    #[test]
    fn a_message_that_is_too_large_is_told_by_the_words_of_each_grpc_library() {
        let statuses = [
            Status::resource_exhausted("grpc: received message larger than max (5242880 vs. 4194304)"),
            Status::resource_exhausted("gRPC message exceeds maximum size 4194304: 5242880"),
            Status::out_of_range(
                "Error, decoded message length too large: found 5242880 bytes, the limit is: 4194304 bytes",
            ),
            Status::unknown("grpc-status header missing, mapped from HTTP status code 413"),
        ];
        for status in statuses {
            assert!(matches!(grpc(&status), Answer::TooLarge { .. }), "{status:?}");
        }
    }

    #[test]
    fn the_http_statuses_of_the_specification_are_retried_and_no_others() {
        for status in (200..=599).filter(|status| StatusCode::from_u16(*status).is_ok()) {
            let answer = http(status, &[], b"");
            match status {
                200..=299 => assert_eq!(answer, Answer::Accepted),
                413 => assert!(matches!(answer, Answer::TooLarge { .. })),
                429 | 502 | 503 | 504 => assert!(is_retry_after(&answer, None), "{status}"),
                _ => assert!(matches!(answer, Answer::Refused(_)), "{status}"),
            }
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let after = |value| http(503, &[("retry-after", value)], b"");
        assert!(is_retry_after(&after("7"), Some(Duration::from_secs(7))));
        assert!(is_retry_after(&after("Thu, 01 Jan 1970 00:01:00 GMT"), Some(Duration::from_secs(60))));
        assert!(is_retry_after(&after("soon"), None));
        assert_eq!(retry_after("Thu, 01 Jan 1970 00:01:00 GMT", SystemTime::now()), Some(Duration::ZERO));
    }

    #[test]
    fn a_partial_success_is_read_in_both_encodings() {
        let expected = Answer::PartiallyAccepted { rejected_spans: 2, message: "too old".to_owned() };
        let mut response = ExportTraceServiceResponse::default();
        let partial = response.partial_success.get_or_insert_default();
        (partial.rejected_spans, partial.error_message) = (2, "too old".to_owned());
        assert_eq!(http(200, &[("content-type", "application/x-protobuf")], &response.encode_to_vec()), expected);
        for count in ["2", "\"2\""] {
            let body = format!(r#"{{"partialSuccess":{{"rejectedSpans":{count},"errorMessage":"too old"}}}}"#);
            assert_eq!(http(200, &[("content-type", "application/json; charset=utf-8")], body.as_bytes()), expected);
        }
        assert_eq!(http(200, &[("content-type", "application/json")], br#"{"partialSuccess":{}}"#), Answer::Accepted);
        assert_eq!(http(200, &[], b"ok, thanks"), Answer::Accepted);
    }

    #[test]
    fn an_error_is_quoted_in_every_encoding() {
        let status = encoded_with_retry_info("no such tenant", Duration::ZERO);
        let json = br#"{"code":3,"message":"no such tenant"}"#;
        let bodies = [
            ("application/x-protobuf", status.as_slice()),
            ("application/json", json),
            ("text/plain", b"no such\ntenant\n"),
        ];
        for (kind, body) in bodies {
            let Answer::Refused(Refusal { reason, .. }) = http(400, &[("content-type", kind)], body) else {
                unreachable!("400 is refused");
            };
            assert!(reason.ends_with("400 Bad Request: no such tenant"), "{reason}");
        }
    }
}
