//! The log records of one request: what records are in them, and what became of each.

use super::answer::{Answer, Tally, Trouble};
use super::value::text;
use super::{Append, Settings, SourceCounters};
use crate::intake::body_room::BodyRoom;
use crate::intake::split::{Records, whole};
use crate::intake::store::store;
use crate::telemetry::LogLines;
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::AnyValue;
use std::sync::Arc;
use std::time::Instant;
use tracing::warn;

/// What every request is held against.
pub(super) struct Intake<Q> {
    /// The source, as it is called.
    pub(super) name: String,
    pub(super) queue: Arc<Q>,
    pub(super) settings: Settings,
    /// What bodies may take of memory.
    pub(super) body_room: BodyRoom,
    pub(super) counters: Arc<SourceCounters>,
    pub(super) log_lines: LogLines,
}

/// Why a log record holds nothing to be mapped: its class and its code.
type Refused = (&'static str, &'static str);

const NO_BODY: Refused = ("malformed", "no_body");
const TOO_LARGE: Refused = ("policy", "body_too_large");

impl<Q: Append> Intake<Q> {
    /// Puts all records into the queue and waits for what becomes of them. A request is taken as a whole or not at all,
    /// unless the queue has no room for all of it.
    pub(super) async fn take(&self, bodies: Vec<Option<AnyValue>>) -> Answer {
        let limit = self.settings.body_records_max;
        let mut tally = Tally::of(bodies.len());
        if bodies.len() > limit {
            return Err(Trouble::TooManyRecords { limit });
        }
        // Of which log record each record is.
        let mut owners = Vec::with_capacity(bodies.len());
        let mut records = Vec::with_capacity(bodies.len());
        let mut refusals = Vec::new();
        for (index, body) in bodies.into_iter().enumerate() {
            match self.records(body) {
                Ok(found) => {
                    owners.resize(owners.len() + found.len(), index);
                    records.extend(found);
                }
                Err(refused) => refusals.push((index, refused)),
            }
            if records.len() > limit {
                return Err(Trouble::TooManyRecords { limit });
            }
        }
        for (index, (class, code)) in refusals {
            self.counters.refused_record(code, class);
            tally.refuse(index, code.to_owned());
        }
        let fates = store(&*self.queue, records.into_iter(), None, self.settings.answer_timeout, &self.counters).await;
        owners.into_iter().zip(fates).for_each(|(index, fate)| tally.add(index, fate));
        if let Some((records, code)) = tally.refused()
            && let Some(omitted) = self.log_lines.next(Instant::now())
        {
            warn!(code, source = self.name, records, omitted, "request refused in part");
        }
        tally.answer()
    }

    /// One line for each request that is refused.
    pub(super) fn note_refused(&self, code: &str, status: i64) {
        self.counters.refused_request(code);
        if let Some(omitted) = self.log_lines.next(Instant::now()) {
            warn!(code, status, source = self.name, omitted, "request refused");
        }
    }

    /// The records in the body of one log record, of which there is at least one.
    fn records(&self, body: Option<AnyValue>) -> Result<Vec<Bytes>, Refused> {
        let text = body.and_then(text).ok_or(NO_BODY)?;
        let Settings { body_bytes_max, expanded_bytes_max, body_records_max, .. } = self.settings;
        let record_bytes_max = body_bytes_max.max(expanded_bytes_max);
        if let Some(record) = whole(&text, record_bytes_max).and_then(|found| found.body) {
            return Ok(vec![record]);
        }
        // One more than may be is enough to know. Memory can always be read.
        let found = Records::new(text.as_ref(), record_bytes_max).take(body_records_max.saturating_add(1));
        let records = found.filter_map(Result::ok).map(|found| found.body.ok_or(TOO_LARGE));
        let records: Vec<_> = records.collect::<Result<_, _>>()?;
        if records.is_empty() { Err(NO_BODY) } else { Ok(records) }
    }
}
