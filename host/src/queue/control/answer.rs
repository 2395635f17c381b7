//! Requests are answered on a store.

use super::{ConsumerState, ControlError, Counts, Request, Response, Totals, letters};
use crate::queue::store::{Follower, Pace, Store, locked};
use crate::queue::{Durability, StoreError};
use std::fs;

/// What is looked at for the oldest record that waits.
const RECORDS_FOR_OLDEST: usize = 256;
const BYTES_FOR_OLDEST: u64 = 1024 * 1024;

/// Answers a request; every change is on disk afterwards.
///
/// # Errors
/// When the store cannot be read or written, or what is asked for is not there.
pub(in crate::queue) fn answer(
    store: &mut Store,
    request: Request,
    now_ms: u64,
    pace: Pace,
) -> Result<Response, ControlError> {
    match request {
        Request::Totals => Ok(Response::Totals(totals(store))),
        Request::Consumers => {
            let consumers: Result<_, _> = store.followers().map(|it| state(store, &locked(it).clone())).collect();
            Ok(Response::Consumers { consumers: consumers? })
        }
        Request::Forget { consumer } => {
            let waiting = store.forget(&consumer);
            store.write(true)?;
            Ok(Response::Forgotten { waiting })
        }
        Request::Letters { filter, next, count_max } => letters::list(store, &filter, next, count_max),
        Request::Letter { id } => letters::one(store, id),
        Request::Bodies { filter, next } => letters::bodies(store, &filter, next),
        Request::Revive { which, consumers, dry_run } => {
            letters::revive(store, which, consumers.as_deref(), dry_run, now_ms)
        }
        Request::Purge { which, dry_run } => letters::purge(store, which, dry_run),
        Request::Replay { consumer, since_ms, dry_run, passage } => {
            match store.replay(&consumer, since_ms, dry_run, passage)? {
                Some(Ok(replay)) => Ok(Response::Replay(replay)),
                Some(Err(passage)) => Ok(Response::Counting { passage }),
                None => Err(ControlError::NoConsumer(consumer)),
            }
        }
        Request::Erase { session, dry_run, place } => {
            let (erased, place) = store.erase(&|record| session.is_in(record), place, dry_run, pace)?;
            Ok(Response::Erased { erased, place })
        }
    }
}

fn totals(store: &Store) -> Totals {
    let (dead_letters, dead_letter_bytes) = store.letter_totals();
    let (records, history_since_ms) = store.records();
    let durability = match store.settings().durability {
        Durability::Fsync => "fsync",
        Durability::Interval(_) => "interval",
        Durability::Memory => "memory",
    };
    Totals {
        durability: durability.to_owned(),
        records,
        bytes: store.bytes(),
        bytes_max: store.settings().bytes_max,
        dead_letters,
        dead_letter_bytes,
        disk_bytes: store.disk_space(),
        free_bytes: store.free_bytes(),
        history_since_ms,
        quarantined: fs::read_dir(store.folder().join("quarantine")).map_or(0, |files| files.count() as u64),
    }
}

fn state(store: &Store, follower: &Follower) -> Result<ConsumerState, StoreError> {
    let counts = &follower.counts;
    let lanes = || follower.lanes.values();
    Ok(ConsumerState {
        name: follower.name.clone(),
        is_following: follower.is_following(),
        sources: follower.sources.clone(),
        waiting: follower.waiting(),
        counts: Counts {
            received: counts.received,
            delivered: counts.delivered,
            skipped: counts.skipped,
            duplicates: counts.duplicates,
            superseded: counts.superseded,
            dead_lettered: counts.dead_lettered,
            dropped: counts.dropped,
            damaged: counts.damaged,
            erased: counts.erased,
        },
        floor: follower.floor(),
        next: lanes().find(|lane| lane.end().is_none()).map(|lane| lane.next()),
        oldest_waiting_ms: if follower.waiting() > 0 { oldest_waiting_ms(store, follower)? } else { None },
        replays: lanes()
            .filter(|lane| lane.is_replay() && !lane.is_done())
            .filter_map(|lane| Some((lane.floor(), lane.end()?)))
            .collect(),
        mappings: follower.mappings.iter().map(|it| (it.since_id, it.fingerprint.clone())).collect(),
    })
}

/// When the oldest record that waits was received, unless nothing near its place waits.
fn oldest_waiting_ms(store: &Store, follower: &Follower) -> Result<Option<u64>, StoreError> {
    let Some(floor) = follower.floor() else { return Ok(None) };
    let stretch = store.reader().stretch(floor, store.next_id(), RECORDS_FOR_OLDEST, BYTES_FOR_OLDEST)?;
    Ok(stretch.entries.iter().find(|entry| follower.takes(entry)).map(|entry| entry.received_ms))
}
