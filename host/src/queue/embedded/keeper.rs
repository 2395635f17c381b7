//! The thread that writes. Everything that waits becomes one transaction and shares one fsync; answers go out only then.
//!
//! When the disk does not work, senders are told to come again, what consumers settled stays in memory, and the store is
//! opened again until it works: a library that failed to write once does not know any more what is on the disk.

use super::consumer::Settled;
use super::drain::Drain;
use super::inbox::Waiting;
use super::numbers::Numbers;
use super::{Gate, Shared};
use crate::queue::receipt::Settler;
use crate::queue::store::{Arrival, Fullness, Recovered, Store};
use crate::queue::{Durability, Refused, Settlement, StoreError, now_ms};
use crate::record::Rejection;
use crate::telemetry::Reporter;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Keeper {
    store: Store,
    shared: Arc<Shared>,
    numbers: Numbers,
    /// How fast consumers come through.
    drain: Drain,
    health: Reporter,
    durability: Durability,
    /// Settled by consumers, and not even noted: the store could not look up what it has to know for that.
    unnoted: Vec<Settled>,
    /// Settled by consumers, and not written yet.
    unwritten: Vec<Settled>,
    /// When the store failed, and is to be opened again.
    broken: bool,
    last_sync: Instant,
    last_housekeeping: Instant,
    /// When the last transaction was begun, and how many records came in with it.
    last_begun: Instant,
    last_arrivals: usize,
}

/// With so many records in a transaction there is a crowd: transactions then begin at least this far apart, so that more
/// records share one. Whoever comes alone waits for nobody.
const CROWD: usize = 4;
const PACE: Duration = Duration::from_millis(3);
/// What consumers settled waits this long for a transaction of somebody else.
const SETTLED_PATIENCE: Duration = Duration::from_millis(50);
const HOUSEKEEPING: Duration = Duration::from_secs(1);
const NOT_WRITTEN: Settlement = Settlement::NotTaken(Refused::Broken);
/// Between tries to open the store again.
const REOPEN_DELAY: Duration = Duration::from_secs(1);

impl Keeper {
    pub(super) fn new(store: Store, shared: Arc<Shared>, numbers: Numbers, health: Reporter) -> Self {
        let durability = store.settings().durability;
        let (last_sync, last_housekeeping) = (Instant::now(), Instant::now());
        Keeper {
            store,
            shared,
            numbers,
            drain: Drain::default(),
            health,
            durability,
            unnoted: Vec::new(),
            unwritten: Vec::new(),
            broken: false,
            last_sync,
            last_housekeeping,
            last_begun: last_sync,
            last_arrivals: 0,
        }
    }

    pub(super) fn run(mut self) {
        self.look_at_the_disk(0);
        self.numbers.publish(&self.store);
        while let Some(waiting) = self.take() {
            if self.broken && !self.reopen() {
                self.refuse_all(waiting);
                std::thread::sleep(REOPEN_DELAY.min(SETTLED_PATIENCE));
                continue;
            }
            self.work(waiting);
            if self.last_housekeeping.elapsed() >= HOUSEKEEPING {
                self.last_housekeeping = Instant::now();
                let kept = self.store.keep_house(now_ms());
                self.note(kept);
                self.look_at_the_disk(0);
            }
            self.numbers.publish(&self.store);
        }
        let Keeper { store, .. } = self;
        if let Err(error) = store.close() {
            tracing::error!(%error, code = "queue_not_closed", "the queue was not closed; it is opened as after a crash");
        }
    }

    /// What waits, once it is time to look at it.
    fn take(&mut self) -> Option<Waiting> {
        if self.last_arrivals >= CROWD {
            std::thread::sleep(PACE.saturating_sub(self.last_begun.elapsed()));
        }
        let waiting = self.shared.inbox.take(SETTLED_PATIENCE, self.patience())?;
        self.last_begun = Instant::now();
        self.last_arrivals = waiting.arrivals.len();
        Some(waiting)
    }

    /// How long nothing has to come before it is looked around.
    fn patience(&self) -> Duration {
        match self.durability {
            Durability::Interval(interval) => interval.min(HOUSEKEEPING),
            Durability::Fsync | Durability::Memory => HOUSEKEEPING,
        }
    }

    /// One transaction of everything that waits.
    fn work(&mut self, waiting: Waiting) {
        let Waiting { arrivals, refusals, settled, errands } = waiting;
        let now_ms = now_ms();
        self.settle(settled, now_ms);
        let kept = refusals.iter().try_for_each(|(arrival, why, _)| self.store.refuse(arrival, why, now_ms).map(drop));
        let (arrivals, settlers): (Vec<_>, Vec<_>) = arrivals.into_iter().unzip();

        let bytes: u64 = arrivals.iter().map(|arrival| arrival.record.body.len() as u64).sum();
        let is_somebody_waiting = !(arrivals.is_empty() && refusals.is_empty());
        let sync = is_somebody_waiting && self.durability == Durability::Fsync;
        let is_open = arrivals.is_empty() || self.look_at_the_disk(bytes);
        let written = kept.and_then(|()| {
            if !arrivals.is_empty() && is_open {
                self.store.admit(&arrivals, now_ms, sync)
            } else if is_somebody_waiting || !self.unwritten.is_empty() {
                self.store.write(sync).map(|()| Vec::new())
            } else {
                Ok(Vec::new())
            }
        });
        match written {
            Ok(taken) => {
                self.shared.tail.extend(taken.iter().filter_map(|taken| taken.entry().map(Arc::clone)));
                self.shared
                    .stored
                    .send_if_modified(|stored| std::mem::replace(stored, self.store.next_id()) != self.store.next_id());
                let settlement = match self.shared.gate() {
                    Gate::Shut(refused) if !is_open => Settlement::NotTaken(refused),
                    _ => Settlement::Acknowledged,
                };
                answer(settlers, &settlement);
                refusals.into_iter().for_each(|(_, why, settler)| settler.settle(Settlement::Rejected(why)));
                self.unwritten.drain(..).for_each(Settled::written);
                let flushed = self.store.flush_sometimes(bytes);
                self.note(flushed);
            }
            Err(error) => {
                // Whoever is told to come again finds the reason.
                self.note(Err(error));
                answer(settlers, &NOT_WRITTEN);
                answer(settlers_of(refusals), &NOT_WRITTEN);
            }
        }
        errands.into_iter().for_each(|errand| errand(&mut self.store));
        // Errands may have stored something.
        self.shared
            .stored
            .send_if_modified(|stored| std::mem::replace(stored, self.store.next_id()) != self.store.next_id());
        if let Durability::Interval(interval) = self.durability
            && self.last_sync.elapsed() >= interval
        {
            self.last_sync = Instant::now();
            let synced = self.store.sync();
            self.note(synced);
        }
    }

