//! What a store should hold, kept in memory in the plainest way.

use super::super::entry::Entry;
use super::super::rows::CountsRow;
use crate::queue::Settings;
use std::collections::{BTreeMap, HashMap};

/// One moment of it: a crash goes back to an earlier one.
#[derive(Clone, Default)]
pub(super) struct Expected {
    pub(super) next_id: u64,
    /// Every record that was taken in, whether it is still in the log or not.
    pub(super) records: BTreeMap<u64, Entry>,
    pub(super) consumers: BTreeMap<String, Consumer>,
    pub(super) letters: BTreeMap<u64, Letter>,
    pub(super) pushes: HashMap<Push, u64>,
}

#[derive(Clone, Default)]
pub(super) struct Consumer {
    pub(super) sources: Vec<String>,
    pub(super) is_following: bool,
    /// The records that it has to get, and how often.
    pub(super) due: BTreeMap<u64, u64>,
    pub(super) counts: CountsRow,
}

#[derive(Clone)]
pub(super) struct Letter {
    pub(super) entry: Entry,
    pub(super) refusals: Vec<Refusal>,
}

#[derive(Clone)]
pub(super) struct Refusal {
    /// Nobody's name stands for the intake.
    pub(super) consumer: Option<String>,
    pub(super) at_ms: u64,
    /// The consumer has the record, but for a part of it.
    pub(super) is_delivered: bool,
}

/// What makes two pushes the same.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Push {
    pub(super) is_letter: bool,
    pub(super) source: String,
    pub(super) push_id: String,
    pub(super) body: Vec<u8>,
}

impl Expected {
    pub(super) fn letter_totals(&self) -> (u64, u64) {
        let bytes = self.letters.values().map(|letter| letter.entry.bytes()).sum();
        (self.letters.len() as u64, bytes)
    }

    /// True, and noted, unless the same came within the window.
    pub(super) fn is_new(&mut self, push: Push, now_ms: u64, settings: &Settings) -> bool {
        let window = settings.duplicates.window.as_millis();
        let is_new = self.pushes.get(&push).is_none_or(|at_ms| u128::from(now_ms - at_ms) > window);
        if is_new {
            self.pushes.insert(push, now_ms);
        }
        is_new
    }

    /// A record that has just come in, to whoever takes it.
    pub(super) fn deliver(&mut self, entry: &Entry) {
        for (name, consumer) in &mut self.consumers {
            if consumer.is_following && consumer.takes(name, entry) {
                consumer.receive(entry.id);
            }
        }
        self.records.insert(entry.id, entry.clone());
    }

    /// What a consumer refused before, it refuses anew.
    pub(super) fn refuse(&mut self, entry: &Entry, refusal: Refusal) {
        let letter = self.letters.entry(entry.id).or_insert_with(|| Letter::new(entry));
        letter.refusals.retain(|before| before.consumer.is_none() || before.consumer != refusal.consumer);
        letter.refusals.push(refusal);
    }

    /// To whom a letter would go; with `again`, to those too that have it but for a part.
    pub(super) fn targets(&self, id: u64, to: Option<&[String]>, again: bool) -> Vec<String> {
        let Some(letter) = self.letters.get(&id) else { return Vec::new() };
        let is_of_intake = letter.refusals.iter().any(|refusal| refusal.consumer.is_none());
        let lacking = || letter.refusals.iter().filter(|refusal| again || !refusal.is_delivered);
        let has_refused = |name: &String| lacking().any(|refusal| refusal.consumer.as_ref() == Some(name));
        let mut targets = Vec::new();
        for (name, consumer) in &self.consumers {
            let takes_source = consumer.sources.iter().any(|source| **source == *letter.entry.source);
            let is_meant = to.is_none_or(|to| to.contains(name));
            if consumer.is_following && takes_source && is_meant && (is_of_intake || has_refused(name)) {
                targets.push(name.clone());
            }
        }
        targets
    }

    /// The letter goes to these; for the others it stays.
    pub(super) fn revive(&mut self, id: u64, targets: &[String], now_ms: u64) {
        // Of the intake's letters, nobody has a part.
        let mut others = self.targets(id, None, true);
        others.retain(|name| !targets.contains(name));
        let letter = self.letters.get_mut(&id).expect("it is a letter");
        if let Some(refusal) = letter.refusals.iter().find(|refusal| refusal.consumer.is_none()).cloned() {
            let stays_for = |name| Refusal { consumer: Some(name), ..refusal.clone() };
            letter.refusals = others.into_iter().map(stays_for).collect();
        }
        letter.refusals.retain(|it| it.consumer.as_ref().is_none_or(|name| !targets.contains(name)));
        let entry = Entry {
            id: self.next_id,
            received_ms: now_ms,
            only: targets.to_vec(),
            is_replay: true,
            ..letter.entry.clone()
        };
        if letter.refusals.is_empty() {
            self.letters.remove(&id);
        }
        self.next_id += 1;
        self.deliver(&entry);
    }

    /// Letters go that are too old or too many; `listed` are those that can be found.
    pub(super) fn expire_letters(&mut self, listed: &BTreeMap<u64, Letter>, now_ms: u64, settings: &Settings) {
        let limits = settings.dead_letters;
        let oldest_ms = now_ms - u64::try_from(limits.keep.as_millis()).expect("a few minutes");
        for (id, letter) in listed {
            let died_ms = letter.refusals.iter().map(|refusal| refusal.at_ms).max().expect("somebody refused it");
            if died_ms < oldest_ms || self.letter_totals().1 > limits.bytes_max {
                self.letters.remove(id);
            }
        }
    }
}

impl Consumer {
    pub(super) fn takes(&self, name: &str, entry: &Entry) -> bool {
        let is_meant = entry.only.is_empty() || entry.only.iter().any(|known| known == name);
        is_meant && self.sources.iter().any(|source| **source == *entry.source)
    }

    pub(super) fn receive(&mut self, id: u64) {
        *self.due.entry(id).or_default() += 1;
        self.counts.received += 1;
    }

    /// One delivery is done with. False if none was due.
    pub(super) fn is_done_with(&mut self, id: u64) -> bool {
        let Some(times) = self.due.get_mut(&id) else { return false };
        *times -= 1;
        if *times == 0 {
            self.due.remove(&id);
        }
        true
    }

    pub(super) fn waiting(&self) -> u64 {
        self.due.values().sum()
    }
}

impl Letter {
    fn new(entry: &Entry) -> Self {
        Letter { entry: entry.clone(), refusals: Vec::new() }
    }

    /// Who, and whether he has it all the same.
    pub(super) fn refused_by(&self) -> Vec<(Option<&str>, bool)> {
        self.refusals.iter().map(|refusal| (refusal.consumer.as_deref(), refusal.is_delivered)).collect()
    }
}
