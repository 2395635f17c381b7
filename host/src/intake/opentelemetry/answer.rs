//! What a sender is told of its request, whatever the protocol.

use crate::intake::postponed::Postponed;
use crate::intake::store::Fate;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;
use std::collections::BTreeMap;
use std::time::Duration;

/// A request may hold thousands of broken records; a sender can do with the first of them.
const REFUSALS_SHOWN_MAX: usize = 20;

/// What is answered when all records are settled: a partial success if some were refused for good.
pub(super) type Answer = Result<Option<ExportLogsPartialSuccess>, Trouble>;

/// Why a request that could be read is not done with. The text of each is what its sender reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Postponed(#[from] Postponed),
    #[error("the request holds more than {limit} records")]
    TooManyRecords { limit: usize },
}

impl Trouble {
    /// Stable, for scripts and metrics.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Postponed(postponed) => postponed.code(),
            Self::TooManyRecords { .. } => "too_many_records",
        }
    }

    /// When the whole request is to be sent again, if it is.
    pub(super) fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Postponed(postponed) => Some(postponed.retry_after),
            Self::TooManyRecords { .. } => None,
        }
    }
}

/// What became of the log records of one request, added up.
pub(super) struct Tally {
    log_records: usize,
    /// The codes of those that were refused. One log record may hold several call records; the first that is refused
    /// speaks for it.
    refused: BTreeMap<usize, String>,
    postponed: Option<Postponed>,
}

impl Tally {
    pub(super) fn of(log_records: usize) -> Self {
        Self { log_records, refused: BTreeMap::new(), postponed: None }
    }

    pub(super) fn refuse(&mut self, index: usize, code: String) {
        self.refused.entry(index).or_insert(code);
    }

    pub(super) fn add(&mut self, index: usize, fate: Fate) {
        match fate {
            Fate::Stored => {}
            Fate::Rejected(rejection) => self.refuse(index, rejection.code),
            Fate::Postponed(more) => {
                self.postponed = Some(self.postponed.map_or(more, |so_far| so_far.and(more)));
            }
        }
    }

    /// How many were refused, and the code of the first, if any were.
    pub(super) fn refused(&self) -> Option<(usize, &str)> {
        let (_, code) = self.refused.first_key_value()?;
        Some((self.refused.len(), code))
    }

    /// No answer quotes a record: there are indices and codes alone.
    pub(super) fn answer(self) -> Answer {
        if let Some(postponed) = self.postponed {
            return Err(postponed.into());
        }
        let count = self.refused.len();
        if count == 0 {
            return Ok(None);
        }
        let shown: Vec<_> = self.refused.iter().take(REFUSALS_SHOWN_MAX).collect();
        let mut refusals: Vec<_> = shown.iter().map(|(index, code)| format!("index {index} {code}")).collect();
        let more = count - shown.len();
        refusals.extend((more > 0).then(|| format!("and {more} more")));
        Ok(Some(ExportLogsPartialSuccess {
            rejected_log_records: i64::try_from(count).unwrap_or(i64::MAX),
            error_message: format!("{count} of {} records refused: {}", self.log_records, refusals.join(", ")),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::postponed::Why;

    #[test]
    fn the_longest_delay_counts_and_outweighs_refusals() {
        let mut tally = Tally::of(3);
        tally.refuse(0, "no_body".to_owned());
        let postponed = |why, seconds| Postponed { why, retry_after: Duration::from_secs(seconds) };
        tally.add(1, Fate::Postponed(postponed(Why::NotStored, 7)));
        tally.add(2, Fate::Postponed(postponed(Why::QueueFull, 5)));
        assert_eq!(tally.answer(), Err(postponed(Why::QueueFull, 7).into()));
    }

    #[test]
    fn refusals_are_told_by_index_and_code_and_a_long_list_is_cut() {
        let answer = |refused: usize| {
            let mut tally = Tally::of(30);
            (0..refused).for_each(|index| tally.refuse(index, "not_json".to_owned()));
            tally.refuse(0, "later_code".to_owned());
            match tally.answer() {
                Ok(Some(partial)) => (partial.rejected_log_records, partial.error_message),
                other => unreachable!("{other:?}"),
            }
        };
        assert_eq!(answer(2), (2, "2 of 30 records refused: index 0 not_json, index 1 not_json".to_owned()));
        let (count, message) = answer(25);
        assert_eq!((count, message.matches("not_json").count()), (25, REFUSALS_SHOWN_MAX));
        assert!(message.ends_with(", and 5 more"), "{message}");
    }
}
