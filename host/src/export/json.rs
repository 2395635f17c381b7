//! The OTLP/JSON text of a request, on one line (OTLP specification, "JSON Protobuf Encoding"): identifiers in
//! hexadecimal, enumerations as numbers, 64-bit integers as text, and default values left out.
//!
//! The `serde` support of `opentelemetry-proto` is not used for writing: it turns a double that is not finite into
//! `null`, where the encoding wants text, and it writes every empty field.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::fmt;

/// `{"resourceSpans":[…]}`, without a line break.
///
/// # Errors
/// None that is known: the text is written to memory, and every key is a string.
pub fn json(request: &ExportTraceServiceRequest) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Json(request))
}

/// Writes one message into memory, which cannot fail: every key is a string, and no value of ours refuses to be written.
pub(super) fn write(out: &mut Vec<u8>, message: &impl Written) {
    let written = serde_json::to_writer(out, &Json(message));
    debug_assert!(written.is_ok(), "a message of the protocol is JSON");
}

/// A message of the protocol that knows its fields.
pub(super) trait Written {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error>;
}

struct Json<'a, T>(&'a T);

impl<T: Written> Serialize for Json<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = Object(serializer.serialize_map(None)?);
        self.0.write(&mut object)?;
        object.0.end()
    }
}

struct List<'a, T>(&'a [T]);

impl<T: Written> Serialize for List<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(Json))
    }
}

impl Written for ExportTraceServiceRequest {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.always("resourceSpans", &List(&self.resource_spans))
    }
}

impl Written for ResourceSpans {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.message("resource", self.resource.as_ref())?;
        object.list("scopeSpans", &self.scope_spans)?;
        object.text("schemaUrl", &self.schema_url)
    }
}

impl Written for Resource {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.list("attributes", &self.attributes)?;
        object.number("droppedAttributesCount", self.dropped_attributes_count)
    }
}

impl Written for ScopeSpans {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.message("scope", self.scope.as_ref())?;
        object.list("spans", &self.spans)?;
        object.text("schemaUrl", &self.schema_url)
    }
}

impl Written for InstrumentationScope {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.text("name", &self.name)?;
        object.text("version", &self.version)?;
        object.list("attributes", &self.attributes)?;
        object.number("droppedAttributesCount", self.dropped_attributes_count)
    }
}

impl Written for Span {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.identifier("traceId", &self.trace_id)?;
        object.identifier("spanId", &self.span_id)?;
        object.text("traceState", &self.trace_state)?;
        object.identifier("parentSpanId", &self.parent_span_id)?;
        object.number("flags", self.flags)?;
        object.text("name", &self.name)?;
        object.always("kind", &self.kind)?;
        object.always("startTimeUnixNano", &AsText(self.start_time_unix_nano))?;
        object.always("endTimeUnixNano", &AsText(self.end_time_unix_nano))?;
        object.list("attributes", &self.attributes)?;
        object.number("droppedAttributesCount", self.dropped_attributes_count)?;
        object.list("events", &self.events)?;
        object.number("droppedEventsCount", self.dropped_events_count)?;
        object.list("links", &self.links)?;
        object.number("droppedLinksCount", self.dropped_links_count)?;
        object.message("status", self.status.as_ref())
    }
}

impl Written for Event {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.always("timeUnixNano", &AsText(self.time_unix_nano))?;
        object.text("name", &self.name)?;
        object.list("attributes", &self.attributes)?;
        object.number("droppedAttributesCount", self.dropped_attributes_count)
    }
}

impl Written for Link {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.identifier("traceId", &self.trace_id)?;
        object.identifier("spanId", &self.span_id)?;
        object.text("traceState", &self.trace_state)?;
        object.list("attributes", &self.attributes)?;
        object.number("droppedAttributesCount", self.dropped_attributes_count)?;
        object.number("flags", self.flags)
    }
}

impl Written for Status {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.text("message", &self.message)?;
        object.always("code", &self.code)
    }
}

impl Written for KeyValue {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.always("key", &self.key)?;
        object.message("value", self.value.as_ref())
    }
}

