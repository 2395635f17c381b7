//! The records on disk: what was taken in, how far each consumer has come, what no retry can help, and what was seen
//! before. All of it lies in one store, so that one transaction moves a record.
//!
//! # What is promised
//!
//! - A transaction is made as a whole or not at all, and after a commit with `sync` it outlasts a power cut.
//! - A record stays until every consumer that is to have it has settled it, and for as long after as `keep` says.
//! - What a consumer settled is written with the next transaction. After a crash before that, it is taken again: delivered
//!   twice, never not at all.
//! - A record that became a dead letter is either waiting or a dead letter, never both, never neither.
//!
//! # What is not
//!
//! - No order is promised between records, and nothing here knows when to try again: that is for the consumers.
//! - The store knows no threads. Whoever owns it (`keeper.rs`) calls it from one; readers share the tables alone.

mod admit;
mod agreement;
mod database;
mod entry;
mod erase;
mod folder;
mod follower;
mod journals;
mod lane;
mod letters;
mod reader;
mod recent;
mod recovery;
mod replay;
mod retention;
mod rows;
mod seal;
mod seen;
mod versions;
mod watermark;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use super::{ConsumerSettings, Settings, StartFrom, StoreError};
use database::{Table, Transaction};
use folder::Folder;
use prost::Message as _;
use rows::{LogRow, SegmentRow};
use seal::Seal;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use watermark::Watermark;

pub(super) use admit::Arrival;
#[cfg(test)]
use admit::Taken;
pub(super) use entry::Entry;
pub(super) use erase::Pace;
pub use erase::{Erased, Place};
pub use folder::{Examined, examine};
pub(super) use follower::{Fate, Follower, LaneNumber};
pub(super) use lane::Lane;
pub(super) use letters::Verdict;
pub use letters::{Letter, LetterId, Refusal};
pub(super) use reader::{Reader, Stretch};
pub(super) use recovery::Recovered;
pub use replay::{Passage, Replay};
pub(super) use retention::Fullness;
pub use seen::TraceIdentity;
pub(super) use seen::{BodyDigest, digest};

/// See the module's documentation.
pub(super) struct Store {
    folder: Folder,
    watermark: Watermark,
    settings: Settings,
    limits: Limits,
    reader: Reader,
    log: LogRow,
    /// Oldest first; the last one is written to.
    segments: BTreeMap<u32, SegmentRow>,
    followers: BTreeMap<String, SharedFollower>,
    /// What the next transaction has to hold beside arrivals: it stays here until one succeeded.
    pending: Transaction,
    /// The id after the last record that the last transaction knew of.
    written_id: u64,
    /// Whether something was committed and not synced.
    is_unsynced: bool,
    /// Came in since what is in memory was last written to files.
    unflushed_bytes: u64,
    /// From which dead letter on they are looked at next, whether they are too old.
    letters_looked_to: LetterId,
    /// Counted since the store was opened.
    tally: Tally,
}

/// A consumer, shared with whoever takes its records.
pub(super) type SharedFollower = Arc<Mutex<Follower>>;

/// What happened to records that no consumer counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Pushes that had been taken in before.
    pub(super) duplicate_pushes: u64,
    /// Dead letters that were given up, being too old or too many.
    pub(super) expired_letters: u64,
    /// Settled records that were given back before their time, since there was no room.
    pub(super) expired_history: u64,
    /// Records that cannot be read any more.
    pub(super) damaged: u64,
}

/// How large a segment grows: never to as many files as would have the library slow writers down, which is 20. What is
/// dropped for want of room is dropped by segments, so a small queue has small ones.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// While every consumer keeps up.
    segment_bytes: u64,
    /// At most.
    segment_bytes_max: u64,
}

impl Limits {
    fn of(settings: &Settings) -> Self {
        const MIB: u64 = 1024 * 1024;
        let segment_bytes_max = (settings.bytes_max / 16).min(128 * MIB);
        Limits { segment_bytes: segment_bytes_max.min(12 * MIB), segment_bytes_max }
    }
}

