//! Why a record cannot become a trace. No message quotes the record: only positions and names of fields.

use crate::bindings::Rejection;
use crate::json::{Malformed, Problem};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The body is larger than the limit, in bytes.
    BodyTooLarge {
        limit: usize,
    },
    InvalidUtf8 {
        place: Place,
    },
    NotJson {
        expected: &'static str,
        place: Place,
    },
    TooDeep {
        limit: usize,
        place: Place,
    },
    NotAnObject,
    SessionIdMissing,
    SessionIdNotText,
    SessionIdTooLong {
        limit: usize,
    },
    NoTime,
}

/// A position in a text, both counted from 1; a column is a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    line: usize,
    column: usize,
}

impl Place {
    /// The position of a byte. Bytes that are not UTF-8 count as one character each.
    pub(crate) fn of(body: &[u8], at: usize) -> Place {
        let before = body.get(..at).unwrap_or(body);
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let in_line = before.get(line_start..).unwrap_or_default();
        Place {
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
            column: 1 + String::from_utf8_lossy(in_line).chars().count(),
        }
    }
}

impl Refusal {
    pub(crate) fn malformed(malformed: Malformed, body: &[u8], body_start: usize, depth_max: usize) -> Refusal {
        let place = Place::of(body, body_start + malformed.at);
        match malformed.problem {
            Problem::Expected(expected) => Refusal::NotJson { expected, place },
            Problem::TooDeep => Refusal::TooDeep { limit: depth_max, place },
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Rejection {
        let at = |Place { line, column }: Place| format!("at line {line} column {column}");
        let (class, code, path, message) = match refusal {
            Refusal::BodyTooLarge { limit } => {
                ("policy", "body_too_large", None, format!("the record is larger than {limit} bytes"))
            }
            Refusal::InvalidUtf8 { place } => {
                ("malformed", "invalid_encoding", None, format!("the text is not UTF-8 {}", at(place)))
            }
            Refusal::NotJson { expected, place } => {
                ("malformed", "not_json", None, format!("expected {expected} {}", at(place)))
            }
            Refusal::TooDeep { limit, place } => (
                "malformed",
                "too_deep",
                None,
                format!("more than {limit} arrays and objects inside each other {}", at(place)),
            ),
            Refusal::NotAnObject => ("malformed", "not_an_object", None, "a record is a JSON object".to_owned()),
            Refusal::SessionIdMissing => {
                ("incomplete", "incomplete", Some("SessionId"), "the record has no session id".to_owned())
            }
            Refusal::SessionIdNotText => (
                "incomplete",
                "incomplete",
                Some("SessionId"),
                "the session id is neither text nor a number".to_owned(),
            ),
            Refusal::SessionIdTooLong { limit } => {
                ("incomplete", "incomplete", Some("SessionId"), format!("the session id is longer than {limit} bytes"))
            }
            Refusal::NoTime => (
                "incomplete",
                "no_time",
                None,
                "no timestamp of the record is valid, so it has no place in time".to_owned(),
            ),
        };
        Rejection { class: class.to_owned(), code: code.to_owned(), path: path.map(str::to_owned), message }
    }
}
