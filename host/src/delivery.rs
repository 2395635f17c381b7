//! The loop that moves records from the queue to one sink: take a batch, transform it, export the traces, settle every
//! record. What happens on each failure is decided here and nowhere else.
//!
//! | what happened | what becomes of the record |
//! |---|---|
//! | the backend took the trace | acknowledged |
//! | the mapping yields nothing for it | acknowledged |
//! | the mapping, or the plugin's failure, refused it | rejected, with the reason |
//! | the backend refused the trace for good | rejected, code `backend_refused` |
//! | the queue knows the trace: it was delivered before | the queue has answered for it |
//! | the backend cannot take it now | tried again, for a while or for ever, then handed back to be retried |
//!
//! With a queue in memory, whoever appended the record still waits for the answer, so trying again is kept short: a sender
//! that waits too long gives up on its own, and sends again what was perhaps delivered. With one on disk nobody waits, and
//! it is tried until it succeeds.
//!
//! A record that comes alone is delivered at once. While a batch is under way, the next one is made up when that is done,
//! or when it is full, or has waited for a moment: so under load batches grow by themselves, and the price of a batch is
//! divided among more records (what Nagle's algorithm does for small packets).

mod reports;

use crate::export::{self, Backoff, BackoffSettings, Exporter, Prepared};
use crate::queue::{Consume, Deliver, Settlement, TraceIdentity};
use crate::record::{Record, Rejection};
use crate::span::Trace;
use crate::transform::{Outcome, Plugin, Slot, Workers};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

pub use reports::Reports;

/// How much is delivered at a time, and how long it is tried.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Records that are transformed and exported together.
    pub batch_records_max: usize,
    /// Bytes of their bodies; a single record may be larger.
    pub batch_bytes_max: usize,
    /// Batches that are under way at one time.
    pub batches_max: usize,
    /// How long a batch that is not full waits at most for one under way to be done.
    pub linger: Duration,
    /// For how long a batch is tried again; without it, until it succeeds.
    pub retry_for: Option<Duration>,
    /// The delays between tries.
    pub backoff: BackoffSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            batch_records_max: 64,
            batch_bytes_max: 8 * 1024 * 1024,
            batches_max: 8,
            linger: Duration::from_millis(5),
            retry_for: Some(Duration::from_secs(2)),
            backoff: BackoffSettings { initial_delay: Duration::from_millis(100), ..BackoffSettings::default() },
        }
    }
}

/// The way of records through one transform to one sink.
pub struct Route<C> {
    /// Where the records come from.
    pub consumer: C,
    /// The threads that map them, shared with other routes.
    pub workers: Workers,
    /// What maps them.
    pub plugin: Arc<Plugin>,
    /// Where their traces go.
    pub exporter: Arc<Exporter>,
    /// How.
    pub settings: Settings,
    /// What is told of it.
    pub reports: Reports,
}

/// What the batches of one route share.
struct Shared {
    plugin: Arc<Plugin>,
    exporter: Arc<Exporter>,
    settings: Settings,
    reports: Reports,
}

/// When a sender should come again, if the backend did not say so.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// Delivers until the queue is closed and drained; every record taken out is settled when this returns.
pub async fn run<C: Consume>(route: Route<C>) {
    let Route { mut consumer, workers, plugin, exporter, settings, reports } = route;
    let (batches_max, records_max, bytes_max) =
        (settings.batches_max.max(1), settings.batch_records_max, settings.batch_bytes_max);
    let linger = settings.linger;
    let shared = Arc::new(Shared { plugin, exporter, settings, reports });
    let mut under_way = JoinSet::new();
    consumer.begin().await;
    while consumer.has_more().await {
        if !under_way.is_empty() && consumer.waiting() < records_max {
            // It fails when time is up.
            let _one_is_done = timeout(linger, under_way.join_next()).await.map(note);
        }
        while under_way.len() >= batches_max {
            note(under_way.join_next().await);
        }
        // Without workers nothing can be mapped: what is left is dropped, which asks its senders to come again.
        let Ok(slot) = workers.slot().await else { break };
        let batch = consumer.take(records_max, bytes_max).await;
        under_way.spawn(deliver(batch, slot, Arc::clone(&shared)));
        while let Some(finished) = under_way.try_join_next() {
            note(Some(finished));
        }
    }
    while let Some(finished) = under_way.join_next().await {
        note(Some(finished));
    }
}