pub(super) fn locked(follower: &SharedFollower) -> MutexGuard<'_, Follower> {
    follower.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store {
    /// What is in memory may be read by others, through this.
    pub(super) fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// The id that the next record gets.
    pub(super) fn next_id(&self) -> u64 {
        self.log.next_id
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    pub(super) fn followers(&self) -> impl Iterator<Item = &SharedFollower> {
        self.followers.values()
    }

    #[cfg(test)]
    fn follower(&self, name: &str) -> Option<&SharedFollower> {
        self.followers.get(name)
    }

    /// A consumer of this name takes the records of these sources from now on. One that is not known begins where its
    /// settings say; one that is known goes on.
    pub(super) fn join(
        &mut self,
        name: &str,
        sources: Vec<String>,
        settings: ConsumerSettings,
        mapping: &str,
    ) -> Result<SharedFollower, StoreError> {
        let is_known = self.followers.contains_key(name);
        let follower = match self.followers.get(name) {
            Some(known) => Arc::clone(known),
            None => {
                let number = self.log.next_consumer;
                self.log.next_consumer += 1;
                let new = Arc::new(Mutex::new(Follower::new(name, number)));
                self.followers.insert(name.to_owned(), Arc::clone(&new));
                new
            }
        };
        let begins_at = match settings.start_from {
            StartFrom::Now => self.log.next_id,
            StartFrom::Earliest => self.segments.values().next().map_or(self.log.next_id, |segment| segment.first_id),
        };
        let mut received = 0;
        if is_known {
            let given_up = self.change_sources(&follower, &sources)?;
            if given_up > 0 {
                tracing::error!(
                    consumer = name,
                    records = given_up,
                    code = "inputs_changed",
                    "records that waited are given up: their source is no input of this consumer any more"
                );
            }
        }
        {
            let mut following = locked(&follower);
            following.sources = sources;
            following.settings = settings;
        }
        if !locked(&follower).is_following() {
            // One that was gone for a while has missed what came since: it had been told so.
            let begins_at = if is_known { self.log.next_id } else { begins_at };
            received = self.count_for(&follower, begins_at, self.log.next_id)?;
            locked(&follower).add_lane(Lane::from(begins_at, None));
        }
        {
            let mut following = locked(&follower);
            following.counts.received += received;
            // What waited is mapped with it too.
            let since_id = following.undelivered_from().unwrap_or(self.log.next_id);
            following.map_with(mapping, since_id);
        }
        Ok(follower)
    }

    /// A consumer maps with another mapping now: from the first record on that it is not done with. It may not be known.
    pub(super) fn map_with(&mut self, name: &str, mapping: &str) {
        let Some(follower) = self.followers.get(name) else { return };
        let mut following = locked(follower);
        let takes_what_comes = following.lanes.values().find(|lane| lane.end().is_none());
        let since_id = takes_what_comes.map_or(self.log.next_id, Lane::floor);
        following.map_with(mapping, since_id);
    }

    /// What waits for a consumer is from now on what it takes of these sources, as if it had been told so when it came.
    /// How many records it takes no more.
    fn change_sources(&self, follower: &SharedFollower, sources: &[String]) -> Result<u64, StoreError> {
        let before = locked(follower).clone();
        if before.sources == sources {
            return Ok(0);
        }
        let mut after = Follower { sources: sources.to_owned(), ..before.clone() };
        let mut lanes = std::mem::take(&mut after.lanes);
        let (mut more, mut fewer) = (0, 0);
        for lane in lanes.values_mut() {
            let end = lane.end().unwrap_or(self.log.next_id);
            self.reader.each(lane.floor(), end, &mut |entry| {
                let waits = entry.id >= lane.next() || lane.is_open(entry.id);
                match (waits && before.takes(&entry), waits && after.takes(&entry)) {
                    (true, false) => {
                        lane.settle(entry.id);
                        fewer += 1;
                    }
                    (false, true) if entry.id >= lane.next() => more += 1,
                    _ => {}
                }
            })?;
        }
        after.lanes = lanes;
        after.counts.received = (after.counts.received + more).saturating_sub(fewer);
        *locked(follower) = after;
        Ok(fewer)
    }

    /// These sources, and those whose records wait for a consumer and that nobody has any more: one that was renamed.
    pub(super) fn with_renamed(&self, name: &str, mut sources: Vec<String>, all: &[String]) -> Vec<String> {
        if let Some(follower) = self.followers.get(name).map(locked).filter(|follower| follower.waiting() > 0) {
            let gone = follower.sources.iter().filter(|source| !all.contains(source) && !sources.contains(source));
            let gone: Vec<String> = gone.cloned().collect();
            sources.extend(gone);
        }
        sources
    }

    /// Consumers that are known and not among these get nothing more; what waits for them stays. Says which ones have
    /// something waiting, and how much.
    pub(super) fn leave_all_but(&mut self, names: &[String]) -> Vec<(String, u64)> {
        let mut left = Vec::new();
        for (name, follower) in &self.followers {
            if names.contains(name) {
                continue;
            }
            let mut follower = locked(follower);
            let next_id = self.log.next_id;
            let waiting = follower.waiting();
            for lane in follower.lanes.values_mut().filter(|lane| lane.end().is_none()) {
                lane.end_at(next_id);
                if waiting == 0 {
                    lane.pass_to(next_id);
                }
            }
            if waiting > 0 {
                left.push((name.clone(), waiting));
            }
        }
        left
    }

    /// Forgets a consumer and what waits for it. None when it is not known.
    pub(super) fn forget(&mut self, name: &str) -> Option<u64> {
        let follower = self.followers.remove(name)?;
        self.pending.remove(Table::State, consumer_key(name));
        let mut follower = locked(&follower);
        let waiting = follower.waiting();
        follower.lanes.clear();
        Some(waiting)
    }

    /// Writes what is pending, and with `sync` has all of it on disk.
    pub(super) fn write(&mut self, sync: bool) -> Result<(), StoreError> {
        self.commit(Transaction::default(), sync)
    }

    /// Makes one transaction of these changes, what is pending, and how far everybody has come. On an error nothing is
    /// changed, and what was pending still is.
    fn commit(&mut self, transaction: Transaction, sync: bool) -> Result<(), StoreError> {
        let transaction = self.completed(transaction);
        self.reader.with(|database| database.commit(transaction, sync))?;
        self.is_committed(sync);
        Ok(())
    }

    /// These changes with all that belongs to a transaction.
    fn completed(&self, mut transaction: Transaction) -> Transaction {
        transaction.append(&self.pending);
        transaction.put(Table::State, LOG_KEY, self.log.encode_to_vec());
        if let Some((number, segment)) = self.segments.last_key_value() {
            transaction.put(Table::State, segment_key(*number), segment.encode_to_vec());
        }
        for (name, follower) in &self.followers {
            let mut follower = locked(follower);
            follower.forget_done_lanes();
            transaction.put(Table::State, consumer_key(name), follower.to_row().encode_to_vec());
        }
        transaction
    }

    fn is_committed(&mut self, sync: bool) {
        self.pending = Transaction::default();
        self.written_id = self.log.next_id;
        if sync {
            self.watermark.raise(self.written_id);
        }
        self.is_unsynced = !sync;
    }

    /// Has everything on disk that was written.
    pub(super) fn sync(&mut self) -> Result<(), StoreError> {
        if self.is_unsynced {
            self.reader.with(database::Database::sync)?;
            self.is_unsynced = false;
            self.watermark.raise(self.written_id);
        }
        Ok(())
    }

    /// Has everything on disk, and says that nothing has to be looked for at the next start.
    pub(super) fn close(mut self) -> Result<(), StoreError> {
        self.write(true)?;
        self.reader.close();
        recovery::mark_clean(&self.folder);
        Ok(())
    }

    /// How many of these records a consumer takes.
    fn count_for(&self, follower: &SharedFollower, from: u64, end: u64) -> Result<u64, StoreError> {
        let mut count = 0;
        if from < end {
            self.reader.each(from, end, &mut |entry| count += u64::from(locked(follower).takes(&entry)))?;
        }
        Ok(count)
    }

    fn seal(&self) -> &Seal {
        self.reader.seal()
    }
}

const LOG_KEY: &[u8] = b"log";
const SEGMENT_PREFIX: &str = "segment/";
const CONSUMER_PREFIX: &str = "consumer/";

fn segment_key(number: u32) -> Vec<u8> {
    format!("{SEGMENT_PREFIX}{number:010}").into_bytes()
}

fn consumer_key(name: &str) -> Vec<u8> {
    format!("{CONSUMER_PREFIX}{name}").into_bytes()
}

/// The key of a row that belongs to a record.
fn id_key(id: u64) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}
