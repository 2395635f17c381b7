//! What is answered: always JSON, `{"ErrCode":0,"ErrMsg":"ok"}` when all is well, else with the HTTP status as its
//! `ErrCode`. The vendor looks at the code, everybody else at the status.
//!
//! ```json
//! {"ErrCode":422,"ErrMsg":"1 of 2 records are refused, the others are stored","code":"records_refused",
//!  "records":[{"index":1,"code":"not_json","line":2,"column":17,"message":"expected `,` at line 2 column 17"}]}
//! ```
//!
//! `code` is stable and names what is wrong with the request. `records` has a verdict for each record that was not
//! taken, with the place in the body, inflated if it was compressed: both counted from 1, a column is a byte. It is
//! where the record is wrong, or where it begins if nobody knows better.

use super::auth::TokenAnswer;
use super::place::in_body;
use super::refusal::Refusal;
use crate::intake::postponed::{Postponed, Why};
use crate::intake::split::Found;
use crate::intake::store::{Fate, RETRY_AFTER};
use crate::record::{Position, Rejection};
use axum::body::{Body, Bytes};
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

/// A body may hold thousands of broken records; a sender can do with the first of them.
const VERDICTS_MAX: usize = 100;

const OK: &[u8] = br#"{"ErrCode":0,"ErrMsg":"ok"}"#;
const JSON: HeaderValue = HeaderValue::from_static("application/json");

#[derive(Debug)]
pub(super) enum Reply {
    Ok,
    /// To who asked for a token, in the words of that protocol.
    Token(TokenAnswer),
    Error(Box<Error>),
}

#[derive(Debug)]
pub(super) struct Error {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    content: Content,
}

/// What an error says.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Content {
    /// The HTTP status.
    #[serde(rename = "ErrCode")]
    status: u16,
    /// What is wrong, for a person.
    #[serde(rename = "ErrMsg")]
    message: String,
    /// What is wrong, for a program.
    code: &'static str,
    /// On the records that were not taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Verdict>,
    /// Verdicts that are left out.
    #[serde(skip_serializing_if = "is_zero")]
    records_omitted: usize,
}

/// On a record that was not taken.
#[derive(Debug, JsonSchema, Serialize)]
struct Verdict {
    /// The record's place among those of the body, counted from 0.
    index: usize,
    /// What is wrong, for a program.
    code: String,
    /// Of the body, counted from 1.
    line: u64,
    /// In bytes, counted from 1.
    column: u64,
    /// What is wrong, for a person.
    message: String,
}

impl Reply {
    /// The code of a reply that refuses records and takes the request.
    pub(super) const RECORDS_REFUSED: &'static str = "records_refused";

    pub(super) fn refused(refusal: &Refusal) -> Self {
        Self::refused_with(refusal, Verdicts::default())
    }

    fn refused_with(refusal: &Refusal, verdicts: Verdicts) -> Self {
        Self::error(refusal.status(), refusal.headers(), refusal.to_string(), refusal.code(), verdicts)
    }

