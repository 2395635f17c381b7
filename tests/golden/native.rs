//! The mapping called as a plain function, its result put into the host's types by a second, simpler hand: no component,
//! no checks, no policy. What the host makes of the component must be the same.

use callspan::record::{Position, Rejection};
use callspan::span::{Attribute, Event, Kind, Link, Span, SpanId, Status, Trace, Value};
use callspan::transform::{Outcome, span_id, trace_id};
use callspan_tccc::bindings as plugin;
use callspan_tccc::{Mapping, description};

/// Maps one record.
pub(crate) fn map(mapping: &Mapping, body: &[u8]) -> Outcome {
    match mapping.map(body) {
        plugin::Outcome::Trace(trace) => Outcome::Trace(of_trace(trace)),
        plugin::Outcome::Skipped(_) => Outcome::Skipped,
        plugin::Outcome::Rejected(plugin::Rejection { class, code, path, message }) => {
            let position = Position::named_by(&message);
            Outcome::Rejected(Rejection { class, code, path, message, position })
        }
    }
}

fn of_trace(trace: plugin::Trace) -> Trace {
    let names = Names(description());
    let ids: Vec<SpanId> = trace.spans.iter().map(|span| span_id(&trace.key, &span.key)).collect();
    let id = trace_id(&trace.key);
    let target = |reference: &plugin::SpanReference| match reference {
        plugin::SpanReference::Local(index) => ids[*index as usize],
        plugin::SpanReference::Remote(_) => panic!("this mapping refers to no other trace"),
    };
    let span = |span: &plugin::Span| Span {
        id: span_id(&trace.key, &span.key),
        key: span.key.clone(),
        parent: span.parent.as_ref().map(target),
        resource: span.resource as usize,
        name: names.0.span_names[span.name as usize].as_str().into(),
        kind: kind(span.kind),
        start_unix_nano: span.start_unix_nano,
        end_unix_nano: span.end_unix_nano,
        status: status(span.status),
        attributes: names.attributes(&span.attributes),
        events: span.events.iter().map(|event| names.event(event)).collect(),
        links: span
            .links
            .iter()
            .map(|link| Link {
                trace_id: id,
                span_id: target(&link.target),
                attributes: names.attributes(&link.attributes),
            })
            .collect(),
    };
    Trace {
        id,
        revision: trace.revision,
        resources: trace.resources.iter().map(|resource| names.attributes(resource)).collect(),
        spans: trace.spans.iter().map(span).collect(),
        key: trace.key.clone(),
    }
}

struct Names(plugin::Description);

impl Names {
    fn attributes(&self, attributes: &[plugin::Attribute]) -> Vec<Attribute> {
        let attribute = |attribute: &plugin::Attribute| Attribute {
            key: self.0.attributes[attribute.key as usize].key.as_str().into(),
            value: value(&attribute.value),
        };
        attributes.iter().map(attribute).collect()
    }

    fn event(&self, event: &plugin::Event) -> Event {
        Event {
            name: self.0.events[event.name as usize].as_str().into(),
            time_unix_nano: event.time_unix_nano,
            attributes: self.attributes(&event.attributes),
        }
    }
}

fn value(value: &plugin::Value) -> Value {
    match value.clone() {
        plugin::Value::Text(text) => Value::Text(text),
        plugin::Value::Boolean(truth) => Value::Boolean(truth),
        plugin::Value::Int(number) => Value::Integer(number),
        plugin::Value::Double(number) => Value::Double(number),
        plugin::Value::Texts(texts) => Value::Texts(texts),
        plugin::Value::Booleans(truths) => Value::Booleans(truths),
        plugin::Value::Ints(numbers) => Value::Integers(numbers),
        plugin::Value::Doubles(numbers) => Value::Doubles(numbers),
        plugin::Value::Entries(_) => panic!("this mapping has no free keys"),
    }
}

fn kind(kind: plugin::SpanKind) -> Kind {
    match kind {
        plugin::SpanKind::Internal => Kind::Internal,
        plugin::SpanKind::Server => Kind::Server,
        plugin::SpanKind::Client => Kind::Client,
        plugin::SpanKind::Producer => Kind::Producer,
        plugin::SpanKind::Consumer => Kind::Consumer,
    }
}

fn status(status: plugin::SpanStatus) -> Status {
    match status {
        plugin::SpanStatus::Unset => Status::Unset,
        plugin::SpanStatus::Ok => Status::Ok,
        plugin::SpanStatus::Error => Status::Error,
    }
}
