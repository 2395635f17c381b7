//! What is answered: always JSON, `{"ErrCode":0,"ErrMsg":"ok"}` when all is well, else with the HTTP status as its
//! `ErrCode`. The vendor looks at the code, everybody else at the status.

use super::refusal::Refusal;
use crate::queue::Settlement;
use crate::record::Rejection;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::time::Duration;

/// A body may hold thousands of broken records; a sender can do with the first of them.
const REFUSED_SHOWN_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    content: Content,
}

#[derive(Debug, Serialize)]
struct Content {
    #[serde(rename = "ErrCode")]
    code: u16,
    #[serde(rename = "ErrMsg")]
    message: String,
    /// The refused records of a body that holds several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Refused {
    index: usize,
    code: String,
    message: String,
}

impl Reply {
    pub(super) fn ok() -> Self {
        Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            content: Content { code: 0, message: "ok".to_owned(), records: Vec::new() },
        }
    }

    pub(super) fn refused(refusal: &Refusal) -> Self {
        let mut reply = Self::error(refusal.status(), refusal.to_string());
        reply.headers.extend(refusal.header());
        reply
    }

    fn error(status: StatusCode, message: String) -> Self {
        Self {
            status,
            headers: HeaderMap::new(),
            content: Content { code: status.as_u16(), message, records: Vec::new() },
        }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&self.content).expect("its keys are strings and its values can be written");
        let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        (self.status, self.headers, [json], text).into_response()
    }
}

/// What became of the records of one body, added up into one answer.
pub(super) struct Tally {
    records: usize,
    refused: Vec<(usize, Rejection)>,
    retry_after: Option<Duration>,
}

impl Tally {
    pub(super) fn of(records: usize) -> Self {
        Self { records, refused: Vec::new(), retry_after: None }
    }

    pub(super) fn add(&mut self, index: usize, settlement: Settlement) {
        match settlement {
            Settlement::Acknowledged => {}
            Settlement::RetryAfter(delay) => self.retry_after(delay),
            Settlement::Rejected(rejection) => self.refused.push((index, rejection)),
        }
    }

    pub(super) fn retry_after(&mut self, delay: Duration) {
        self.retry_after = self.retry_after.max(Some(delay));
    }

    /// If anything is to be sent again, then the whole body: what is stored twice becomes the same trace. Only when all
    /// is settled are refusals told.
    pub(super) fn reply(self) -> Reply {
        if let Some(delay) = self.retry_after {
            let mut reply = Reply::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "not everything could be stored for now; send the whole body again later".to_owned(),
            );
            reply.headers.insert(header::RETRY_AFTER, whole_seconds(delay).into());
            return reply;
        }
        let Some((_, first)) = self.refused.first() else {
            return Reply::ok();
        };
        let is_malformed = self.refused.iter().all(|(_, rejection)| rejection.class == "malformed");
        let status = if is_malformed { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
        if self.records == 1 {
            return Reply::error(status, first.message.clone());
        }
        let message = format!("{} of {} records are refused, the others are stored", self.refused.len(), self.records);
        let mut reply = Reply::error(status, message);
        let shown = self.refused.into_iter().take(REFUSED_SHOWN_MAX);
        reply.content.records =
            shown.map(|(index, Rejection { code, message, .. })| Refused { index, code, message }).collect();
        reply
    }
}

/// At least one, and never less than asked for.
fn whole_seconds(delay: Duration) -> u64 {
    delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(class: &str) -> Settlement {
        Settlement::Rejected(Rejection {
            class: class.to_owned(),
            code: "code".to_owned(),
            path: None,
            message: "message".to_owned(),
            position: None,
        })
    }

    fn reply(settlements: impl IntoIterator<Item = Settlement>) -> Reply {
        let settlements: Vec<_> = settlements.into_iter().collect();
        let mut tally = Tally::of(settlements.len());
        settlements.into_iter().enumerate().for_each(|(index, settlement)| tally.add(index, settlement));
        tally.reply()
    }

    #[test]
    fn the_longest_delay_counts_and_is_rounded_up() {
        let delays = [0, 1_500, 900].map(|delay| Settlement::RetryAfter(Duration::from_millis(delay)));
        assert_eq!(reply(delays).headers.get("retry-after"), Some(&HeaderValue::from_static("2")));
        assert_eq!(
            reply([Settlement::RetryAfter(Duration::ZERO)]).headers.get("retry-after"),
            Some(&HeaderValue::from_static("1"))
        );
        assert_eq!(whole_seconds(Duration::MAX), u64::MAX);
    }

    #[test]
    fn what_is_to_be_sent_again_outweighs_what_is_refused() {
        assert_eq!(
            reply([rejection("malformed"), Settlement::RetryAfter(Duration::ZERO)]).status,
            StatusCode::SERVICE_UNAVAILABLE
        );
    }

    #[test]
    fn only_if_all_that_is_refused_is_malformed_it_is_a_bad_request() {
        assert_eq!(reply([rejection("malformed"), Settlement::Acknowledged]).status, StatusCode::BAD_REQUEST);
        assert_eq!(reply([rejection("malformed"), rejection("incomplete")]).status, StatusCode::UNPROCESSABLE_ENTITY);
    }

    #[test]
    fn a_long_list_is_cut() {
        let reply = reply((0..=REFUSED_SHOWN_MAX).map(|_| rejection("malformed")));
        assert_eq!(reply.content.records.len(), REFUSED_SHOWN_MAX);
        assert_eq!(reply.content.message, "101 of 101 records are refused, the others are stored");
    }
}
