//! Dead letters: records that no retry can help, each kept once with everybody who refused it and why.

use super::admit::Arrival;
use super::database::Table;
use super::entry::{self, Entry};
use super::follower::{Fate, LaneNumber};
use super::reader::{id_of, is_damage};
use super::rows::{LetterRow, RecordRow, RefusalRow};
use super::seal::CannotOpen;
use super::seen::{self, PushKind, TraceIdentity};
use super::{SharedFollower, Store, id_key, locked};
use crate::queue::StoreError;
use crate::record::{Record, Rejection};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The id of the record that became the letter.
pub type LetterId = u64;

/// A dead letter without its body.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    pub id: LetterId,
    /// When the record was received, in milliseconds since 1970.
    pub received_ms: u64,
    pub source: String,
    pub body_bytes: u64,
    pub refusals: Vec<Refusal>,
}

/// Who refused a record, and why. `path` and `message` may quote the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The consumer; none when the record was refused when it was received.
    pub consumer: Option<String>,
    /// In milliseconds since 1970.
    pub at_ms: u64,
    pub class: String,
    pub code: String,
    pub path: Option<String>,
    pub message: String,
    /// Name and version of the mapper, if one was asked.
    pub mapper: String,
    /// The consumer has the record all the same, but for a part of it: it gets it once more only if somebody asks for
    /// just that.
    #[serde(default)]
    pub is_delivered: bool,
}

/// What a consumer says of a record.
#[derive(Clone, Debug)]
pub(in crate::queue) enum Verdict {
    /// Delivered, and remembered as this trace.
    Delivered(Option<TraceIdentity>),
    Skipped,
    Duplicate,
    Superseded,
    Refused {
        rejection: Rejection,
        mapper: String,
    },
    /// Delivered, and kept as a dead letter besides, since a part of it was left out.
    DeliveredInPart {
        identity: Option<TraceIdentity>,
        rejection: Rejection,
        mapper: String,
    },
}

const LETTERS: &str = "letters";
const LETTER_BODIES: &str = "letter-bodies";

impl Store {
    /// Notes what a consumer says of a record. It is written with the next transaction.
    pub(in crate::queue) fn settle(
        &mut self,
        follower: &SharedFollower,
        lane: LaneNumber,
        entry: &Entry,
        verdict: &Verdict,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let number = {
            let following = locked(follower);
            if !following.lanes.get(&lane).is_some_and(|lane| lane.is_open(entry.id)) {
                return Ok(());
            }
            following.number
        };
        // First it is a letter: when that fails it still waits.
        if let Verdict::Refused { rejection, mapper } | Verdict::DeliveredInPart { rejection, mapper, .. } = verdict {
            let is_delivered = verdict.fate() == Fate::Delivered;
            let name = locked(follower).name.clone();
            let refusal = RefusalRow { is_delivered, ..refusal(Some(&name), rejection, mapper, now_ms) };
            self.bury(entry, refusal)?;
        }
        if let Some(identity) = verdict.identity().filter(|_| !self.settings.duplicates.window.is_zero()) {
            let row = seen::row(now_ms, Some(&entry.digest));
            self.pending.remember(seen::of_trace(number, identity), row);
        }
        locked(follower).settle(lane, entry.id, verdict.fate());
        Ok(())
    }

    /// Keeps a record that was refused when it was received, once for each push. It is written with the next transaction.
    /// False when it is kept already.
    pub(in crate::queue) fn refuse(
        &mut self,
        arrival: &Arrival,
        rejection: &Rejection,
        now_ms: u64,
    ) -> Result<bool, StoreError> {
        let push_id = arrival.push_id.as_deref().unwrap_or_default();
        let fingerprint = seen::of_push(PushKind::Letter, &arrival.source, push_id, &arrival.digest);
        let is_remembered = !self.settings.duplicates.window.is_zero();
        if is_remembered && (self.was_seen(&fingerprint, now_ms)? || self.pending.remembers(&fingerprint)) {
            return Ok(false);
        }
        let entry = Entry {
            id: self.log.next_id,
            received_ms: now_ms,
            source: std::sync::Arc::clone(&arrival.source),
            record: arrival.record.clone(),
            digest: arrival.digest,
            only: Vec::new(),
            is_replay: false,
        };
        self.log.next_id += 1;
        self.bury(&entry, refusal(None, rejection, "", now_ms))?;
        if is_remembered {
            self.pending.remember(fingerprint, seen::row(now_ms, None));
        }
        Ok(true)
    }

