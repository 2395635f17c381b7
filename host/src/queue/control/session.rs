//! Whether a record is one of a session, whatever maps it: it holds the session's id.

use crate::record::Record;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The id of a session, trimmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Session(String);

/// A text is no id of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a session is not empty, and has at most {ID_BYTES_MAX} bytes")]
pub struct NoSession;

const ID_BYTES_MAX: usize = 256;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl TryFrom<String> for Session {
    type Error = NoSession;

    fn try_from(text: String) -> Result<Self, NoSession> {
        let id = text.trim();
        if id.is_empty() || id.len() > ID_BYTES_MAX { Err(NoSession) } else { Ok(Session(id.to_owned())) }
    }
}

impl Session {
    /// As a value: a text that is the id, spaces around it aside, or a number that is spelled so. In what is no JSON, the
    /// id wherever it stands, unless it is a part of something longer.
    #[must_use]
    pub fn is_in(&self, record: &Record) -> bool {
        let body = record.body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&record.body);
        let id = self.0.as_bytes();
        // Nearly no record holds it: only an escape can hide it.
        let may_be_in_body = body.contains(&b'\\') || occurrences(body, id).next().is_some();
        record.metadata.iter().any(|(_, value)| value.trim() == self.0) || (may_be_in_body && self.is_in_body(body))
    }

    fn is_in_body(&self, body: &[u8]) -> bool {
        let id = self.0.as_bytes();
        if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
            return values(body).any(|value| value.trim() == self.0);
        }
        occurrences(body, id).any(|at| {
            let before = at.checked_sub(1).and_then(|before| body.get(before));
            let after = body.get(at + id.len());
            !before.is_some_and(is_of_an_id) && !after.is_some_and(is_of_an_id)
        })
    }
}

fn occurrences<'b>(body: &'b [u8], id: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    body.windows(id.len()).enumerate().filter(move |(_, window)| *window == id).map(|(at, _)| at)
}

fn is_of_an_id(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The texts and numbers in this JSON, but for names, as they are meant or spelled. A tree would lose the spelling of
/// numbers, and all but the last of equal names.
fn values(json: &[u8]) -> impl Iterator<Item = Cow<'_, str>> {
    let mut rest = json;
    std::iter::from_fn(move || {
        loop {
            let start = rest.iter().position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9'))?;
            let from = rest.get(start..)?;
            let (token, after) = from.split_at_checked(token_bytes(from))?;
            rest = after;
            let is_name = after.trim_ascii_start().first() == Some(&b':');
            if is_name {
                continue;
            }
            if let Some(raw) = token.strip_prefix(b"\"").and_then(|token| token.strip_suffix(b"\"")) {
                let text = serde_json::from_slice::<String>(token);
                return Some(text.map_or_else(|_| String::from_utf8_lossy(raw), Cow::Owned));
            }
            return Some(String::from_utf8_lossy(token));
        }
    })
}

/// How long the text or number is that these bytes begin with.
fn token_bytes(from: &[u8]) -> usize {
    if from.first() != Some(&b'"') {
        let is_part = |byte: &&u8| matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E' | b'0'..=b'9');
        return from.iter().take_while(is_part).count();
    }
    let mut is_escaped = false;
    let end = from.iter().skip(1).position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(from.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_in(id: &str, body: &[u8]) -> bool {
        let session = Session::try_from(id.to_owned()).expect("an id");
        session.is_in(&Record { body: body.to_vec().into(), metadata: Vec::new() })
    }

    #[test]
    fn a_value_that_is_the_id_is_found_however_it_is_written() {
        for body in [
            r#"{"SessionId":"a-1"}"#,
            r#"{"SessionId": " a-1 "}"#,
            "\u{feff}{\"SessionId\":\"a-1\"}",
            r#"{"SessionId":"\u0061-1"}"#,
            r#"{"SessionId":"a-1","SessionId":"b"}"#,
            r#"[{"x":[{"Call":"a-1"}]}]"#,
        ] {
            assert!(is_in("a-1", body.as_bytes()), "{body}");
        }
        assert!(is_in("12345678901234567890123", br#"{"SessionId":12345678901234567890123}"#));
        assert!(is_in(" 17 ", br#"{"SessionId": 17 }"#));
    }

    #[test]
    fn what_only_holds_it_is_left() {
        for body in [
            r#"{"SessionId":"a-12"}"#,
            r#"{"SessionId":"xa-1"}"#,
            r#"{"a-1":"b"}"#,
            r#"{"Remark":"about a-1"}"#,
            r#"{"x":"\"a-1\""}"#,
            "{}",
            "",
        ] {
            assert!(!is_in("a-1", body.as_bytes()), "{body}");
        }
        assert!(!is_in("17", br#"{"SessionId":17.0}"#) && !is_in("17", br#"{"SessionId":170}"#));
    }

    #[test]
    fn in_what_is_no_json_it_is_found_where_it_stands_alone() {
        for (body, expected) in [
            (r#"{"SessionId":"a-1""#, true),
            ("a-1", true),
            ("\u{e9}a-1\u{e9} {", true),
            (r#"{"SessionId":"a-12""#, false),
            (r#"{"SessionId":"_a-1""#, false),
            ("-a-1 {", false),
        ] {
            assert_eq!(is_in("a-1", body.as_bytes()), expected, "{body}");
        }
    }

    #[test]
    fn an_id_is_bounded() {
        assert!(Session::try_from("x".repeat(256)).is_ok());
        for wrong in [String::new(), "  ".to_owned(), "x".repeat(257)] {
            assert_eq!(Session::try_from(wrong), Err(NoSession));
        }
    }
}
