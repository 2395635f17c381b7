//! The body of a log record as the bytes of a call record.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer};

/// The text of a body, or None if it is empty.
pub(super) fn text(body: AnyValue) -> Option<Bytes> {
    match body.value? {
        Value::StringValue(text) => Some(text.into()),
        Value::BytesValue(bytes) => Some(bytes.into()),
        // It refers to a table that only profiles have.
        Value::StringValueStrindex(_) => None,
        // It can always be written: its keys are text, and memory has room.
        value => serde_json::to_vec(&Json(&value)).ok().map(Bytes::from),
    }
}

/// A value as JSON: bytes as base64, what is not a number as null, and names in their order, repeated ones too.
struct Json<'v>(&'v Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::StringValue(text) => serializer.serialize_str(text),
            Value::BoolValue(truth) => serializer.serialize_bool(*truth),
            Value::IntValue(number) => serializer.serialize_i64(*number),
            Value::DoubleValue(number) => serializer.serialize_f64(*number),
            Value::BytesValue(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            Value::ArrayValue(list) => serializer.collect_seq(list.values.iter().map(json)),
            Value::KvlistValue(list) => {
                let mut map = serializer.serialize_map(Some(list.values.len()))?;
                for pair in &list.values {
                    map.serialize_entry(&pair.key, &pair.value.as_ref().and_then(json))?;
                }
                map.end()
            }
            Value::StringValueStrindex(_) => serializer.serialize_unit(),
        }
    }
}

fn json(value: &AnyValue) -> Option<Json<'_>> {
    value.value.as_ref().map(Json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValue, KeyValueList};

    fn any(value: Value) -> AnyValue {
        AnyValue { value: Some(value) }
    }

    fn written(value: Value) -> String {
        String::from_utf8(text(any(value)).expect("a text").to_vec()).expect("UTF-8")
    }

    #[test]
    fn text_and_bytes_are_kept_as_they_are() {
        assert_eq!(written(Value::StringValue(" {\n} ".to_owned())), " {\n} ");
        assert_eq!(text(any(Value::BytesValue(vec![0xff, 0]))).as_deref(), Some([0xff, 0].as_slice()));
    }

    #[test]
    fn a_map_is_written_as_json() {
        let pair = |key: &str, value| KeyValue { key: key.to_owned(), value, ..KeyValue::default() };
        let list = Value::ArrayValue(ArrayValue { values: vec![any(Value::IntValue(-1)), AnyValue::default()] });
        let map = Value::KvlistValue(KeyValueList {
            values: vec![
                pair("b", Some(any(Value::DoubleValue(1.5)))),
                pair("a\"", Some(any(list))),
                pair("b", Some(any(Value::BytesValue(vec![1, 2])))),
                pair("c", Some(any(Value::DoubleValue(f64::NAN)))),
                pair("d", None),
                pair("e", Some(any(Value::BoolValue(true)))),
            ],
        });
        assert_eq!(written(map), r#"{"b":1.5,"a\"":[-1,null],"b":"AQI=","c":null,"d":null,"e":true}"#);
    }

    #[test]
    fn a_scalar_is_its_text_and_nothing_is_nothing() {
        assert_eq!(written(Value::IntValue(7)), "7");
        assert_eq!(written(Value::BoolValue(false)), "false");
        assert_eq!(written(Value::DoubleValue(0.5)), "0.5");
        assert_eq!(text(AnyValue::default()), None);
        assert_eq!(text(any(Value::StringValueStrindex(1))), None);
    }
}
