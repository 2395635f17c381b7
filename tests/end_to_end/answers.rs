//! Every answer tells the sender what to do, in the vendor's words: `ErrCode` and `ErrMsg`.

use callspan_tests::{Decoder, Protocol, Reply, Request, Service, records};
use serde_json::{Value, json};

/// The vendor's page prints its sample without a comma: whoever tries callspan with it learns where.
#[test]
fn what_is_not_json_is_answered_with_line_and_column() {
    let Some(fixture) = Fixture::start() else { return };
    let reply = fixture.service.push(records::SEED_RAW);
    assert_refused(&reply, 400);
    // The place at which Python's json finds it too.
    assert!(reply.message().contains("line 10 column 1"), "{}", reply.message());
    let answer = json(&reply);
    assert_eq!(answer["code"], "records_refused");
    let verdict = &answer["records"][0];
    assert_eq!((&verdict["index"], &verdict["code"]), (&json!(0), &json!("not_json")), "{answer}");
    assert_eq!((&verdict["line"], &verdict["column"]), (&json!(10), &json!(1)), "{answer}");
}

/// Of many records the sender learns which were not taken, and where in its own body they are wrong.
#[test]
fn each_record_that_is_not_taken_has_a_verdict() {
    let Some(fixture) = Fixture::start() else { return };
    let whole = records::call("whole");
    let torn = format!("{}!", records::call("torn"));
    let reply = fixture.service.push(format!("{whole}\n {torn}\n{{}}\n"));
    assert_refused(&reply, 422);
    let answer = json(&reply);
    let verdicts: Vec<_> = answer["records"].as_array().expect("a list").iter().collect();
    let places: Vec<_> =
        verdicts.iter().map(|verdict| json!([verdict["index"], verdict["line"], verdict["column"]])).collect();
    // The exclamation mark follows a blank and the record.
    assert_eq!(places, [json!([1, 2, torn.len() + 1]), json!([2, 3, 1])], "{answer}");
    assert_eq!((&verdicts[0]["code"], &verdicts[1]["code"]), (&json!("not_json"), &json!("incomplete")), "{answer}");
}

#[test]
fn an_empty_body_is_answered_400() {
    let Some(fixture) = Fixture::start() else { return };
    for body in ["", " \r\n"] {
        let reply = fixture.service.push(body);
        assert_refused(&reply, 400);
        assert_eq!(json(&reply)["code"], "no_record");
    }
}

/// Readable, but no call: the vendor cannot mend it by pushing again, the operator sees why.
#[test]
fn a_record_that_cannot_be_mapped_is_answered_422() {
    let Some(fixture) = Fixture::start() else { return };
    let no_session = r#"{"SdkAppId":1400000000,"StartTimestamp":1700000000}"#;
    let reply = fixture.service.push(no_session);
    assert_refused(&reply, 422);
    assert!(reply.message().contains("session id"), "{}", reply.message());
    assert_refused(&fixture.service.push(r#"{"SessionId":"a"}"#), 422);
    assert!(fixture.backend.exports().is_empty());
}

#[test]
fn another_path_method_or_encoding_is_answered_as_http_has_it() {
    let Some(fixture) = Fixture::start() else { return };
    let push = Request::push(records::SEED);
    let cases = [
        (404, "unknown_path", Request::new("POST", "/elsewhere?action=cdr&version=1").body(records::SEED)),
        (405, "method_not_allowed", Request::new("GET", "/?action=cdr&version=1")),
        (405, "method_not_allowed", Request::new("PUT", "/?action=cdr&version=1").body(records::SEED)),
        (413, "body_too_large", push.clone().claim_length(1 << 30)),
        (415, "unknown_encoding", push.header("Content-Encoding", "br")),
    ];
    for (status, code, request) in cases {
        let reply = fixture.service.send(&request);
        assert_refused(&reply, status);
        assert_eq!(json(&reply)["code"], code);
    }
    assert!(fixture.backend.exports().is_empty());
}

/// `custom_url` may have a query of its own, the header of the vendor has a spelling of its own, and senders compress.
#[test]
fn a_push_is_taken_in_every_dress() {
    let Some(fixture) = Fixture::start() else { return };
    let gzipped = include_bytes!("../golden/payloads/gzip.json.gz");
    let cases = [
        Request::new("POST", "/?tenant=a&action=cdr&version=1").body(records::SEED),
        Request::new("POST", "/?action=cdr&version=1").body(records::SEED).header("Content-Type", "text/plain"),
        Request::new("POST", "/?version=1&action=cdr").body(records::SEED).header("Expect", "100-continue"),
        Request::push(gzipped).header("Content-Encoding", "gzip"),
    ];
    for request in cases {
        let reply = fixture.service.send(&request);
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ErrCode":0,"ErrMsg":"ok"}"#), "{}", reply.body);
    }
}

/// The vendor sends recordings and voicemails to the same address: not ours, and no reason for it to push them again.
#[test]
fn what_is_known_and_not_ours_is_taken_and_dropped() {
    let Some(fixture) = Fixture::start() else { return };
    for target in ["/?action=record", "/?action=voicemail"] {
        let reply = fixture.service.send(&Request::new("POST", target).body(records::SEED));
        assert_eq!((reply.status, reply.code()), (200, 0), "{target}: {}", reply.body);
    }
    assert!(fixture.backend.exports().is_empty());
}

/// A later version of the push may well be one that can still be mapped.
#[test]
fn an_unknown_version_is_taken() {
    let Some(fixture) = Fixture::start() else { return };
    let reply = fixture.service.send(&Request::new("POST", "/?action=cdr&version=2").body(records::SEED));
    assert_eq!((reply.status, reply.code()), (200, 0), "{}", reply.body);
    assert_eq!(fixture.backend.take_export().spans.len(), 2);
}

/// A number in a message would end up in the vendor's log, and in ours.
#[test]
fn no_answer_quotes_the_record() {
    let Some(fixture) = Fixture::start() else { return };
    let torn = r#"{"SessionId":"a","Caller":"0012025550147",,}"#;
    let reply = fixture.service.push(torn);
    assert_refused(&reply, 400);
    assert!(!reply.body.contains("2025550147") && !fixture.service.log().contains("2025550147"));
}

struct Fixture {
    service: Service,
    backend: Decoder,
}

impl Fixture {
    fn start() -> Option<Self> {
        let backend = Decoder::start()?;
        let service = Service::new().export_to(backend.endpoint(Protocol::Grpc)).start();
        Some(Self { service, backend })
    }
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_ne!(reply.code(), 0, "{}", reply.body);
    assert!(!reply.message().is_empty() && reply.message() != "ok", "{}", reply.body);
}

fn json(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).expect("every answer is JSON")
}
