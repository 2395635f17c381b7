//! Whether a record is JSON at all. What it says is for the mapping to judge.

use crate::record::{Position, Rejection};
use serde::de::IgnoredAny;

/// Marks the byte order of a text, and stands before nothing that matters.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Checks the syntax (RFC 8259) and the encoding of a record.
///
/// # Errors
/// With where and why it is no JSON text; class `malformed`, codes as the mapping has them.
pub(super) fn check(body: &[u8]) -> Result<(), Rejection> {
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let before = body.get(..error.valid_up_to()).unwrap_or_default();
            let message = "the text is not valid UTF-8".to_owned();
            return Err(rejection("invalid_encoding", message, position_after(before)));
        }
    };
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = error.to_string();
            let words = message.split_once(" at line ").map_or(message.as_str(), |(words, _)| words).to_owned();
            let (line, column) = (error.line().max(1), error.column().max(1));
            Err(rejection("not_json", words, Position { line: line as u64, column: column as u64 }))
        }
    }
}

fn rejection(code: &str, words: String, position: Position) -> Rejection {
    let Position { line, column } = position;
    Rejection {
        class: "malformed".to_owned(),
        code: code.to_owned(),
        path: None,
        message: format!("{words} at line {line} column {column}"),
        position: Some(position),
    }
}

/// The place of the byte that follows these.
fn position_after(before: &[u8]) -> Position {
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let last = before.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    let column = String::from_utf8_lossy(last).chars().count() + 1;
    Position { line: line as u64, column: column as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &[u8]) -> (String, Option<Position>, String) {
        let rejection = check(body).expect_err("it is no JSON");
        assert_eq!((rejection.class.as_str(), rejection.path), ("malformed", None));
        (rejection.code, rejection.position, rejection.message)
    }

    #[test]
    fn what_is_json_is_good_whatever_it_says() {
        for body in ["{}", "[1]", "5", "null", " {\"a\": 1e400} ", "\u{feff}{}", r#"{"a":"\ud800"}"#] {
            assert_eq!(check(body.as_bytes()), Ok(()), "{body}");
        }
        let deep = [vec![b'['; 120], vec![b']'; 120]].concat();
        assert_eq!(check(&deep), Ok(()));
    }

    #[test]
    fn what_is_not_is_refused_with_its_place() {
        let at = |line, column| Some(Position { line, column });
        let (code, position, message) = refusal(b"{\n  \"a\": 1\n  \"b\": 2}");
        assert_eq!((code.as_str(), position), ("not_json", at(3, 3)));
        assert_eq!(message, "expected `,` or `}` at line 3 column 3");
        assert_eq!(refusal(b"").0, "not_json");
        assert_eq!(refusal(b"{} {}").1, at(1, 4));
        assert_eq!(refusal(b"{\"a\": \"\xff\"}").0, "invalid_encoding");
        assert_eq!(refusal(b"{\n\"\xc3\xa9\": \"\xff\"}").1, at(2, 7));
        let deep = vec![b'['; 100_000];
        assert_eq!(refusal(&deep).0, "not_json");
    }
}