/// Key-value lists, bytes and references into a string table are never made here, and would be written as the empty
/// value.
impl Written for AnyValue {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        match &self.value {
            Some(Value::StringValue(text)) => object.always("stringValue", text)?,
            Some(Value::BoolValue(boolean)) => object.always("boolValue", boolean)?,
            Some(Value::IntValue(number)) => object.always("intValue", &AsText(*number))?,
            Some(Value::DoubleValue(number)) => object.always("doubleValue", &Double(*number))?,
            Some(Value::ArrayValue(array)) => object.always("arrayValue", &Json(array))?,
            Some(Value::KvlistValue(_) | Value::BytesValue(_) | Value::StringValueStrindex(_)) | None => {}
        }
        Ok(())
    }
}

/// The one list that is written even when it is empty: an array without elements is not the empty value.
impl Written for ArrayValue {
    fn write<M: SerializeMap>(&self, object: &mut Object<M>) -> Result<(), M::Error> {
        object.always("values", &List(&self.values))
    }
}

/// Not every reader of JSON has numbers of 64 bits.
struct AsText<T>(T);

impl<T: fmt::Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct Double(f64);

impl Serialize for Double {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            number if number.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            number => serializer.serialize_f64(number),
        }
    }
}

struct Hexadecimal<'a>(&'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// An object in the making, which leaves out what is empty.
pub(super) struct Object<M>(M);

impl<M: SerializeMap> Object<M> {
    fn always(&mut self, key: &str, value: &impl Serialize) -> Result<(), M::Error> {
        self.0.serialize_entry(key, value)
    }

    fn unless(&mut self, is_empty: bool, key: &str, value: &impl Serialize) -> Result<(), M::Error> {
        if is_empty { Ok(()) } else { self.always(key, value) }
    }

    fn message<T: Written>(&mut self, key: &str, message: Option<&T>) -> Result<(), M::Error> {
        message.map_or(Ok(()), |message| self.always(key, &Json(message)))
    }

    fn list<T: Written>(&mut self, key: &str, items: &[T]) -> Result<(), M::Error> {
        self.unless(items.is_empty(), key, &List(items))
    }

    fn text(&mut self, key: &str, text: &str) -> Result<(), M::Error> {
        self.unless(text.is_empty(), key, &AsText(text))
    }

    fn number(&mut self, key: &str, number: u32) -> Result<(), M::Error> {
        self.unless(number == 0, key, &number)
    }

    fn identifier(&mut self, key: &str, bytes: &[u8]) -> Result<(), M::Error> {
        self.unless(bytes.is_empty(), key, &AsText(Hexadecimal(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::{answered_call, attribute, scope};
    use crate::export::request;
    use crate::span;

    #[test]
    fn a_trace_reads_as_the_specification_says() {
        let mut trace = answered_call(1);
        trace.spans.truncate(2);
        if let Some(span) = trace.spans.get_mut(1) {
            span.status = span::Status::Error;
        }
        let text = json(&request(vec![trace], &scope())).expect("text can be written");
        assert_eq!(text, include_str!("fixtures/answered_call.json").trim_end());
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let request = request(vec![answered_call(1), answered_call(2)], &scope());
        let text = json(&request).expect("text can be written");
        let read: ExportTraceServiceRequest = serde_json::from_str(&text).expect("text can be read");
        assert_eq!(read, request);
    }

    #[test]
    fn every_kind_of_value_has_its_spelling() {
        let cases = [
            (span::Value::Text("\u{1b}\"".into()), r#"{"stringValue":"\u001b\""}"#),
            (span::Value::Boolean(false), r#"{"boolValue":false}"#),
            (span::Value::Integer(i64::MIN), r#"{"intValue":"-9223372036854775808"}"#),
            (span::Value::Double(0.5), r#"{"doubleValue":0.5}"#),
            (span::Value::Double(f64::NAN), r#"{"doubleValue":"NaN"}"#),
            (span::Value::Double(f64::INFINITY), r#"{"doubleValue":"Infinity"}"#),
            (span::Value::Double(f64::NEG_INFINITY), r#"{"doubleValue":"-Infinity"}"#),
            (span::Value::Texts(vec![]), r#"{"arrayValue":{"values":[]}}"#),
            (span::Value::Integers(vec![1, 2]), r#"{"arrayValue":{"values":[{"intValue":"1"},{"intValue":"2"}]}}"#),
        ];
        for (value, expected) in cases {
            let mut trace = answered_call(1);
            trace.spans.truncate(1);
            if let Some(root) = trace.spans.first_mut() {
                root.attributes = vec![attribute("key", value)];
            }
            let text = json(&request(vec![trace], &scope())).expect("text can be written");
            assert!(text.contains(&format!(r#""value":{expected}"#)), "{text}");
        }
    }
}