    fn settle(&mut self, settled: Vec<Settled>, now_ms: u64) {
        let unnoted = std::mem::take(&mut self.unnoted);
        for settled in unnoted.into_iter().chain(settled) {
            let noted =
                self.store.settle(settled.seat.follower(), settled.lane(), settled.entry(), &settled.verdict, now_ms);
            self.drain.add(settled.seat.follower(), settled.entry().bytes());
            let settled_so_far = if noted.is_ok() { &mut self.unwritten } else { &mut self.unnoted };
            settled_so_far.push(settled);
            self.note(noted);
        }
    }

    /// Whether so much more can be taken in; entrances know it from now on.
    fn look_at_the_disk(&mut self, bytes: u64) -> bool {
        if self.broken {
            return false;
        }
        let fullness = match self.store.fullness(bytes) {
            Ok(fullness) => fullness,
            Err(error) => {
                self.note(Err(error));
                return false;
            }
        };
        let (before, gate) = (self.shared.gate(), Gate::of(fullness));
        if fullness.is_some() {
            self.shared.set_retry_after(self.drain.time_for(&self.store.held_up_by()));
        }
        if before != gate {
            self.shared.set_gate(gate);
            match fullness {
                None => {
                    self.health.well();
                    tracing::info!("the queue takes records in again");
                }
                Some(Fullness::Queue) => {
                    self.health.trouble_is("the queue is full: a consumer is far behind");
                    tracing::error!(
                        code = "queue_full",
                        bytes = self.store.bytes(),
                        "the queue is full, and nothing more is taken in"
                    );
                }
                Some(Fullness::Disk) => {
                    self.health.trouble_is("the disk has too little room left");
                    let free = self.store.free_bytes();
                    tracing::error!(
                        code = "disk_full",
                        free,
                        "the disk has too little room left, and nothing more is taken in"
                    );
                }
            }
        }
        fullness.is_none()
    }

    /// After a failure the store is opened again.
    fn note(&mut self, done: Result<(), StoreError>) {
        let Err(error) = done else { return };
        if !self.broken {
            self.broken = true;
            self.shared.set_gate(Gate::Shut(Refused::Broken));
            self.health.trouble_is("the queue's disk does not work");
            tracing::error!(%error, code = "queue_broken", "the queue cannot write: nothing is taken in until it can");
        }
    }

    /// True when the store works again.
    fn reopen(&mut self) -> bool {
        if self.last_housekeeping.elapsed() < REOPEN_DELAY {
            return false;
        }
        self.last_housekeeping = Instant::now();
        let has_room = self.store.free_bytes().is_none_or(|free| free >= self.store.settings().free_bytes_min);
        if !has_room {
            return false;
        }
        match self.store.reopen(now_ms()) {
            Ok(recovered) => {
                tell_of_recovery(&recovered);
                self.shared.tail.clear();
                self.broken = false;
                tracing::info!("the queue was opened again");
                self.shared.set_gate(Gate::Open);
                self.health.well();
                true
            }
            Err(error) => {
                tracing::warn!(%error, code = "queue_broken", "the queue could not be opened again");
                false
            }
        }
    }

    /// What waits while the store does not work.
    fn refuse_all(&mut self, waiting: Waiting) {
        let Waiting { arrivals, refusals, settled, errands } = waiting;
        answer(arrivals.into_iter().map(|(_, settler)| settler).collect(), &NOT_WRITTEN);
        answer(settlers_of(refusals), &NOT_WRITTEN);
        // They are noted in memory, and written when that works again.
        self.settle(settled, now_ms());
        errands.into_iter().for_each(|errand| errand(&mut self.store));
    }
}

fn answer(settlers: Vec<Settler>, settlement: &Settlement) {
    settlers.into_iter().for_each(|settler| settler.settle(settlement.clone()));
}

fn settlers_of(refusals: Vec<(Arrival, Rejection, Settler)>) -> Vec<Settler> {
    refusals.into_iter().map(|(_, _, settler)| settler).collect()
}

/// What was found when the store was opened belongs into the log.
pub(super) fn tell_of_recovery(recovered: &Recovered) {
    let Recovered { was_cut, lost, quarantined } = recovered;
    if *was_cut {
        tracing::info!("the last process did not close the queue: what it had stored is there");
    }
    for file in quarantined {
        tracing::error!(file = %file.display(), code = "quarantined", "a damaged file was set aside");
    }
    if *lost > 0 {
        tracing::error!(records = lost, code = "records_lost", "records that had been stored cannot be found any more");
    }
}
