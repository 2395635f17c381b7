//! What is put together from pieces is what the protocol's own messages are.

use super::*;
use crate::export::fixtures::{answered_call, scope};
use crate::export::{json, request};
use crate::span::{Attribute, Event, Kind, Link, Span, SpanId, Status, TraceId, Value};
use proptest::collection::vec;
use proptest::prelude::*;

fn scopes() -> [Scope; 3] {
    let schema_url = Some("https://opentelemetry.io/schemas/1.37.0".to_owned());
    [scope(), Scope { schema_url, ..scope() }, Scope::default()]
}

fn encodings(scope: &Scope) -> [Encoding; 3] {
    [Format::Protobuf, Format::Json, Format::JsonLines].map(|format| Encoding::new(format, scope))
}

/// Both encodings against the messages of `request`, for every range of the traces.
fn assert_equal_to_messages(traces: &[Trace], scope: &Scope) {
    use prost::Message as _;
    let [protobuf, text, lines] = encodings(scope);
    let [in_protobuf, in_json, in_lines] =
        [&protobuf, &text, &lines].map(|encoding| Pieces::new(traces.to_vec(), encoding));
    for start in 0..=traces.len() {
        for end in start..=traces.len() {
            let message = request(traces[start..end].to_vec(), scope);
            assert_eq!(in_protobuf.request(start..end, &protobuf), message.encode_to_vec());
            let expected = json(&message).expect("text can be written");
            assert_eq!(in_json.request(start..end, &text), expected);
            assert_eq!(in_lines.request(start..end, &lines), format!("{expected}\n"));
        }
    }
    for trace in 0..traces.len() {
        for (pieces, encoding) in [(&in_protobuf, &protobuf), (&in_json, &text), (&in_lines, &lines)] {
            assert!(pieces.request_bytes(trace) >= pieces.request(trace..trace + 1, encoding).len());
        }
    }
    for (pieces, encoding) in [(&in_protobuf, &protobuf), (&in_json, &text), (&in_lines, &lines)] {
        let together: usize = (0..traces.len()).map(|trace| pieces.request_bytes(trace)).sum();
        assert!(traces.is_empty() || together >= pieces.request(0..traces.len(), encoding).len());
    }
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,200}".prop_map(Value::Text),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        (-300..300_i64).prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Double),
        vec(".{0,40}", 0..5).prop_map(Value::Texts),
        vec(any::<bool>(), 0..5).prop_map(Value::Booleans),
        vec(any::<i64>(), 0..20).prop_map(Value::Integers),
        vec(any::<f64>(), 0..20).prop_map(Value::Doubles),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<Attribute>> {
    vec(("[a-z.]{0,30}", values()).prop_map(|(key, value)| Attribute { key: key.into(), value }), 0..6)
}

fn kinds() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Internal, Kind::Server, Kind::Client, Kind::Producer, Kind::Consumer])
}

fn spans() -> impl Strategy<Value = Span> {
    let events = ("[a-z.]{0,300}", any::<u64>(), attributes()).prop_map(|(name, time_unix_nano, attributes)| Event {
        name: name.into(),
        time_unix_nano,
        attributes,
    });
    let links = (any::<[u8; 16]>(), any::<[u8; 8]>(), attributes()).prop_map(|(trace, span, attributes)| Link {
        trace_id: TraceId(trace),
        span_id: SpanId(span),
        attributes,
    });
    let statuses = prop::sample::select(vec![Status::Unset, Status::Ok, Status::Error]);
    let identity = (any::<[u8; 8]>(), any::<Option<[u8; 8]>>(), 0..4_usize, ".{0,40}");
    let times = prop_oneof![Just((0, 0)), any::<(u64, u64)>()];
    let lists = (attributes(), vec(events, 0..3), vec(links, 0..3));
    (identity, kinds(), times, statuses, lists).prop_map(
        |((id, parent, resource, name), kind, times, status, (attributes, events, links))| Span {
            id: SpanId(id),
            key: String::new(),
            parent: parent.map(SpanId),
            resource,
            name: name.into(),
            kind,
            start_unix_nano: times.0,
            end_unix_nano: times.1,
            status,
            attributes,
            events,
            links,
        },
    )
}

fn traces() -> impl Strategy<Value = Trace> {
    (any::<[u8; 16]>(), vec(attributes(), 0..4), vec(spans(), 0..6)).prop_map(|(id, resources, spans)| Trace {
        id: TraceId(id),
        key: String::new(),
        revision: 0,
        resources,
        spans,
    })
}

#[test]
fn calls_are_written_as_their_messages_are() {
    for scope in scopes() {
        assert_equal_to_messages(&[answered_call(1), answered_call(2), answered_call(3)], &scope);
    }
}

/// Whose limits are told in bytes is not to be told more of them than there are.
#[test]
fn the_length_of_a_call_alone_is_known_before_its_request_is_made() {
    for scope in scopes() {
        for encoding in encodings(&scope) {
            let pieces = Pieces::new(vec![answered_call(1)], &encoding);
            assert_eq!(pieces.request_bytes(0), pieces.request(0..1, &encoding).len());
        }
    }
}

/// Each length needs one byte more than the one before for itself, at every depth of messages.
#[test]
fn lengths_of_every_size_are_written_right() {
    for length in [0, 1, 100, 127, 128, 129, 16_383, 16_384, 16_385, 2_097_151, 2_097_152] {
        let mut trace = answered_call(1);
        let text = "x".repeat(length);
        trace.spans[0].attributes = vec![Attribute { key: "key".into(), value: Value::Text(text.clone()) }];
        trace.spans[1].attributes = vec![Attribute { key: "key".into(), value: Value::Texts(vec![text.clone()]) }];
        trace.spans[2].name = text.into();
        assert_equal_to_messages(&[trace], &scope());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_trace_is_written_as_its_messages_are(traces in vec(traces(), 0..4), scope in 0..3_usize) {
        assert_equal_to_messages(&traces, &scopes()[scope]);
    }
}