    /// Adds a refusal to the letter of this record, which is made if there is none.
    fn bury(&mut self, entry: &Entry, refusal: RefusalRow) -> Result<(), StoreError> {
        let row = match self.current(Table::Letters, &id_key(entry.id)) {
            // What cannot be read must not keep the record from being kept.
            Err(error) if is_damage(&error) => None,
            row => row?,
        };
        let known = row.as_ref().and_then(|row| self.seal().open(LETTERS, entry.id, row).ok());
        let is_new = row.is_none();
        let mut letter = known.unwrap_or_else(|| LetterRow {
            received_ms: entry.received_ms,
            source: entry.source.to_string(),
            body_bytes: entry.record.body.len() as u64,
            refusals: Vec::new(),
        });
        letter.refusals.retain(|known| known.consumer != refusal.consumer);
        letter.refusals.push(refusal);
        let row = self.seal().seal(LETTERS, entry.id, &letter);
        self.pending.put(Table::Letters, id_key(entry.id), row);
        if is_new {
            let body = self.seal().seal(LETTER_BODIES, entry.id, &entry.to_row());
            self.pending.put(Table::LetterBodies, id_key(entry.id), body);
            self.log.letters += 1;
            self.log.letter_bytes += entry.bytes();
        }
        Ok(())
    }

    /// Dead letters from this id on, oldest first.
    pub(in crate::queue) fn letters(&self, from: LetterId, count_max: usize) -> Result<Vec<Letter>, StoreError> {
        self.reader.with(|database| {
            let mut letters = Vec::new();
            for row in database.rows(Table::Letters, &id_key(from)).take(count_max) {
                let (key, row) = row?;
                let Some(id) = id_of(&key) else { continue };
                letters.push(self.letter_of(id, &row));
            }
            Ok(letters)
        })
    }

    /// A dead letter with its record.
    pub(in crate::queue) fn letter(&self, id: LetterId) -> Result<Option<(Letter, Record)>, StoreError> {
        let Some(letter) = self.letters(id, 1)?.into_iter().next().filter(|letter| letter.id == id) else {
            return Ok(None);
        };
        let body = self.letter_body(id)?;
        Ok(body.map(|entry| (letter, entry.record)))
    }

    /// Delivers a dead letter once more: to these of the consumers that refused it, or to all of them; to those that have
    /// it but for a part only with `again`. It is a letter no more, but for the others. Says to whom it goes.
    pub(in crate::queue) fn revive(
        &mut self,
        id: LetterId,
        to: Option<&[String]>,
        again: bool,
        now_ms: u64,
    ) -> Result<Vec<String>, StoreError> {
        let (Some(mut letter), Some(entry)) = (self.open_letter(id)?, self.letter_body(id)?) else {
            return Ok(Vec::new());
        };
        let of_intake = letter.refusals.iter().find(|refusal| refusal.consumer.is_empty()).cloned();
        let (targets, others) = self.revivers(&letter, &entry, to, again);
        if targets.is_empty() {
            return Ok(targets);
        }
        let before = (self.pending.clone(), self.log.clone());
        match of_intake {
            Some(refusal) => {
                let stays_for = |consumer| RefusalRow { consumer, ..refusal.clone() };
                letter.refusals = others.into_iter().map(stays_for).collect();
            }
            None => letter.refusals.retain(|refusal| !targets.contains(&refusal.consumer)),
        }
        if letter.refusals.is_empty() {
            self.remove_letter(id, entry.bytes());
        } else {
            let row = self.seal().seal(LETTERS, id, &letter);
            self.pending.put(Table::Letters, id_key(id), row);
        }
        let Entry { source, record, digest, .. } = entry;
        let arrival = Arrival { source, record, digest, push_id: None, only: targets.clone(), is_replay: true };
        if let Err(error) = self.admit(&[arrival], now_ms, true) {
            // It stays a letter.
            (self.pending, self.log) = before;
            return Err(error);
        }
        Ok(targets)
    }

    /// To whom a dead letter would be delivered once more.
    pub(in crate::queue) fn would_revive(
        &self,
        id: LetterId,
        to: Option<&[String]>,
        again: bool,
    ) -> Result<Vec<String>, StoreError> {
        Ok(match (self.open_letter(id)?, self.letter_body(id)?) {
            (Some(letter), Some(entry)) => self.revivers(&letter, &entry, to, again).0,
            _ => Vec::new(),
        })
    }

    /// To whom of those that lack it a letter goes, and who lacks it besides.
    fn revivers(
        &self,
        letter: &LetterRow,
        entry: &Entry,
        to: Option<&[String]>,
        again: bool,
    ) -> (Vec<String>, Vec<String>) {
        // What was refused when it was received goes to everybody who takes from its source.
        let lacking: Vec<String> = if letter.refusals.iter().any(|refusal| refusal.consumer.is_empty()) {
            let takes = |follower: &&SharedFollower| {
                let follower = locked(follower);
                follower.is_following() && follower.takes(entry)
            };
            self.followers.values().filter(takes).map(|follower| locked(follower).name.clone()).collect()
        } else {
            let lacking = letter.refusals.iter().filter(|refusal| again || !refusal.is_delivered);
            lacking.map(|refusal| refusal.consumer.clone()).collect()
        };
        // One that takes nothing from its source any more would not get it.
        let is_there = |name: &String| {
            let follower = self.followers.get(name).map(|follower| locked(follower));
            follower.is_some_and(|follower| follower.is_following() && follower.takes_from(&entry.source))
        };
        let is_meant = |name: &String| to.is_none_or(|to| to.contains(name));
        lacking.into_iter().partition(|name| is_there(name) && is_meant(name))
    }

