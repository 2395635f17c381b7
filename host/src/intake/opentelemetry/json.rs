//! Reads the bodies of log records out of a request in OTLP/JSON, and nothing else: what is not used cannot be wrong.
//!
//! The messages of `opentelemetry-proto` can be read from JSON too, but refuse a request for a value of a kind that is
//! newer than they are, or for an identifier of no interest. Protocol buffers' mapping to JSON allows much
//! ([ProtoJSON](https://protobuf.dev/programming-guides/json/)): names in either spelling, null for what is missing,
//! numbers as text, base64 of either alphabet.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::fmt;

/// The body of each log record, in order.
///
/// # Errors
/// When it is not JSON, or not a request.
pub(super) fn bodies(request: &[u8]) -> serde_json::Result<Vec<Option<AnyValue>>> {
    let request: Request = serde_json::from_slice(request)?;
    let scopes = request.resource_logs.into_iter().flatten().flat_map(|resource| resource.scope_logs).flatten();
    let records = scopes.flat_map(|scope| scope.log_records).flatten();
    Ok(records.map(|record| record.body.map(|Any(body)| body)).collect())
}

#[derive(Deserialize)]
struct Request {
    #[serde(default, rename = "resourceLogs", alias = "resource_logs")]
    resource_logs: Option<Vec<ResourceLogs>>,
}

#[derive(Deserialize)]
struct ResourceLogs {
    #[serde(default, rename = "scopeLogs", alias = "scope_logs")]
    scope_logs: Option<Vec<ScopeLogs>>,
}

#[derive(Deserialize)]
struct ScopeLogs {
    #[serde(default, rename = "logRecords", alias = "log_records")]
    log_records: Option<Vec<LogRecord>>,
}

#[derive(Deserialize)]
struct LogRecord {
    #[serde(default)]
    body: Option<Any>,
}

struct Any(AnyValue);

#[derive(Deserialize)]
struct List<T> {
    #[serde(default = "Option::default")]
    values: Option<Vec<T>>,
}

#[derive(Deserialize)]
struct Pair {
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    value: Option<Any>,
}

/// A number, or the text of one.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Integer(i64),
    Double(f64),
    Text(String),
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Any;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a value")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Any, M::Error> {
                let mut value = None;
                while let Some(name) = members.next_key::<String>()? {
                    let known = match name.as_str() {
                        "stringValue" | "string_value" => members.next_value::<Option<_>>()?.map(Value::StringValue),
                        "boolValue" | "bool_value" => members.next_value::<Option<_>>()?.map(Value::BoolValue),
                        "intValue" | "int_value" => members.next_value::<Option<_>>()?.map(integer).transpose()?,
                        "doubleValue" | "double_value" => members.next_value::<Option<_>>()?.map(double).transpose()?,
                        "bytesValue" | "bytes_value" => members.next_value::<Option<_>>()?.map(bytes).transpose()?,
                        "arrayValue" | "array_value" => members.next_value::<Option<_>>()?.map(array),
                        "kvlistValue" | "kvlist_value" => members.next_value::<Option<_>>()?.map(map),
                        _ => {
                            members.next_value::<IgnoredAny>()?;
                            None
                        }
                    };
                    value = known.or(value);
                }
                Ok(Any(AnyValue { value }))
            }
        }

        deserializer.deserialize_map(Members)
    }
}

fn integer<E: Error>(number: Number) -> Result<Value, E> {
    let number = match number {
        Number::Integer(number) => Some(number),
        Number::Text(text) => text.parse().ok(),
        Number::Double(_) => None,
    };
    number.map(Value::IntValue).ok_or_else(|| E::custom("not a 64-bit integer"))
}

#[expect(clippy::cast_precision_loss, reason = "an integer stands for the double next to it")]
fn double<E: Error>(number: Number) -> Result<Value, E> {
    let number = match number {
        Number::Integer(number) => Some(number as f64),
        Number::Double(number) => Some(number),
        Number::Text(text) => text.parse().ok(),
    };
    number.map(Value::DoubleValue).ok_or_else(|| E::custom("not a number"))
}

fn bytes<E: Error>(text: String) -> Result<Value, E> {
    let standard = STANDARD_PAD_INDIFFERENT.decode(&text);
    let bytes = standard.or_else(|_| URL_SAFE_PAD_INDIFFERENT.decode(&text));
    bytes.map(Value::BytesValue).map_err(|_| E::custom("not base64"))
}

fn array(list: List<Any>) -> Value {
    let values = list.values.into_iter().flatten().map(|Any(value)| value);
    Value::ArrayValue(ArrayValue { values: values.collect() })
}

