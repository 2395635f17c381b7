//! Traces for tests.

use super::request::Scope;
use crate::span::{Attribute, Event, Kind, Link, Span, SpanId, Status, Trace, TraceId, Value};

pub(super) const SECOND: u64 = 1_000_000_000;
/// 2023-02-23T08:14:28Z
pub(super) const START: u64 = 1_677_140_068 * SECOND;

pub(super) fn scope() -> Scope {
    Scope { name: "tccc".to_owned(), version: "1.2.3".to_owned(), schema_url: None }
}

pub(super) fn attribute(key: &str, value: Value) -> Attribute {
    Attribute { key: key.into(), value }
}

pub(super) fn text(key: &str, value: &str) -> Attribute {
    attribute(key, Value::Text(value.to_owned()))
}

pub(super) fn span(number: u8, key: &str, name: &str) -> Span {
    Span {
        id: SpanId([number; 8]),
        key: key.to_owned(),
        parent: None,
        resource: 0,
        name: name.into(),
        kind: Kind::Internal,
        start_unix_nano: START,
        end_unix_nano: START + SECOND,
        status: Status::Unset,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

/// An inbound call that waits in a queue, is answered, and is transferred within one team: four spans, two resources.
pub(crate) fn answered_call(number: u8) -> Trace {
    let [session, queue, first, second] = [1, 2, 3, 4];
    let ring =
        |seconds| Event { name: "tccc.ring".into(), time_unix_nano: START + seconds * SECOND, attributes: Vec::new() };
    let child = |number, key, name, from: u64, to: u64| Span {
        parent: Some(SpanId([session; 8])),
        start_unix_nano: START + from * SECOND,
        end_unix_nano: START + to * SECOND,
        ..span(number, key, name)
    };
    Trace {
        id: TraceId([number; 16]),
        key: format!("tccc/1/{number}"),
        revision: 0,
        resources: vec![vec![text("service.name", "tccc")], vec![text("service.name", "tccc/Billing")]],
        spans: vec![
            Span {
                kind: Kind::Server,
                end_unix_nano: START + 130 * SECOND,
                attributes: vec![
                    text("tccc.session.id", "99a1c8f8"),
                    attribute("tccc.session.talk.duration", Value::Integer(90)),
                    text("tccc.call.direction", "inbound"),
                    text("tccc.session.end_status", "ok"),
                    text("tccc.session.outcome", "completed"),
                    attribute(
                        "tccc.anomalies",
                        Value::Texts(vec!["duration_mismatch".to_owned(), "timestamp_unit".to_owned()]),
                    ),
                ],
                events: vec![ring(40)],
                ..span(session, "session", "inbound call")
            },
            child(queue, "phase/queue", "queue", 10, 40),
            Span { resource: 1, events: vec![ring(40)], ..child(first, "participant/0", "serve staffSeat", 40, 85) },
            Span {
                resource: 1,
                links: vec![Link {
                    trace_id: TraceId([number; 16]),
                    span_id: SpanId([first; 8]),
                    attributes: vec![text("tccc.link.type", "transfer")],
                }],
                ..child(second, "participant/1", "serve staffSeat", 85, 130)
            },
        ],
    }
}