    /// If anything is to be sent again, then the whole body: what is stored twice becomes the same trace. Only when all
    /// is settled, and nothing is to be sent again, is it said that something is refused for good.
    pub(super) fn to_records(records: &[Found], fates: Vec<Fate>) -> Self {
        let mut verdicts = Verdicts::default();
        let (mut is_malformed, mut postponed) = (true, None);
        for (index, (found, fate)) in records.iter().zip(fates).enumerate() {
            match fate {
                Fate::Stored => {}
                Fate::Postponed(more) => {
                    postponed = Some(postponed.map_or(more, |so_far: Postponed| so_far.and(more)));
                    verdicts.add(|| Verdict::not_stored(index, found));
                }
                Fate::Rejected(rejection) => {
                    is_malformed &= rejection.class == "malformed";
                    verdicts.add(|| Verdict::rejected(index, found, rejection));
                }
            }
        }
        match (postponed, verdicts.count) {
            (Some(postponed), _) => Self::refused_with(&postponed.into(), verdicts),
            (None, 0) => Self::Ok,
            (None, refused) => {
                let status = if is_malformed { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
                let message = match verdicts.shown.first() {
                    Some(only) if records.len() == 1 => only.message.clone(),
                    _ => format!("{refused} of {} records are refused, the others are stored", records.len()),
                };
                Self::error(status, Vec::new(), message, Self::RECORDS_REFUSED, verdicts)
            }
        }
    }

    /// One of each reply to a body of which records are not taken. Only who waits for the sinks hears what they say.
    pub(super) fn each_to_records(waits_for_sinks: bool) -> Vec<Self> {
        let rejected = |class: &str, message: &str| {
            let (class, code) = (class.to_owned(), class.to_owned());
            Fate::Rejected(Rejection { class, code, path: None, message: message.to_owned(), position: None })
        };
        let malformed = rejected("malformed", "expected `,` or `}`");
        let incomplete = waits_for_sinks.then(|| rejected("incomplete", "the record has no SessionId"));
        let postponed = Why::OF_RECORDS.map(|why| Fate::Postponed(Postponed { why, retry_after: RETRY_AFTER }));
        let found = [Found { index: 0, line: 1, column: 1, body: None }];
        let fates = std::iter::once(malformed).chain(postponed).chain(incomplete);
        fates.map(|fate| Self::to_records(&found, vec![fate])).collect()
    }

    fn error(
        status: StatusCode,
        headers: Vec<(HeaderName, HeaderValue)>,
        message: String,
        code: &'static str,
        verdicts: Verdicts,
    ) -> Self {
        let records_omitted = verdicts.count - verdicts.shown.len();
        let content = Content { status: status.as_u16(), message, code, records: verdicts.shown, records_omitted };
        Self::Error(Box::new(Error { status, headers, content }))
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Ok => StatusCode::OK,
            Self::Token(answer) => answer.status(),
            Self::Error(error) => error.status,
        }
    }

    /// What is wrong, unless nothing is.
    pub(super) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Ok => None,
            Self::Token(answer) => answer.code(),
            Self::Error(error) => Some(error.content.code),
        }
    }

    /// How many records are not taken, each by itself.
    pub(super) fn refused_records(&self) -> usize {
        match self {
            Self::Error(error) => error.content.records.len() + error.content.records_omitted,
            Self::Ok | Self::Token(_) => 0,
        }
    }

    /// What it says of that, for a person.
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Error(error) => &error.content.message,
            Self::Ok | Self::Token(_) => "",
        }
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let (text, more) = match self {
            Self::Ok => (Bytes::from_static(OK), Vec::new()),
            Self::Token(answer) => return answer.into_response(),
            Self::Error(error) => {
                let text =
                    serde_json::to_vec(&error.content).expect("its keys are strings and its values can be written");
                (text.into(), error.headers)
            }
        };
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, JSON);
        response.headers_mut().extend(more);
        response
    }
}

/// The first of them, and how many there are.
#[derive(Debug, Default)]
struct Verdicts {
    shown: Vec<Verdict>,
    count: usize,
}

impl Verdicts {
    fn add(&mut self, verdict: impl FnOnce() -> Verdict) {
        self.count += 1;
        if self.shown.len() < VERDICTS_MAX {
            self.shown.push(verdict());
        }
    }
}

const NOT_STORED: &str = "not_stored";

impl Verdict {
    fn not_stored(index: usize, found: &Found) -> Self {
        let message = "not stored for now; send the whole body again later".to_owned();
        Self { index, code: NOT_STORED.to_owned(), line: found.line, column: found.column, message }
    }