fn map(list: List<Pair>) -> Value {
    let values = list.values.into_iter().flatten().map(|pair| KeyValue {
        key: pair.key.unwrap_or_default(),
        value: pair.value.map(|Any(value)| value),
        ..KeyValue::default()
    });
    Value::KvlistValue(KeyValueList { values: values.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::opentelemetry::value::text;
    use proptest::prelude::*;

    /// The text of each body.
    fn texts(request: &str) -> Vec<Option<String>> {
        let bodies = bodies(request.as_bytes()).expect("a request");
        let text = |body: Option<AnyValue>| text(body?).map(|text| String::from_utf8_lossy(&text).into_owned());
        bodies.into_iter().map(text).collect()
    }

    fn body(value: &str) -> Option<String> {
        texts(&format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#)).remove(0)
    }

    /// As the Collector's `otlphttp` exporter writes it, and with what nobody knows yet.
    #[test]
    fn only_bodies_are_read() {
        let request = r#"{"resourceLogs":[
            {"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"x"}}]},"schemaUrl":"",
             "scopeLogs":[
               {"scope":{},"logRecords":[
                 {"timeUnixNano":"1544712660300000000","observedTimeUnixNano":1544712660300000000,"severityNumber":9,
                  "body":{"stringValue":"{\"a\":1}"},"attributes":[{"key":"n","value":{"newValue":[1]}}],
                  "flags":1,"traceId":"5b8efff798038103d269b633813fc60c","spanId":"not hexadecimal","future":{"x":[]}},
                 {"body":null},{}]},
               {"logRecords":null}]},
            {"scope_logs":[{"log_records":[{"body":{"string_value":"b"}}]}]}]}"#;
        assert_eq!(texts(request), [Some(r#"{"a":1}"#.to_owned()), None, None, Some("b".to_owned())]);
        for empty in ["{}", r#"{"resourceLogs":null}"#, r#"{"resourceLogs":[{}]}"#] {
            assert_eq!(texts(empty), []);
        }
    }

    #[test]
    fn every_kind_of_value_is_read_as_senders_write_it() {
        for (value, expected) in [
            (r#"{"intValue":"-7"}"#, "-7"),
            (r#"{"intValue":7}"#, "7"),
            (r#"{"doubleValue":7}"#, "7.0"),
            (r#"{"doubleValue":"1.5"}"#, "1.5"),
            (r#"{"doubleValue":"NaN"}"#, "null"),
            (r#"{"boolValue":true}"#, "true"),
            (r#"{"bytesValue":"eyJhIjoxfQ=="}"#, r#"{"a":1}"#),
            (r#"{"bytesValue":"eyJhIjoxfQ"}"#, r#"{"a":1}"#),
            (r#"{"bytesValue":"Pj4-Pz8_"}"#, ">>>???"),
            (r#"{"arrayValue":{"values":[{"intValue":1},{}]}}"#, "[1,null]"),
            (
                r#"{"kvlistValue":{"values":[{"key":"a","value":{"arrayValue":{}}},{"key":"b"}]}}"#,
                r#"{"a":[],"b":null}"#,
            ),
            (r#"{"unknownKind":{"a":[1]},"stringValue":"x","stringValue2":null}"#, "x"),
        ] {
            assert_eq!(body(value).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(body(r#"{"unknownKind":1}"#), None);
        assert_eq!(body(r#"{"stringValue":null}"#), None);
    }

    #[test]
    fn what_is_no_request_is_an_error() {
        let deep = format!(r#"{{"resourceLogs":{}"#, "[".repeat(100_000));
        for request in ["", "1", "{}}", r#"{"resourceLogs":{}}"#, r#"{"resourceLogs":[null]}"#, deep.as_str()] {
            assert!(bodies(request.as_bytes()).is_err());
        }
        for value in
            [r#""x""#, r#"{"intValue":1.5}"#, r#"{"intValue":"x"}"#, r#"{"bytesValue":"!"}"#, r#"{"boolValue":1}"#]
        {
            let request = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#);
            assert!(bodies(request.as_bytes()).is_err(), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_break_it(tokens in prop::collection::vec(prop::sample::select(vec![
            "{", "}", "[", "]", ":", ",", "\"resourceLogs\"", "\"scopeLogs\"", "\"logRecords\"", "\"body\"",
            "\"kvlistValue\"", "\"values\"", "\"intValue\"", "\"\u{e9}\"", "1", "1e400", "-", "null",
        ]), 0..60)) {
            let _ = bodies(tokens.concat().as_bytes());
        }
    }
}
