//! What the specification asks of a client (opentelemetry-proto, `docs/specification.md`, "Failures", "Partial success",
//! "Throttling"), as a table: what a backend answers, and what that is to the client, over each protocol.

use super::collector::{Collector, Reply};
use super::fixtures::{answered_call, scope};
use super::rpc_status::encoded_status;
use super::{Answer, Cause, Endpoint, Exporter, Protocol};
use reqwest::header::RETRY_AFTER;
use std::time::Duration;
use tonic::Code;

/// What a client is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// Nothing more.
    Done,
    /// Nothing more, but so many spans are lost.
    DoneBut(u64),
    /// Send the same again, not before this time has passed if there is one.
    Again(Option<u64>),
    /// Send it in smaller parts.
    Smaller,
    /// Never send it again, as it is.
    Never,
    /// Send nothing until this is mended.
    Hold(Cause),
}

use Then::{Again, Done, DoneBut, Hold, Never, Smaller};

#[tokio::test]
async fn every_code_of_grpc_is_answered_as_the_specification_says() {
    let words = "grpc: received message larger than max (5242880 vs. 4194304)";
    let tonic_words = "Error, decoded message length too large: found 5242880 bytes, the limit is: 4194304 bytes";
    let seven = Some(Duration::from_secs(7));
    #[rustfmt::skip]
    let table = [
        (Code::Cancelled,          "told to",   None,  Again(None)),
        (Code::Unknown,            "told to",   None,  Never),
        (Code::InvalidArgument,    "told to",   None,  Never),
        (Code::InvalidArgument,    "told to",   seven, Never),
        (Code::DeadlineExceeded,   "told to",   None,  Again(None)),
        (Code::NotFound,           "told to",   None,  Never),
        (Code::AlreadyExists,      "told to",   None,  Never),
        (Code::PermissionDenied,   "told to",   None,  Hold(Cause::Permission)),
        (Code::ResourceExhausted,  "told to",   None,  Never),
        (Code::ResourceExhausted,  "told to",   seven, Again(Some(7))),
        (Code::ResourceExhausted,  words,       None,  Smaller),
        (Code::ResourceExhausted,  words,       seven, Again(Some(7))),
        (Code::FailedPrecondition, "told to",   None,  Never),
        (Code::Aborted,            "told to",   None,  Again(None)),
        (Code::OutOfRange,         "told to",   None,  Again(None)),
        (Code::OutOfRange,         tonic_words, None,  Smaller),
        (Code::Unimplemented,      "told to",   None,  Hold(Cause::Address)),
        (Code::Internal,           "told to",   None,  Never),
        (Code::Unavailable,        "told to",   None,  Again(None)),
        (Code::Unavailable,        "told to",   seven, Again(Some(7))),
        (Code::DataLoss,           "told to",   None,  Again(None)),
        (Code::Unauthenticated,    "told to",   None,  Hold(Cause::Credentials)),
    ];
    for (code, words, delay, then) in table {
        let (done, reason) = heard(Protocol::Grpc, Reply::Grpc(code, words, delay)).await;
        assert_eq!(done, then, "{code:?} {words} {delay:?}: {reason}");
        assert!(reason.ends_with(words), "{code:?}: {reason}");
    }
}

