//! Traces in the protocol's own messages. Deterministic: equal traces make equal requests, and nothing is taken from a
//! clock.

use crate::span::{Attribute, Event, Kind, Link, Span, Status, Trace, TraceId, Value};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as WireValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as wire;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
use prost::Message;
use std::collections::HashMap;

/// Who made the spans: the mapping, by its name and version (OTLP's instrumentation scope).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// The mapping's name.
    pub name: String,
    /// The mapping's version.
    pub version: String,
    /// The schema that the keys of the attributes follow.
    pub schema_url: Option<String>,
}

/// One request with all spans of these traces. Spans of equal resources share one `ResourceSpans`, in the order in
/// which the resources first appear.
#[must_use]
pub fn request(traces: Vec<Trace>, scope: &Scope) -> ExportTraceServiceRequest {
    joined(traces.into_iter().flat_map(|trace| resource_spans(trace, scope)))
}

/// The spans of one trace, with a `ResourceSpans` for each resource that is in use.
pub(super) fn resource_spans(trace: Trace, scope: &Scope) -> Vec<ResourceSpans> {
    let schema_url = scope.schema_url.clone().unwrap_or_default();
    let mut in_use: Vec<(usize, Vec<wire::Span>)> = Vec::new();
    for span in trace.spans {
        let index = span.resource;
        let span = wire_span(span, trace.id);
        match in_use.iter_mut().find(|(known, _)| *known == index) {
            Some((_, spans)) => spans.push(span),
            None => in_use.push((index, vec![span])),
        }
    }
    let mut resources = trace.resources;
    let parts = in_use.into_iter().map(|(index, spans)| ResourceSpans {
        // Each index comes up once here, so its attributes can be moved out.
        resource: Some(Resource {
            attributes: attributes(resources.get_mut(index).map(std::mem::take).unwrap_or_default()),
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            scope: Some(InstrumentationScope {
                name: scope.name.clone(),
                version: scope.version.clone(),
                ..InstrumentationScope::default()
            }),
            spans,
            schema_url: schema_url.clone(),
        }],
        schema_url: schema_url.clone(),
    });
    joined(parts).resource_spans
}

/// Brings the spans of equal resources together. All parts are of one scope.
fn joined(parts: impl IntoIterator<Item = ResourceSpans>) -> ExportTraceServiceRequest {
    let mut joined: Vec<ResourceSpans> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    for part in parts {
        let resource = part.resource.as_ref().map(Message::encode_to_vec);
        let place = *places.entry(resource.unwrap_or_default()).or_insert(joined.len());
        let scope_known = joined.get_mut(place).and_then(|known| known.scope_spans.first_mut());
        match scope_known {
            Some(known) => known.spans.extend(part.scope_spans.into_iter().flat_map(|scope| scope.spans)),
            None => joined.push(part),
        }
    }
    ExportTraceServiceRequest { resource_spans: joined }
}

/// Trace state, flags and the counts of what was dropped stay empty: a call record knows nothing of them.
fn wire_span(span: Span, trace_id: TraceId) -> wire::Span {
    wire::Span {
        trace_id: trace_id.0.to_vec(),
        span_id: span.id.0.to_vec(),
        parent_span_id: span.parent.map_or_else(Vec::new, |id| id.0.to_vec()),
        name: span.name.to_string(),
        kind: kind(span.kind) as i32,
        start_time_unix_nano: span.start_unix_nano,
        end_time_unix_nano: span.end_unix_nano,
        attributes: attributes(span.attributes),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.into_iter().map(link).collect(),
        status: status(span.status),
        ..wire::Span::default()
    }
}

fn kind(kind: Kind) -> wire::span::SpanKind {
    match kind {
        Kind::Internal => wire::span::SpanKind::Internal,
        Kind::Server => wire::span::SpanKind::Server,
        Kind::Client => wire::span::SpanKind::Client,
        Kind::Producer => wire::span::SpanKind::Producer,
        Kind::Consumer => wire::span::SpanKind::Consumer,
    }
}

