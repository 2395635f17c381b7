//! What has come of a candidate so far, counted.

use super::difference::{Comparison, Difference, Verdict};
use crate::telemetry::{Component, Counter, metric};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many different differences are told apart; the others are counted together.
const DIFFERENCES_MAX: usize = 256;

/// The records that a candidate was given, by how it compares with the plugin in service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The fingerprint of the mapping that it is compared with; none before the first record.
    pub against: Option<String>,
    pub same: u64,
    pub differs: u64,
    /// The candidate refuses what the plugin in service does not.
    pub refused: u64,
    /// The other way round.
    pub not_refused: u64,
    /// The candidate trapped, overran, or broke a limit or the contract.
    pub failed: u64,
    /// Came while the candidate was busy, or given up, and were not compared.
    pub skipped: u64,
    /// What is different, the most frequent first.
    pub differences: Vec<Counted>,
    /// How often something else was different, beyond the differences that are told apart.
    pub other_differences: u64,
}

/// In how many records something is different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    #[serde(flatten)]
    pub difference: Difference,
    pub records: u64,
}

pub(super) struct Tally {
    found: Mutex<Found>,
    same: Counter,
    differs: Counter,
    refused: Counter,
    not_refused: Counter,
    failed: Counter,
    skipped: Counter,
}

#[derive(Default)]
struct Found {
    /// Without the differences.
    report: Report,
    differences: BTreeMap<Difference, u64>,
}

impl Tally {
    pub(super) fn new(component: &Component) -> Self {
        let counter = |result| component.counter(metric::SHADOW_RECORDS, &[("result", result)]);
        Tally {
            found: Mutex::default(),
            same: counter("same"),
            differs: counter("differs"),
            refused: counter("refused"),
            not_refused: counter("not_refused"),
            failed: counter("failed"),
            skipped: counter("skipped"),
        }
    }

    /// So many records were not compared.
    pub(super) fn skip(&self, records: u64) {
        self.skipped.add(records);
        self.found().report.skipped += records;
    }

    /// One record was compared with what the mapping of this fingerprint made of it. With another one than before, it is
    /// counted anew.
    pub(super) fn add(&self, against: &str, comparison: &Comparison) {
        let mut found = self.found();
        if found.report.against.as_deref() != Some(against) {
            // What was skipped was compared with nothing.
            let skipped = if found.report.against.is_none() { found.report.skipped } else { 0 };
            *found = Found::default();
            found.report.against = Some(against.to_owned());
            found.report.skipped = skipped;
        }
        let report = &mut found.report;
        let (number, counter) = match comparison.verdict {
            Verdict::Same => (&mut report.same, &self.same),
            Verdict::Differs => (&mut report.differs, &self.differs),
            Verdict::Refused => (&mut report.refused, &self.refused),
            Verdict::NotRefused => (&mut report.not_refused, &self.not_refused),
            Verdict::Failed => (&mut report.failed, &self.failed),
        };
        *number += 1;
        counter.add(1);
        for difference in &comparison.differences {
            if let Some(records) = found.differences.get_mut(difference) {
                *records += 1;
            } else if found.differences.len() < DIFFERENCES_MAX {
                found.differences.insert(difference.clone(), 1);
            } else {
                found.report.other_differences += 1;
            }
        }
    }

    pub(super) fn report(&self) -> Report {
        let found = self.found();
        let counted =
            |(difference, records): (&Difference, &u64)| Counted { difference: difference.clone(), records: *records };
        let mut differences: Vec<Counted> = found.differences.iter().map(counted).collect();
        differences.sort_by_key(|counted| std::cmp::Reverse(counted.records));
        Report { differences, ..found.report.clone() }
    }

    fn found(&self) -> MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::What;
    use super::*;
    use std::collections::BTreeSet;

    fn differing(name: usize) -> Comparison {
        let difference = Difference { span: None, what: What::AttributeChanged, name: Some(name.to_string()) };
        Comparison { verdict: Verdict::Differs, differences: BTreeSet::from([difference]) }
    }

    #[test]
    fn so_many_differences_are_told_apart_and_the_others_are_counted_together() {
        let tally = Tally::new(&Component::default());
        (0..DIFFERENCES_MAX + 3).for_each(|name| tally.add("a", &differing(name)));
        tally.add("a", &differing(7));
        let report = tally.report();
        assert_eq!((report.differences.len(), report.other_differences), (DIFFERENCES_MAX, 3));
        assert_eq!((report.differs, report.differences[0].records), (DIFFERENCES_MAX as u64 + 4, 2));
        assert_eq!(report.differences[0].difference.name.as_deref(), Some("7"));
    }

    #[test]
    fn against_another_plugin_it_is_counted_anew() {
        let tally = Tally::new(&Component::default());
        tally.skip(2);
        tally.add("a", &differing(1));
        assert_eq!((tally.report().skipped, tally.report().differs), (2, 1));
        tally.add("b", &differing(2));
        let report = tally.report();
        assert_eq!((report.against.as_deref(), report.skipped, report.differs), (Some("b"), 0, 1));
        assert_eq!(report.differences.len(), 1);
    }
}
