//! What a sender is told of its request, whatever the protocol.

use crate::intake::store::{Fate, RETRY_AFTER};
use crate::queue::Settlement;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use std::collections::BTreeMap;
use std::time::Duration;

/// A request may hold thousands of broken records; a sender can do with the first of them.
const REFUSALS_SHOWN_MAX: usize = 20;

/// What became of a request that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All records are settled. None if none was refused.
    Done(Option<ExportLogsPartialSuccess>),
    /// The whole request is to be sent again after this long.
    Again {
        after: Duration,
        is_full: bool,
    },
    TooManyRecords {
        limit: usize,
    },
}

impl Answer {
    /// Stable, for scripts and metrics; none if all is well.
    pub(super) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Done(_) => None,
            Self::Again { is_full: true, .. } => Some("queue_full"),
            Self::Again { is_full: false, .. } => Some("not_stored"),
            Self::TooManyRecords { .. } => Some("too_many_records"),
        }
    }

    /// What a person reads of it, if not all is well.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Done(_) => String::new(),
            Self::Again { is_full: true, .. } => "the queue is full; send the whole request again later".to_owned(),
            Self::Again { is_full: false, .. } => {
                "not everything could be stored for now; send the whole request again later".to_owned()
            }
            Self::TooManyRecords { limit } => format!("the request holds more than {limit} records"),
        }
    }
}

/// What became of the log records of one request, added up.
pub(super) struct Tally {
    log_records: usize,
    /// The codes of those that were refused. One log record may hold several call records; the first that is refused
    /// speaks for it.
    refused: BTreeMap<usize, String>,
    again: Option<(Duration, bool)>,
}

impl Tally {
    pub(super) fn of(log_records: usize) -> Self {
        Self { log_records, refused: BTreeMap::new(), again: None }
    }

    pub(super) fn refuse(&mut self, index: usize, code: String) {
        self.refused.entry(index).or_insert(code);
    }

    pub(super) fn add(&mut self, index: usize, fate: Fate) {
        match fate {
            Fate::Settled(Settlement::Acknowledged) => {}
            Fate::Settled(Settlement::Rejected(rejection)) => self.refuse(index, rejection.code),
            Fate::Settled(Settlement::RetryAfter(after)) => self.again(after, false),
            Fate::NotTaken => self.again(RETRY_AFTER, true),
        }
    }

    fn again(&mut self, after: Duration, is_full: bool) {
        let (longest, was_full) = self.again.unwrap_or_default();
        self.again = Some((longest.max(after), was_full || is_full));
    }

    /// No answer quotes a record: there are indices and codes alone.
    pub(super) fn answer(self) -> Answer {
        if let Some((after, is_full)) = self.again {
            return Answer::Again { after, is_full };
        }
        let count = self.refused.len();
        if count == 0 {
            return Answer::Done(None);
        }
        let shown: Vec<_> = self.refused.iter().take(REFUSALS_SHOWN_MAX).collect();
        let mut refusals: Vec<_> = shown.iter().map(|(index, code)| format!("index {index} {code}")).collect();
        let more = count - shown.len();
        refusals.extend((more > 0).then(|| format!("and {more} more")));
        Answer::Done(Some(ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(count).unwrap_or(i64::MAX),
            error_message: format!("{count} of {} records refused: {}", self.log_records, refusals.join(", ")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_delay_counts_and_outweighs_refusals() {
        let mut tally = Tally::of(3);
        tally.refuse(0, "no_body".to_owned());
        tally.add(1, Fate::Settled(Settlement::RetryAfter(Duration::from_secs(7))));
        tally.add(2, Fate::NotTaken);
        assert_eq!(tally.answer(), Answer::Again { after: Duration::from_secs(7), is_full: true });
    }

    #[test]
    fn refusals_are_told_by_index_and_code_and_a_long_list_is_cut() {
        let answer = |refused: usize| {
            let mut tally = Tally::of(30);
            (0..refused).for_each(|index| tally.refuse(index, "not_json".to_owned()));
            tally.refuse(0, "later_code".to_owned());
            match tally.answer() {
                Answer::Done(Some(partial)) => (partial.rejected_log_records, partial.error_message),
                other => unreachable!("{other:?}"),
            }
        };
        assert_eq!(answer(2), (2, "2 of 30 records refused: index 0 not_json, index 1 not_json".to_owned()));
        let (count, message) = answer(25);
        assert_eq!((count, message.matches("not_json").count()), (25, REFUSALS_SHOWN_MAX));
        assert!(message.ends_with(", and 5 more"), "{message}");
    }
}
