//! One request: whether it is for us, what is in it, and what became of each record.

use super::refusal::Refusal;
use super::reply::{Reply, Tally};
use super::{Append, Counters, Settings};
use crate::intake::body;
use crate::intake::split::Records;
use crate::queue::Settlement;
use crate::record::Record;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Method, Uri};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// What every request is held against.
pub(super) struct Intake<Q> {
    pub(super) queue: Arc<Q>,
    pub(super) settings: Settings,
    pub(super) counters: Arc<Counters>,
}

/// What a push is about, told by the query's `action`.
enum Action {
    CallRecord,
    /// Known, but nothing that becomes a trace.
    Other,
    Unknown,
}

/// The sender is asked to come again after this long when the queue is full, or slow.
const RETRY_AFTER: Duration = Duration::from_secs(5);

pub(super) async fn receive<Q: Append>(State(intake): State<Arc<Intake<Q>>>, request: Request) -> Reply {
    let counters = &intake.counters;
    Counters::count(&counters.requests);
    let reply = intake.answer(request).await;
    reply.unwrap_or_else(|refusal| {
        counters.count_refusal(&refusal);
        Reply::refused(&refusal)
    })
}

impl<Q: Append> Intake<Q> {
    async fn answer(&self, request: Request) -> Result<Reply, Refusal> {
        let (request, body) = request.into_parts();
        let (settings, counters) = (&self.settings, &self.counters);
        if request.uri.path() != settings.path {
            return Err(Refusal::OtherPath { path: settings.path.clone() });
        }
        if request.method != Method::POST {
            return Err(Refusal::OtherMethod);
        }
        let foreign = match Action::of(&request.uri) {
            Action::CallRecord => None,
            Action::Other => Some(&counters.other_actions),
            Action::Unknown => Some(&counters.unknown_actions),
        };
        let body = body::read(&request.headers, body, settings.body_bytes_max, settings.body_timeout);
        if let Some(counter) = foreign {
            Counters::count(counter);
            // Read all the same, so that the connection can go on; what is in it does not matter.
            let _ = body.await;
            return Ok(Reply::ok());
        }
        if parameter(&request.uri, "version").is_some_and(|version| version != "1") {
            Counters::count(&counters.unknown_versions);
        }
        let records = self.records(&body.await?)?;
        Ok(self.store(records).await)
    }

    /// All records of a body, before the first of them is stored: a body is taken as a whole or not at all.
    fn records(&self, body: &Bytes) -> Result<Vec<Bytes>, Refusal> {
        let limit = self.settings.body_records_max;
        let mut records = Vec::new();
        for found in Records::new(body.as_ref(), self.settings.body_bytes_max) {
            // Memory can always be read, and no record is larger than the body.
            records.extend(found.ok().and_then(|found| found.body));
            if records.len() > limit {
                return Err(Refusal::TooManyRecords { limit });
            }
        }
        if records.is_empty() { Err(Refusal::NoRecord) } else { Ok(records) }
    }

    /// Puts the records into the queue and waits for what becomes of them, also when there is not room for all: those
    /// within are on their way.
    async fn store(&self, records: Vec<Bytes>) -> Reply {
        let deadline = Instant::now() + self.settings.answer_timeout;
        let mut tally = Tally::of(records.len());
        let mut receipts = Vec::with_capacity(records.len());
        for body in records {
            let Ok(receipt) = self.queue.append(Record { body, metadata: Vec::new() }) else {
                Counters::count(&self.counters.queue_full);
                tally.retry_after(RETRY_AFTER);
                break;
            };
            Counters::count(&self.counters.records);
            receipts.push((receipt, Unsettled(&self.counters)));
        }
        for (index, (receipt, unsettled)) in receipts.into_iter().enumerate() {
            let settlement = timeout_at(deadline, receipt).await.unwrap_or(Settlement::RetryAfter(RETRY_AFTER));
            unsettled.settle(&settlement);
            tally.add(index, settlement);
        }
        tally.reply()
    }
}

/// A record in the queue. Dropped when the sender goes away, it counts as abandoned.
struct Unsettled<'a>(&'a Counters);

impl Unsettled<'_> {
    fn settle(self, settlement: &Settlement) {
        self.0.count_settlement(settlement);
        std::mem::forget(self);
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        Counters::count(&self.0.abandoned);
    }
}

impl Action {
    fn of(uri: &Uri) -> Self {
        match parameter(uri, "action") {
            None | Some("cdr") => Self::CallRecord,
            Some("record" | "voicemail") => Self::Other,
            Some(_) => Self::Unknown,
        }
    }
}

/// The last parameter of that name: the vendor adds its own to those that the configured address has, and does so with
/// a second question mark.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let parameters = uri.query()?.split(['&', '?']).rev();
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_parameter_counts_however_the_query_is_put_together() {
        for query in [
            "action=cdr",
            "version=1&action=cdr",
            "action=mine&action=cdr",
            "tenant=1?action=cdr&version=1",
            "action=cdr&flag&",
        ] {
            let uri: Uri = format!("/?{query}").parse().expect("an address");
            assert_eq!(parameter(&uri, "action"), Some("cdr"), "{query}");
        }
        assert_eq!(parameter(&Uri::from_static("/?reaction=x"), "action"), None);
        assert_eq!(parameter(&Uri::from_static("/"), "action"), None);
    }
}
