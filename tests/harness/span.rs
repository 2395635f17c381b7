//! A span as a test looks at it, wherever it was read: from OTLP/JSON, from the decoder, from a collector's log.

use serde_json::Value;
use std::collections::BTreeMap;

/// Attributes by their keys.
pub type Attributes = BTreeMap<String, Value>;

/// A span with the resource it belongs to. Ids are hexadecimal; the kind and the status are OTLP's numbers.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "OTLP's fields")]
pub struct Span {
    pub resource: Attributes,
    pub trace_id: String,
    pub span_id: String,
    /// Empty for a root.
    pub parent_span_id: String,
    pub name: String,
    pub kind: i64,
    pub start_unix_nano: u64,
    pub end_unix_nano: u64,
    pub status: i64,
    pub attributes: Attributes,
    pub events: Vec<Event>,
    pub links: Vec<Link>,
}

/// An event of a span.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "OTLP's fields")]
pub struct Event {
    pub name: String,
    pub time_unix_nano: u64,
    pub attributes: Attributes,
}

/// A link of a span.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "OTLP's fields")]
pub struct Link {
    pub trace_id: String,
    pub span_id: String,
    pub attributes: Attributes,
}

impl Span {
    /// The value of an attribute; null when it is not there.
    pub fn attribute(&self, key: &str) -> &Value {
        attribute(&self.attributes, key)
    }

    /// Its service's name.
    pub fn service(&self) -> &str {
        attribute(&self.resource, "service.name").as_str().unwrap_or_default()
    }

    /// Every span of a line of OTLP/JSON.
    pub fn of_line(line: &str) -> Vec<Self> {
        Self::of_request(&serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON: {error}: {line}")))
    }

    /// Every span of an `ExportTraceServiceRequest` in OTLP/JSON.
    pub(crate) fn of_request(request: &Value) -> Vec<Self> {
        let mut spans = Vec::new();
        for resource_spans in items(&request["resourceSpans"]) {
            let resource = otlp_attributes(&resource_spans["resource"]["attributes"]);
            for scope_spans in items(&resource_spans["scopeSpans"]) {
                spans.extend(items(&scope_spans["spans"]).iter().map(|span| Self::of_otlp(span, &resource)));
            }
        }
        spans
    }

    fn of_otlp(span: &Value, resource: &Attributes) -> Self {
        let events = items(&span["events"]).iter().map(|event| Event {
            name: text(&event["name"]),
            time_unix_nano: decimal(&event["timeUnixNano"]),
            attributes: otlp_attributes(&event["attributes"]),
        });
        let links = items(&span["links"]).iter().map(|link| Link {
            trace_id: text(&link["traceId"]),
            span_id: text(&link["spanId"]),
            attributes: otlp_attributes(&link["attributes"]),
        });
        Self {
            resource: resource.clone(),
            trace_id: text(&span["traceId"]),
            span_id: text(&span["spanId"]),
            parent_span_id: text(&span["parentSpanId"]),
            name: text(&span["name"]),
            kind: span["kind"].as_i64().expect("enums are integers in OTLP/JSON"),
            start_unix_nano: decimal(&span["startTimeUnixNano"]),
            end_unix_nano: decimal(&span["endTimeUnixNano"]),
            status: span["status"]["code"].as_i64().unwrap_or_default(),
            attributes: otlp_attributes(&span["attributes"]),
            events: events.collect(),
            links: links.collect(),
        }
    }

    /// A span as `decoder.py` writes it.
    pub(crate) fn of_decoder(span: &Value) -> Self {
        let events = items(&span["events"]).iter().map(|event| Event {
            name: text(&event["name"]),
            time_unix_nano: event["time_unix_nano"].as_u64().unwrap_or_default(),
            attributes: plain_attributes(&event["attributes"]),
        });
        let links = items(&span["links"]).iter().map(|link| Link {
            trace_id: text(&link["trace_id"]),
            span_id: text(&link["span_id"]),
            attributes: plain_attributes(&link["attributes"]),
        });
        Self {
            resource: plain_attributes(&span["resource"]),
            trace_id: text(&span["trace_id"]),
            span_id: text(&span["span_id"]),
            parent_span_id: text(&span["parent_span_id"]),
            name: text(&span["name"]),
            kind: span["kind"].as_i64().unwrap_or_default(),
            start_unix_nano: span["start_unix_nano"].as_u64().unwrap_or_default(),
            end_unix_nano: span["end_unix_nano"].as_u64().unwrap_or_default(),
            status: span["status"].as_i64().unwrap_or_default(),
            attributes: plain_attributes(&span["attributes"]),
            events: events.collect(),
            links: links.collect(),
        }
    }
}

/// The one span of this name.
pub fn only<'s>(spans: &'s [Span], name: &str) -> &'s Span {
    let mut named = spans.iter().filter(|span| span.name == name);
    match (named.next(), named.next()) {
        (Some(span), None) => span,
        _ => panic!("not one span `{name}` among {spans:#?}"),
    }
}

/// In an order of their own: resources are grouped in a request, so spans may leave in another order than the trace's.
pub fn sorted(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by(|one, other| one.span_id.cmp(&other.span_id));
    spans
}

/// The value of an attribute; null when it is not there.
pub fn attribute<'a>(attributes: &'a Attributes, key: &str) -> &'a Value {
    attributes.get(key).unwrap_or(&Value::Null)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// 64-bit integers are strings in OTLP/JSON.
fn decimal(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("not a decimal string: {value}"))
}

fn plain_attributes(object: &Value) -> Attributes {
    let fields = object.as_object().into_iter().flatten();
    fields.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn otlp_attributes(list: &Value) -> Attributes {
    let pairs = items(list).iter().map(|pair| (text(&pair["key"]), otlp_value(&pair["value"])));
    let attributes: Attributes = pairs.collect();
    assert_eq!(attributes.len(), items(list).len(), "a key stands twice in {list}");
    attributes
}

fn otlp_value(value: &Value) -> Value {
    let (kind, content) = value.as_object().and_then(|object| object.iter().next()).expect("a value has a kind");
    match kind.as_str() {
        "stringValue" | "boolValue" | "doubleValue" => content.clone(),
        "intValue" => {
            let number = content.as_str().and_then(|text| text.parse::<i64>().ok());
            Value::from(number.unwrap_or_else(|| panic!("not a decimal string: {content}")))
        }
        "arrayValue" => items(&content["values"]).iter().map(otlp_value).collect(),
        _ => panic!("a value callspan never writes: {value}"),
    }
}
