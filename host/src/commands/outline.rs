//! The outline of a record: its names, and of each value what it is, not what it says.

use super::listing::on_one_line;
use serde_json::Value;

/// Names and kinds of values, indented; of what is no JSON, its length and where it cannot be read.
pub(super) fn outline(body: &[u8]) -> String {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match serde_json::from_slice::<Value>(body) {
        Ok(value) => {
            let mut text = String::new();
            write(&value, 0, &mut text);
            text
        }
        // The parser's words may quote the record, its place does not.
        Err(error) => {
            format!("no JSON: {} bytes, wrong at line {} column {}", body.len(), error.line(), error.column())
        }
    }
}

fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth + 1);
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
        Value::Number(_) => text.push_str("number"),
        Value::String(value) => text.push_str(&format!("text({})", value.chars().count())),
        Value::Array(values) if values.is_empty() => text.push_str("[]"),
        Value::Object(members) if members.is_empty() => text.push_str("{}"),
        Value::Array(values) => {
            text.push_str("[\n");
            for value in values {
                text.push_str(&indent);
                write(value, depth + 1, text);
                text.push('\n');
            }
            text.push_str(&"  ".repeat(depth));
            text.push(']');
        }
        Value::Object(members) => {
            text.push_str("{\n");
            for (name, value) in members {
                text.push_str(&format!("{indent}{}: ", on_one_line(&format!("{name:?}"))));
                write(value, depth + 1, text);
                text.push('\n');
            }
            text.push_str(&"  ".repeat(depth));
            text.push('}');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_told_by_what_they_are() {
        let body = r#"{"SessionId":"abc","Duration":17,"ok":true,"none":null,"list":[{"Mail":"a@b"},[]],"o":{}}"#;
        let expected = "{\n  \"Duration\": number\n  \"SessionId\": text(3)\n  \"list\": [\n    {\n      \"Mail\": text(3)\n    }\n    []\n  ]\n  \"none\": null\n  \"o\": {}\n  \"ok\": true\n}";
        assert_eq!(outline(body.as_bytes()), expected);
    }

    #[test]
    fn what_is_no_json_is_not_quoted() {
        assert_eq!(outline(b"{\"Caller\": +49"), "no JSON: 14 bytes, wrong at line 1 column 12");
    }
}
