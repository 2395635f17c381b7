//! `google.rpc.Status` and the `RetryInfo` within it: what a gRPC error carries as details, and what an OTLP/HTTP error
//! has as its body. Four small messages, declared here rather than brought in with another crate.

use prost::Message;
use std::time::Duration;

/// The type of the detail that asks for a delay.
pub const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// `google.rpc.Status`. What a backend's response is, its own status decides, whatever the code in here.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<WireDuration>,
}

/// `google.protobuf.Duration`
#[derive(Clone, Copy, PartialEq, Message)]
struct WireDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl RpcStatus {
    /// The delay that a `RetryInfo` among the details asks for. A `RetryInfo` without a delay, or with a negative one,
    /// asks for none: retry at once.
    pub(super) fn retry_delay(&self) -> Option<Duration> {
        let any = self.details.iter().find(|any| any.type_url == RETRY_INFO)?;
        let delay = RetryInfo::decode(any.value.as_slice()).ok()?.retry_delay;
        let WireDuration { seconds, nanos } = delay.unwrap_or_default();
        match (u64::try_from(seconds), u32::try_from(nanos)) {
            (Ok(seconds), Ok(nanos)) => {
                Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())))
            }
            _ => Some(Duration::ZERO),
        }
    }
}

/// The bytes of a status, as a gRPC error carries them and as an OTLP/HTTP error has them for its body; if there is a
/// delay, its `RetryInfo` asks for it.
#[must_use]
pub fn encoded_status(code: i32, message: &str, retry_delay: Option<Duration>) -> Vec<u8> {
    let details = retry_delay.map(|delay| {
        let seconds = i64::try_from(delay.as_secs()).unwrap_or(i64::MAX);
        let retry_info =
            RetryInfo { retry_delay: Some(WireDuration { seconds, nanos: delay.subsec_nanos().cast_signed() }) };
        Any { type_url: RETRY_INFO.to_owned(), value: retry_info.encode_to_vec() }
    });
    RpcStatus { code, message: message.to_owned(), details: details.into_iter().collect() }.encode_to_vec()
}

/// As a backend sends it.
#[cfg(test)]
pub(super) fn encoded_with_retry_info(message: &str, delay: Duration) -> Vec<u8> {
    encoded_status(0, message, Some(delay))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delay_of(bytes: &[u8]) -> Option<Duration> {
        RpcStatus::decode(bytes).expect("a status").retry_delay()
    }

    #[test]
    fn a_delay_is_found_among_the_details() {
        let delay = Duration::from_millis(2_500);
        assert_eq!(delay_of(&encoded_with_retry_info("slow down", delay)), Some(delay));
    }

    #[test]
    fn without_retry_info_there_is_no_delay() {
        assert_eq!(delay_of(&[]), None);
    }

    #[test]
    fn a_negative_delay_means_at_once() {
        let status = RpcStatus {
            code: 0,
            message: String::new(),
            details: vec![Any {
                type_url: RETRY_INFO.to_owned(),
                value: RetryInfo { retry_delay: Some(WireDuration { seconds: -1, nanos: 0 }) }.encode_to_vec(),
            }],
        };
        assert_eq!(status.retry_delay(), Some(Duration::ZERO));
    }
}