    /// Gives a dead letter up. False when there is none. It is written with the next transaction.
    pub(in crate::queue) fn purge(&mut self, id: LetterId) -> Result<bool, StoreError> {
        // One that cannot be read any more can be given up all the same.
        if self.current(Table::Letters, &id_key(id))?.is_none() {
            return Ok(false);
        }
        let letter = self.open_letter(id)?.unwrap_or_default();
        self.remove_letter(id, entry::bytes_with(letter.body_bytes));
        Ok(true)
    }

    /// How many dead letters there are, and what they take.
    pub(in crate::queue) fn letter_totals(&self) -> (u64, u64) {
        (self.log.letters, self.log.letter_bytes)
    }

    /// Counts the dead letters, and what they take.
    pub(super) fn count_letters(&self) -> Result<(u64, u64), StoreError> {
        let mut ids: BTreeSet<u64> = self.pending.keys(Table::Letters).filter_map(id_of).collect();
        self.reader.with(|database| {
            database.rows(Table::Letters, b"").try_for_each(|row| {
                ids.extend(id_of(&row?.0));
                Ok(())
            })
        })?;
        let (mut count, mut bytes) = (0, 0);
        for id in ids {
            if self.current(Table::Letters, &id_key(id))?.is_some() {
                count += 1;
                bytes += entry::bytes_with(self.open_letter(id)?.map_or(0, |letter| letter.body_bytes));
            }
        }
        Ok((count, bytes))
    }

    fn remove_letter(&mut self, id: LetterId, bytes: u64) {
        self.pending.remove(Table::Letters, id_key(id));
        self.pending.remove(Table::LetterBodies, id_key(id));
        self.log.letters = self.log.letters.saturating_sub(1);
        self.log.letter_bytes = self.log.letter_bytes.saturating_sub(bytes);
    }

    fn letter_body(&self, id: LetterId) -> Result<Option<Entry>, StoreError> {
        let row = self.current(Table::LetterBodies, &id_key(id))?;
        Ok(row.and_then(|row| {
            let row: Result<RecordRow, CannotOpen> = self.seal().open(LETTER_BODIES, id, &row);
            row.ok().map(|row| Entry::of_row(id, row))
        }))
    }

    fn open_letter(&self, id: LetterId) -> Result<Option<LetterRow>, StoreError> {
        let row = self.current(Table::Letters, &id_key(id))?;
        Ok(row.and_then(|row| self.seal().open(LETTERS, id, &row).ok()))
    }

    /// A row as it will be after the next transaction.
    fn current(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.pending.get(table, key) {
            Some(row) => Ok(row),
            None => self.reader.with(|database| database.get(table, key)),
        }
    }

    /// One that cannot be read any more is listed all the same.
    fn letter_of(&self, id: LetterId, row: &Bytes) -> Letter {
        let row: LetterRow = self.seal().open(LETTERS, id, row).unwrap_or_default();
        Letter {
            id,
            received_ms: row.received_ms,
            source: row.source,
            body_bytes: row.body_bytes,
            refusals: row.refusals.into_iter().map(Refusal::from).collect(),
        }
    }
}

impl Verdict {
    /// What it was delivered as.
    fn identity(&self) -> Option<&TraceIdentity> {
        match self {
            Self::Delivered(identity) | Self::DeliveredInPart { identity, .. } => identity.as_ref(),
            _ => None,
        }
    }

    fn fate(&self) -> Fate {
        match self {
            Self::Delivered(_) | Self::DeliveredInPart { .. } => Fate::Delivered,
            Self::Skipped => Fate::Skipped,
            Self::Duplicate => Fate::Duplicate,
            Self::Superseded => Fate::Superseded,
            Self::Refused { .. } => Fate::DeadLettered,
        }
    }
}

impl From<RefusalRow> for Refusal {
    fn from(row: RefusalRow) -> Self {
        let RefusalRow { consumer, at_ms, class, code, path, message, mapper, is_delivered } = row;
        let consumer = Some(consumer).filter(|name| !name.is_empty());
        Refusal { consumer, at_ms, class, code, path, message, mapper, is_delivered }
    }
}

fn refusal(consumer: Option<&str>, rejection: &Rejection, mapper: &str, at_ms: u64) -> RefusalRow {
    RefusalRow {
        consumer: consumer.unwrap_or_default().to_owned(),
        at_ms,
        class: rejection.class.clone(),
        code: rejection.code.clone(),
        path: rejection.path.clone(),
        message: rejection.message.clone(),
        mapper: mapper.to_owned(),
        is_delivered: false,
    }
}