/// A batch that panicked has dropped its deliveries, which asks their senders to come again.
fn note(finished: Option<Result<(), tokio::task::JoinError>>) {
    if let Some(Err(error)) = finished {
        tracing::error!(%error, "a batch was not delivered");
    }
}

async fn deliver<D: Deliver>(batch: Vec<D>, slot: Slot, shared: Arc<Shared>) {
    let reports = &shared.reports;
    let records: Vec<Record> = batch.iter().map(|delivery| delivery.record().clone()).collect();
    let begun = Instant::now();
    // When the workers are gone the deliveries are dropped, which asks their senders to come again.
    let Ok(outcomes) = slot.transform(&shared.plugin, records).await else { return };
    reports.transformed(batch.len(), begun.elapsed());
    let mut waiting = Vec::with_capacity(batch.len());
    let mut traces = Vec::with_capacity(batch.len());
    for (delivery, outcome) in batch.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Trace(trace) => {
                let Some(delivery) = delivery.claim(identity(&trace)) else { continue };
                waiting.push(Some(delivery));
                traces.push(trace);
            }
            Outcome::Skipped => {
                reports.skipped();
                delivery.settle(Settlement::Acknowledged);
            }
            Outcome::Rejected(rejection) => {
                reports.rejected(&rejection);
                delivery.settle(Settlement::Rejected(rejection));
            }
        }
    }
    if !traces.is_empty() {
        reports.mapped(traces.len());
        let prepared = shared.exporter.prepare(traces);
        export(waiting, prepared, &shared).await;
    }
}

/// Exports what is prepared and settles its deliveries, trying again those that the backend cannot take now. Each
/// delivery is taken out of its place as it is settled.
async fn export<D: Deliver>(mut waiting: Vec<Option<D>>, mut prepared: Prepared, shared: &Shared) {
    let Shared { exporter, settings, reports, .. } = shared;
    let give_up_at = settings.retry_for.and_then(|retry_for| Instant::now().checked_add(retry_for));
    let mut backoff = Backoff::new(settings.backoff, fastrand::u64(..));
    loop {
        let begun = Instant::now();
        let outcomes = exporter.send(&mut prepared).await;
        reports.tried(begun.elapsed());
        let mut again = Again::default();
        for (index, outcome) in outcomes {
            let mut take = || waiting.get_mut(index).and_then(Option::take);
            match outcome {
                export::Outcome::Accepted => {
                    reports.accepted();
                    take().into_iter().for_each(|delivery| delivery.settle(Settlement::Acknowledged));
                }
                export::Outcome::Refused { reason } => {
                    reports.refused(&reason);
                    take().into_iter().for_each(|delivery| delivery.settle(Settlement::Rejected(refused_by_backend())));
                }
                export::Outcome::Retry { after, reason } => again.add(after, reason),
            }
        }
        if prepared.is_done() {
            return reports.reachable();
        }
        let delay = backoff.next_delay(again.after);
        reports.unreachable(&again.reason);
        if give_up_at.is_some_and(|give_up_at| Instant::now() + delay > give_up_at) {
            let retry_after = again.after.unwrap_or(RETRY_AFTER_DEFAULT).min(settings.backoff.max_retry_after);
            let given_back = waiting.into_iter().flatten();
            return reports.given_back(given_back.map(|it| it.settle(Settlement::RetryAfter(retry_after))).count());
        }
        tokio::time::sleep(delay).await;
    }
}

/// What the backend said about what it could not take just now.
#[derive(Default)]
struct Again {
    /// For how long it wants to be left alone.
    after: Option<Duration>,
    reason: String,
}

impl Again {
    fn add(&mut self, after: Option<Duration>, reason: String) {
        self.after = self.after.max(after);
        self.reason = reason;
    }
}

/// The first span stands for the record as a whole: several records may contribute to one trace.
fn identity(trace: &Trace) -> TraceIdentity {
    TraceIdentity { trace_id: trace.id.0, span_id: trace.spans.first().map_or([0; 8], |span| span.id.0) }
}

fn refused_by_backend() -> Rejection {
    Rejection {
        class: "backend".to_owned(),
        code: "backend_refused".to_owned(),
        path: None,
        message: "the backend refused the trace for good; the log of callspan has its reason".to_owned(),
        position: None,
    }
}
