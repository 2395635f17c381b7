//! A candidate that maps the records of a transform beside the plugin in service, so that it can be seen what would be
//! different with it. Nothing of what it makes leaves this process.
//!
//! It has a thread of its own, which gets only what all others leave of the processor, and takes a batch when it is done
//! with the last one: whatever comes meanwhile is counted and not compared. So a candidate that loops, hoards or traps
//! costs nobody anything, and one that fails nearly everything is not given anything more.

mod difference;
mod tally;

use super::error::CallError;
use super::{Outcome, Plugin};
use crate::record::Record;
use crate::telemetry::Component;
use rustix::process::nice;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use tally::Tally;
use tokio::sync::mpsc;

pub use difference::{Difference, What};
pub use tally::{Counted, Report};

/// A candidate and its thread, which ends when this is dropped.
pub struct Shadow {
    candidate: Arc<Plugin>,
    batches: mpsc::Sender<Batch>,
    seen: Arc<Seen>,
}

/// What the thread has found out.
struct Seen {
    tally: Tally,
    is_given_up: AtomicBool,
}

/// What was mapped, and what became of it. Records that wait are not among them.
struct Batch {
    in_service: Arc<Plugin>,
    records: Vec<Record>,
    outcomes: Vec<Outcome>,
}

/// Batches that wait while one is compared.
const BATCHES_MAX: usize = 1;
/// The least that a thread can ask of the scheduler.
const NICENESS: i32 = 19;

impl Shadow {
    /// Begins with nothing compared. The transform of this name reports as this component.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(candidate: Plugin, transform: &str, component: &Component) -> io::Result<Self> {
        let candidate = Arc::new(candidate);
        let seen = Arc::new(Seen { tally: Tally::new(component), is_given_up: AtomicBool::new(false) });
        let (batches, mut received) = mpsc::channel(BATCHES_MAX);
        let (plugin, looking, transform) = (Arc::clone(&candidate), Arc::clone(&seen), transform.to_owned());
        // It holds nothing that would have to be finished, so nobody waits for its end.
        thread::Builder::new().name("callspan-shadow".to_owned()).spawn(move || {
            if let Err(error) = nice(NICENESS) {
                tracing::debug!(%error, "the thread of a candidate has the priority of all others");
            }
            while let Some(batch) = received.blocking_recv() {
                looking.compare(&plugin, &batch);
                if plugin.hold.is_due() && !looking.is_given_up.swap(true, Ordering::Relaxed) {
                    let (code, plugin) = ("candidate_failed", &**plugin.title());
                    tracing::warn!(transform, plugin, code, "the candidate fails its records, and is given no more");
                }
            }
        })?;
        Ok(Shadow { candidate, batches, seen })
    }

    /// What maps beside the plugin in service.
    pub fn candidate(&self) -> &Arc<Plugin> {
        &self.candidate
    }

    /// Whether it failed so much that it is given nothing any more.
    pub fn is_given_up(&self) -> bool {
        self.seen.is_given_up.load(Ordering::Relaxed)
    }

    /// What has come of it since it began, or since it is compared with what is in service now.
    pub fn report(&self) -> Report {
        self.seen.tally.report()
    }

    /// Has it map what the plugin in service has just mapped, unless it is busy.
    pub fn offer(&self, in_service: &Arc<Plugin>, records: &[Record], outcomes: &[Option<Outcome>]) {
        let mapped = || records.iter().zip(outcomes).filter_map(|(record, outcome)| Some((record, outcome.as_ref()?)));
        let permit = if self.is_given_up() { None } else { self.batches.try_reserve().ok() };
        match permit {
            Some(permit) => {
                let (records, outcomes) = mapped().map(|(record, outcome)| (record.clone(), outcome.clone())).unzip();
                permit.send(Batch { in_service: Arc::clone(in_service), records, outcomes });
            }
            None => self.seen.tally.skip(mapped().count() as u64),
        }
    }
}

impl Seen {
    fn compare(&self, candidate: &Plugin, batch: &Batch) {
        let Batch { in_service, records, outcomes } = batch;
        let contracts = [in_service.contract(), candidate.contract()];
        let judge = |outcome: &Outcome, judged: Result<Outcome, CallError>| {
            match &judged {
                Ok(_) => candidate.hold.worked(),
                Err(_) => {
                    candidate.hold.failed();
                }
            }
            let judged = judged.map_err(|error| error.code());
            self.tally.add(in_service.fingerprint(), &difference::compare(outcome, &judged, contracts));
        };
        match candidate.call(records) {
            Ok(judged) => outcomes.iter().zip(judged).for_each(|(outcome, judged)| judge(outcome, judged)),
            Err(_) => {
                for (at, (record, outcome)) in records.iter().zip(outcomes).enumerate() {
                    if candidate.hold.is_due() {
                        return self.tally.skip((records.len() - at) as u64);
                    }
                    judge(outcome, candidate.judge_alone(record));
                }
            }
        }
    }
}
