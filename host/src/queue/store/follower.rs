//! One consumer as the store knows it: how far it has come, and what became of its records so far.

use super::entry::Entry;
use super::lane::Lane;
use super::rows::{ConsumerRow, CountsRow, MappingRow};
use crate::queue::ConsumerSettings;
use std::collections::BTreeMap;

/// Tells the lanes of a consumer apart while the process runs.
pub(in crate::queue) type LaneNumber = u32;

/// A mapping is remembered with its name for as many changes.
const MAPPINGS_MAX: usize = 16;

#[derive(Clone, Debug)]
pub(in crate::queue) struct Follower {
    pub(in crate::queue) name: String,
    pub(in crate::queue) number: u32,
    /// The sources whose records it takes.
    pub(in crate::queue) sources: Vec<String>,
    /// Its ways through the log; the one without an end takes what comes. One that is not configured any more has only
    /// ways that end.
    pub(in crate::queue) lanes: BTreeMap<LaneNumber, Lane>,
    pub(in crate::queue) counts: CountsRow,
    /// The mappings it has run with, and since which record, oldest first.
    pub(in crate::queue) mappings: Vec<MappingRow>,
    pub(in crate::queue) settings: ConsumerSettings,
}

/// What became of one record, for one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::queue) enum Fate {
    Delivered,
    Skipped,
    Duplicate,
    Superseded,
    DeadLettered,
    Dropped,
    Damaged,
    Erased,
}

impl Follower {
    pub(in crate::queue) fn new(name: &str, number: u32) -> Self {
        Follower {
            name: name.to_owned(),
            number,
            sources: Vec::new(),
            lanes: BTreeMap::new(),
            counts: CountsRow::default(),
            mappings: Vec::new(),
            settings: ConsumerSettings::default(),
        }
    }

    /// Whether this record is for it.
    pub(in crate::queue) fn takes(&self, entry: &Entry) -> bool {
        let is_meant = entry.only.is_empty() || entry.only.contains(&self.name);
        is_meant && self.takes_from(&entry.source)
    }

    pub(in crate::queue) fn takes_from(&self, source: &str) -> bool {
        self.sources.iter().any(|known| known == source)
    }

    /// Gives it another way through the log.
    pub(in crate::queue) fn add_lane(&mut self, lane: Lane) {
        let number = self.lanes.last_key_value().map_or(0, |(last, _)| last + 1);
        self.lanes.insert(number, lane);
    }

    /// Forgets the ways that are done, but for the last one, whose number must not be given again.
    pub(in crate::queue) fn forget_done_lanes(&mut self) {
        let last = self.lanes.last_key_value().map(|(number, _)| *number);
        self.lanes.retain(|number, lane| !lane.is_done() || Some(*number) == last);
    }

    /// Whether it takes what comes.
    pub(in crate::queue) fn is_following(&self) -> bool {
        self.lanes.values().any(|lane| lane.end().is_none())
    }

    /// Every record before this one is settled; none when nothing more is to come.
    pub(in crate::queue) fn floor(&self) -> Option<u64> {
        self.lanes.values().filter(|lane| !lane.is_done()).map(Lane::floor).min()
    }

    /// Records that are not settled yet.
    pub(in crate::queue) fn waiting(&self) -> u64 {
        let counts = &self.counts;
        let settled = counts.delivered + counts.skipped + counts.duplicates + counts.superseded;
        let gone = counts.dead_lettered + counts.dropped + counts.damaged + counts.erased;
        counts.received.saturating_sub(settled + gone)
    }

    /// Notes what became of a record. False if it was settled before, or given up.
    pub(in crate::queue) fn settle(&mut self, lane: LaneNumber, id: u64, fate: Fate) -> bool {
        let was_open = self.lanes.get_mut(&lane).is_some_and(|lane| lane.settle(id));
        if was_open {
            self.count(fate, 1);
        }
        was_open
    }

    pub(in crate::queue) fn count(&mut self, fate: Fate, records: u64) {
        let counts = &mut self.counts;
        let count = match fate {
            Fate::Delivered => &mut counts.delivered,
            Fate::Skipped => &mut counts.skipped,
            Fate::Duplicate => &mut counts.duplicates,
            Fate::Superseded => &mut counts.superseded,
            Fate::DeadLettered => &mut counts.dead_lettered,
            Fate::Dropped => &mut counts.dropped,
            Fate::Damaged => &mut counts.damaged,
            Fate::Erased => &mut counts.erased,
        };
        *count += records;
    }

    /// From this record on it runs with this mapping.
    pub(in crate::queue) fn map_with(&mut self, fingerprint: &str, since_id: u64) {
        if self.mappings.last().is_some_and(|last| last.fingerprint == fingerprint) {
            return;
        }
        self.mappings.push(MappingRow { since_id, fingerprint: fingerprint.to_owned() });
        if self.mappings.len() > MAPPINGS_MAX {
            self.mappings.remove(0);
        }
    }

    /// Of the mappings that these records were delivered with, from the first one on and before the end: the first that
    /// differs from today's if there is one, else today's. None where not all of them are known.
    pub(in crate::queue) fn mapped_then(&self, first: u64, end: u64) -> Option<&str> {
        let (oldest, today) = (self.mappings.first()?, self.mappings.last()?);
        if oldest.since_id > first {
            return None;
        }
        let ends = self.mappings.iter().skip(1).map(|next| next.since_id).chain([u64::MAX]);
        // One that nothing was delivered with is of no concern.
        let mut used = self.mappings.iter().zip(ends).filter(|(mapping, mapping_end)| {
            let (from, to) = (mapping.since_id.max(first), end.min(*mapping_end));
            from < to
        });
        let other = used.find(|(mapping, _)| mapping.fingerprint != today.fingerprint);
        Some(other.map_or(&today.fingerprint, |(mapping, _)| &mapping.fingerprint))
    }

    /// The first record that is still to be delivered for the first time, or comes next.
    pub(in crate::queue) fn undelivered_from(&self) -> Option<u64> {
        self.lanes.values().filter(|lane| !lane.is_replay()).map(Lane::floor).min()
    }

    pub(in crate::queue) fn to_row(&self) -> ConsumerRow {
        ConsumerRow {
            number: self.number,
            lanes: self.lanes.values().map(Lane::to_row).collect(),
            counts: Some(self.counts),
            sources: self.sources.clone(),
            mappings: self.mappings.clone(),
        }
    }

    pub(in crate::queue) fn of_row(name: &str, row: ConsumerRow) -> Self {
        Follower {
            name: name.to_owned(),
            number: row.number,
            sources: row.sources,
            lanes: (0..).zip(row.lanes.iter().map(Lane::of_row)).collect(),
            counts: row.counts.unwrap_or_default(),
            mappings: row.mappings,
            settings: ConsumerSettings::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_mapped_as_before_only_if_all_of_them_are() {
        let mut follower = Follower::new("calls/sink", 0);
        for (fingerprint, since_id) in [("a", 2), ("b", 5), ("a", 7), ("c", 9), ("a", 9)] {
            follower.map_with(fingerprint, since_id);
        }
        for (first, end, expected) in [
            (1, 3, None),
            (2, 5, Some("a")),
            (2, 6, Some("b")),
            (4, 9, Some("b")),
            (5, 7, Some("b")),
            (6, 8, Some("b")),
            (7, 20, Some("a")),
        ] {
            assert_eq!(follower.mapped_then(first, end), expected, "{first} to {end}");
        }
        assert_eq!(Follower::new("calls/sink", 0).mapped_then(1, 2), None);
    }
}