    fn rejected(index: usize, found: &Found, rejection: Rejection) -> Self {
        let Rejection { code, message, position, .. } = rejection;
        let Some(position) = position else {
            return Self { index, code, line: found.line, column: found.column, message };
        };
        let Position { line, column } = in_body(found, position);
        let message = match Position::split_off(&message) {
            Some((words, _)) => format!("{words} at line {line} column {column}"),
            None => message,
        };
        Self { index, code, line, column, message }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn rejection(class: &str, message: &str) -> Fate {
        Fate::Rejected(Rejection {
            class: class.to_owned(),
            code: "code".to_owned(),
            path: None,
            message: message.to_owned(),
            position: Position::named_by(message),
        })
    }

    fn retry_after(milliseconds: u64) -> Fate {
        Fate::Postponed(Postponed { why: Why::NotStored, retry_after: Duration::from_millis(milliseconds) })
    }

    fn full(seconds: u64) -> Fate {
        Fate::Postponed(Postponed { why: Why::QueueFull, retry_after: Duration::from_secs(seconds) })
    }

    fn reply(fates: impl IntoIterator<Item = Fate>) -> Reply {
        let fates: Vec<_> = fates.into_iter().collect();
        let found = Found { index: 0, line: 1, column: 1, body: Some(Bytes::from_static(b"{}")) };
        Reply::to_records(&vec![found; fates.len()], fates)
    }

    fn error(fates: impl IntoIterator<Item = Fate>) -> Error {
        match reply(fates) {
            Reply::Error(error) => *error,
            Reply::Ok | Reply::Token(_) => unreachable!("something is wrong"),
        }
    }

    fn delay(fates: impl IntoIterator<Item = Fate>) -> Option<String> {
        let (name, value) = error(fates).headers.into_iter().next()?;
        assert_eq!(name, "retry-after");
        value.to_str().ok().map(str::to_owned)
    }

    #[test]
    fn the_longest_delay_counts_and_is_rounded_up() {
        assert_eq!(delay([0, 1_500, 900].map(retry_after)).as_deref(), Some("2"));
        assert_eq!(delay([retry_after(0)]).as_deref(), Some("1"));
        assert_eq!(delay([retry_after(7_000), full(5)]).as_deref(), Some("7"));
        assert_eq!(delay([retry_after(1_000), full(5), retry_after(0)]).as_deref(), Some("5"));
    }

    #[test]
    fn what_is_to_be_sent_again_outweighs_what_is_refused() {
        let again = error([rejection("malformed", ""), retry_after(0)]);
        assert_eq!((again.status, again.content.code), (StatusCode::SERVICE_UNAVAILABLE, "not_stored"));
        let full = error([rejection("malformed", ""), retry_after(0), full(5)]);
        assert_eq!((full.status, full.content.code), (StatusCode::TOO_MANY_REQUESTS, "queue_full"));
        let codes: Vec<_> = full.content.records.iter().map(|verdict| verdict.code.as_str()).collect();
        assert_eq!(codes, ["code", "not_stored", "not_stored"]);
    }

    #[test]
    fn only_if_all_that_is_refused_is_malformed_it_is_a_bad_request() {
        assert_eq!(reply([rejection("malformed", ""), Fate::Stored]).status(), StatusCode::BAD_REQUEST);
        let mixed = [rejection("malformed", ""), rejection("incomplete", "")];
        assert_eq!(reply(mixed).status(), StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn a_long_list_is_cut() {
        let whole = error((0..VERDICTS_MAX).map(|_| rejection("malformed", "")));
        assert_eq!((whole.content.records.len(), whole.content.records_omitted), (VERDICTS_MAX, 0));
        let cut = error((0..=VERDICTS_MAX).map(|_| rejection("malformed", "")));
        assert_eq!((cut.content.records.len(), cut.content.records_omitted), (VERDICTS_MAX, 1));
        assert_eq!(cut.content.message, "101 of 101 records are refused, the others are stored");
    }

    #[test]
    fn a_message_names_the_place_in_the_body() {
        let found = Found { index: 0, line: 2, column: 3, body: Some(Bytes::from_static(b"{x}")) };
        let Reply::Error(error) = Reply::to_records(&[found], vec![rejection("malformed", "no at line 1 column 2")])
        else {
            unreachable!("it is refused");
        };
        assert_eq!(
            serde_json::to_string(&error.content).expect("JSON"),
            concat!(
                r#"{"ErrCode":400,"ErrMsg":"no at line 2 column 4","code":"records_refused","records":["#,
                r#"{"index":0,"code":"code","line":2,"column":4,"message":"no at line 2 column 4"}]}"#
            )
        );
    }
}
