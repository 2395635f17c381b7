//! A raw record, and why it may be refused. The record's bytes are what is kept; everything else can be made again from
//! them.

use bytes::Bytes;
use serde::Serialize;

/// A record as it was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub body: Bytes,
    /// What the intake knows and a mapping may use: never a clock reading, a push identifier or a credential.
    pub metadata: Vec<(String, String)>,
}

/// Why a record became no trace. Only `class` and `code` may reach a log or a metric: the rest may quote the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// `malformed`, `incomplete`, `unsupported` or `policy` as a mapping says it; `plugin` when the plugin failed;
    /// `backend` when the backend refused the trace.
    pub class: String,
    /// `[a-z_]{1,64}`, stable.
    pub code: String,
    /// The field concerned.
    pub path: Option<String>,
    /// A lower-case fragment for a person.
    pub message: String,
    /// The place in the record that the message names.
    #[serde(skip)]
    pub position: Option<Position>,
}

/// A place in a record, counted from the record's own beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: u64,
    /// In characters, counted from 1.
    pub column: u64,
}

impl Position {
    /// The place that a refusal's message ends with, if it does: ` at line L column C`.
    #[must_use]
    pub fn named_by(message: &str) -> Option<Self> {
        Self::split_off(message).map(|(_, position)| position)
    }

    /// The message without the place that it ends with, and that place.
    #[must_use]
    pub fn split_off(message: &str) -> Option<(&str, Self)> {
        let (words, place) = message.rsplit_once(" at line ")?;
        let (line, column) = place.split_once(" column ")?;
        Some((words, Self { line: counted(line)?, column: counted(column)? }))
    }
}

/// Digits alone: no sign, and not zero.
fn counted(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| is_number && *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_from_the_end_of_a_message() {
        let position = Position { line: 10, column: 1 };
        assert_eq!(Position::split_off("expected `,` at line 10 column 1"), Some(("expected `,`", position)));
        assert_eq!(Position::named_by("what is at line 2 column 3 is said again at line 10 column 1"), Some(position));
    }

    #[test]
    fn what_only_looks_like_a_place_is_none() {
        for message in [
            "",
            "at line 1 column 2",
            "x at line 1",
            "x at line 1 column ",
            "x at line 1 column 2.",
            "x at line 0 column 2",
            "x at line 1 column 0",
            "x at line +1 column 2",
            "x at line -1 column 2",
            "x at line 1 column 2 and more",
            "x at line 99999999999999999999 column 1",
        ] {
            assert_eq!(Position::named_by(message), None, "{message}");
        }
    }
}