/// An unset status is absent on the wire, which is shorter and means the same.
fn status(status: Status) -> Option<wire::Status> {
    let code = match status {
        Status::Unset => return None,
        Status::Ok => wire::status::StatusCode::Ok,
        Status::Error => wire::status::StatusCode::Error,
    };
    Some(wire::Status { code: code as i32, ..wire::Status::default() })
}

fn event(event: Event) -> wire::span::Event {
    wire::span::Event {
        time_unix_nano: event.time_unix_nano,
        name: event.name.to_string(),
        attributes: attributes(event.attributes),
        ..wire::span::Event::default()
    }
}

fn link(link: Link) -> wire::span::Link {
    wire::span::Link {
        trace_id: link.trace_id.0.to_vec(),
        span_id: link.span_id.0.to_vec(),
        attributes: attributes(link.attributes),
        ..wire::span::Link::default()
    }
}

fn attributes(attributes: Vec<Attribute>) -> Vec<KeyValue> {
    attributes
        .into_iter()
        .map(|Attribute { key, value }| KeyValue {
            key: key.to_string(),
            value: Some(AnyValue { value: Some(wire_value(value)) }),
            ..KeyValue::default()
        })
        .collect()
}

fn wire_value(value: Value) -> WireValue {
    match value {
        Value::Text(text) => WireValue::StringValue(text),
        Value::Boolean(boolean) => WireValue::BoolValue(boolean),
        Value::Integer(integer) => WireValue::IntValue(integer),
        Value::Double(double) => WireValue::DoubleValue(double),
        Value::Texts(texts) => array(texts, WireValue::StringValue),
        Value::Booleans(booleans) => array(booleans, WireValue::BoolValue),
        Value::Integers(integers) => array(integers, WireValue::IntValue),
        Value::Doubles(doubles) => array(doubles, WireValue::DoubleValue),
    }
}

fn array<T>(values: Vec<T>, wire_value: impl Fn(T) -> WireValue) -> WireValue {
    let values = values.into_iter().map(|value| AnyValue { value: Some(wire_value(value)) }).collect();
    WireValue::ArrayValue(ArrayValue { values })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::{answered_call, scope, text};

    #[test]
    fn spans_of_equal_resources_share_one_place_in_order_of_appearance() {
        let request = request(vec![answered_call(1), answered_call(2)], &scope());
        let services: Vec<_> = request
            .resource_spans
            .iter()
            .map(|part| {
                (
                    part.resource.clone().unwrap_or_default().attributes,
                    part.scope_spans.iter().map(|scope| scope.spans.len()).sum(),
                )
            })
            .collect::<Vec<(_, usize)>>();
        assert_eq!(
            services,
            [
                (attributes(vec![text("service.name", "tccc")]), 4),
                (attributes(vec![text("service.name", "tccc/Billing")]), 4),
            ]
        );
    }

    #[test]
    fn one_resource_declared_twice_is_one_resource() {
        let mut trace = answered_call(1);
        trace.resources = vec![vec![text("service.name", "tccc")]; 2];
        assert_eq!(request(vec![trace], &scope()).resource_spans.len(), 1);
    }

    #[test]
    fn a_resource_that_no_span_uses_is_left_out() {
        let mut trace = answered_call(1);
        trace.resources.push(vec![text("service.name", "nobody")]);
        assert_eq!(request(vec![trace], &scope()).resource_spans.len(), 2);
    }

    #[test]
    fn equal_traces_make_equal_bytes() {
        let encoded = || request(vec![answered_call(1), answered_call(2)], &scope()).encode_to_vec();
        assert_eq!(encoded(), encoded());
    }

    #[test]
    fn no_traces_make_an_empty_request() {
        assert_eq!(request(Vec::new(), &scope()).encoded_len(), 0);
    }
}
