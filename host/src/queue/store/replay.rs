//! History is delivered once more: a consumer gets another way through the log.
//!
//! The log may be long, so what a replay delivers is counted piece by piece; the way is added with the last piece.

use super::{Lane, SharedFollower, Store, locked};
use crate::queue::StoreError;
use serde::{Deserialize, Serialize};

/// What a replay delivers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replay {
    pub records: u64,
    /// Of their bodies.
    pub bytes: u64,
    /// When the oldest record that is still there was received, in milliseconds since 1970; none when there is none.
    pub history_since_ms: Option<u64>,
    /// A mapping that some of them were delivered with, another one than today's if there is any, and the one they are
    /// mapped with now; equal ones make the same bytes of them. None where it is not known.
    pub mapped_then: Option<String>,
    pub mapped_now: Option<String>,
}

/// How far counting has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passage {
    next: u64,
    end: u64,
    /// The first record that is delivered.
    first: Option<u64>,
    records: u64,
    bytes: u64,
}

/// What is looked at in one go.
const RECORDS_AT_ONCE: usize = 5_000;
const BYTES_AT_ONCE: u64 = 8 * 1024 * 1024;

impl Store {
    /// Delivers what is in the log since then once more to a consumer; with `dry_run` it only counts. To be called with
    /// the passage that it gives, until it gives a replay. None when the consumer is not known, or takes nothing any more.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub(in crate::queue) fn replay(
        &mut self,
        name: &str,
        since_ms: u64,
        dry_run: bool,
        passage: Option<Passage>,
    ) -> Result<Option<Result<Replay, Passage>>, StoreError> {
        let Some(follower) = self.followers.get(name).cloned() else { return Ok(None) };
        if !locked(&follower).is_following() {
            return Ok(None);
        }
        let mut passage = passage.unwrap_or_else(|| self.passage(&follower, since_ms));
        // What was counted and given back since is not delivered.
        let oldest = self.segments.values().next().map_or(self.log.next_id, |segment| segment.first_id);
        if passage.first.is_some_and(|first| first < oldest) {
            passage = self.passage(&follower, since_ms);
        }
        let stretch = self.reader.stretch(passage.next, passage.end, RECORDS_AT_ONCE, BYTES_AT_ONCE)?;
        {
            let following = locked(&follower);
            for entry in &stretch.entries {
                // A clock that was set back does not take records out of the stretch that is delivered.
                let is_late_enough = passage.first.is_some() || entry.received_ms >= since_ms;
                if !is_late_enough || !following.takes(entry) {
                    continue;
                }
                passage.first.get_or_insert(entry.id);
                passage.records += 1;
                passage.bytes += entry.record.body.len() as u64;
            }
        }
        passage.next = stretch.next;
        if passage.next < passage.end {
            return Ok(Some(Err(passage)));
        }
        let history = self.segments.values().find(|segment| segment.records > 0);
        let mut replay = Replay {
            records: passage.records,
            bytes: passage.bytes,
            history_since_ms: history.map(|segment| segment.first_ms),
            ..Replay::default()
        };
        {
            let mut following = locked(&follower);
            let then = passage.first.and_then(|first| following.mapped_then(first, passage.end));
            replay.mapped_then = then.map(str::to_owned);
            replay.mapped_now = following.mappings.last().map(|mapping| mapping.fingerprint.clone());
            if let Some(first) = passage.first.filter(|_| !dry_run) {
                following.counts.received += passage.records;
                following.add_lane(Lane::replay(first, passage.end));
            }
        }
        if !dry_run {
            self.write(true)?;
        }
        Ok(Some(Ok(replay)))
    }

    fn passage(&self, follower: &SharedFollower, since_ms: u64) -> Passage {
        // What still waits is delivered anyway.
        let end = locked(follower).undelivered_from().unwrap_or(self.log.next_id);
        let next = self.segments.values().find(|segment| segment.last_ms >= since_ms).map_or(end, |it| it.first_id);
        Passage { next, end, first: None, records: 0, bytes: 0 }
    }
}