#[tokio::test]
async fn every_status_of_http_is_answered_as_the_specification_says() {
    let date = "Thu, 01 Jan 1970 00:01:00 GMT";
    #[rustfmt::skip]
    let table = [
        (200, None,        Done),
        (202, None,        Done),
        (301, None,        Hold(Cause::Redirect)),
        (400, None,        Never),
        (401, None,        Hold(Cause::Credentials)),
        (403, None,        Hold(Cause::Permission)),
        (404, None,        Hold(Cause::Address)),
        (405, None,        Hold(Cause::Address)),
        (407, None,        Hold(Cause::Credentials)),
        (408, None,        Never),
        (413, None,        Smaller),
        (415, None,        Never),
        (422, None,        Never),
        (429, None,        Again(None)),
        (429, Some("7"),   Again(Some(7))),
        (429, Some(date),  Again(Some(0))),
        (429, Some("soon"), Again(None)),
        (500, None,        Never),
        (500, Some("7"),   Never),
        (501, None,        Never),
        (502, None,        Again(None)),
        (503, None,        Again(None)),
        (503, Some("7"),   Again(Some(7))),
        (504, None,        Again(None)),
        (507, None,        Never),
    ];
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        for (status, retry_after, then) in table {
            let body = match protocol {
                _ if status < 300 => Vec::new(),
                Protocol::HttpJson => br#"{"code":3,"message":"told to"}"#.to_vec(),
                _ => encoded_status(3, "told to", None),
            };
            let header = retry_after.map(|value| (RETRY_AFTER, value));
            let (done, reason) = heard(protocol, Reply::Http(status, header, body)).await;
            assert_eq!(done, then, "{protocol:?} {status} {retry_after:?}: {reason}");
            assert!(status < 300 || reason.ends_with("told to"), "{protocol:?} {status}: {reason}");
        }
    }
}

/// None of these is an error of a protocol, and each protocol has all of them.
#[tokio::test]
async fn what_every_protocol_has_is_the_same_over_each() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        for (reply, then) in [
            (Reply::Accepted, Done),
            (Reply::Partly(0, ""), Done),
            (Reply::Partly(0, "deprecated"), DoneBut(0)),
            (Reply::Partly(3, "too old"), DoneBut(3)),
            (Reply::Partly(-1, "too old"), DoneBut(0)),
            (Reply::Lost, Again(None)),
        ] {
            let (done, reason) = heard(protocol, reply).await;
            assert_eq!(done, then, "{protocol:?}: {reason}");
        }
    }
}

/// Whatever is not the answer of the specification does no harm.
#[tokio::test]
async fn a_body_that_means_nothing_is_not_looked_at() {
    for protocol in [Protocol::HttpProtobuf, Protocol::HttpJson] {
        for body in [b"\xff\xff\xff".to_vec(), b"{\"partialSuccess\":7}".to_vec(), vec![0; 1_000_000]] {
            assert_eq!(heard(protocol, Reply::Http(200, None, body.clone())).await.0, Done);
            assert_eq!(heard(protocol, Reply::Http(400, None, body)).await.0, Never);
        }
    }
}

#[tokio::test]
async fn nothing_to_send_sends_nothing() {
    for protocol in [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson] {
        let collector = Collector::start([]).await;
        let exporter = exporter(&collector, protocol);
        assert_eq!(exporter.send(&mut exporter.prepare(Vec::new(), &scope())).await, None);
        assert_eq!(collector.requests(), []);
    }
}

fn exporter(collector: &Collector, protocol: Protocol) -> Exporter {
    let endpoint = Endpoint::new(protocol, &collector.address(protocol)).expect("an endpoint");
    Exporter::new(&endpoint).expect("an exporter")
}

/// What a client takes this reply for, and what it says of it.
async fn heard(protocol: Protocol, reply: Reply) -> (Then, String) {
    let collector = Collector::start([reply]).await;
    let exporter = exporter(&collector, protocol);
    let answer = exporter.send(&mut exporter.prepare(vec![answered_call(1)], &scope())).await;
    assert_eq!(collector.requests().len(), 1, "{protocol:?}: nothing is sent again without being asked for");
    match answer.expect("there is something to send") {
        Answer::Accepted => (Done, String::new()),
        Answer::PartiallyAccepted { rejected_spans, message } => (DoneBut(rejected_spans), message),
        Answer::Retry { after, reason } => (Again(after.map(|after| after.as_secs())), reason),
        Answer::TooLarge { reason } => (Smaller, reason),
        Answer::Refused(refusal) => match refusal.advice() {
            Some(_) => (Hold(refusal.cause), refusal.reason),
            None => (Never, refusal.reason),
        },
    }
}
