//! The loop that moves records from the queue to the backend: take a batch, transform it, export the traces, settle
//! every record. What happens on each failure is decided here and nowhere else.
//!
//! | what happened | what becomes of the record |
//! |---|---|
//! | the backend took the trace | acknowledged |
//! | the mapping yields nothing for it | acknowledged |
//! | the mapping, or the plugin's failure, refused it | rejected, with the reason |
//! | the backend refused the trace for good | rejected, code `backend_refused` |
//! | the backend cannot take it now | tried again for a while, then handed back to be retried |
//!
//! Whoever appended the record still waits for the answer, so trying again is kept short: a sender that waits too long
//! gives up on its own, and sends again what was perhaps delivered.

use crate::export::{self, Backoff, BackoffSettings, Exporter};
use crate::queue::{Consumer, Delivery, Settlement};
use crate::record::{Record, Rejection};
use crate::span::{Trace, TraceId};
use crate::transform::{Outcome, Workers};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How much is delivered at a time, and how long it is tried.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Records that are transformed and exported together.
    pub batch_records_max: usize,
    /// Batches that are under way at one time.
    pub batches_max: usize,
    /// For how long a batch is tried again while its senders wait.
    pub retry_for: Duration,
    /// The delays between tries.
    pub backoff: BackoffSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            batch_records_max: 64,
            batches_max: 8,
            retry_for: Duration::from_secs(2),
            backoff: BackoffSettings { initial_delay: Duration::from_millis(100), ..BackoffSettings::default() },
        }
    }
}

/// When a sender should come again, if the backend did not say so.
const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(5);

/// Delivers until the queue is closed and drained; every record taken out is settled when this returns.
pub async fn run(mut consumer: Consumer, workers: Workers, exporter: Arc<Exporter>, settings: Settings) {
    let mut under_way = JoinSet::new();
    loop {
        if under_way.len() >= settings.batches_max {
            note(under_way.join_next().await);
        }
        let batch = consumer.take(settings.batch_records_max).await;
        if batch.is_empty() {
            break;
        }
        under_way.spawn(deliver(batch, workers.clone(), Arc::clone(&exporter), settings.clone()));
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

async fn deliver(batch: Vec<Delivery>, workers: Workers, exporter: Arc<Exporter>, settings: Settings) {
    let records: Vec<Record> = batch.iter().map(|delivery| delivery.record().clone()).collect();
    // When the workers are gone the deliveries are dropped, which asks their senders to come again.
    let Ok(outcomes) = workers.transform(records).await else { return };
    let mut waiting = Vec::with_capacity(batch.len());
    let mut traces = Vec::with_capacity(batch.len());
    for (delivery, outcome) in batch.into_iter().zip(outcomes) {
        match outcome {
            Outcome::Trace(trace) => {
                waiting.push(delivery);
                traces.push(trace);
            }
            Outcome::Skipped => delivery.settle(Settlement::Acknowledged),
            Outcome::Rejected(rejection) => {
                tracing::warn!(class = rejection.class, code = rejection.code, "record refused");
                delivery.settle(Settlement::Rejected(rejection));
            }
        }
    }
    export(waiting, traces, &exporter, &settings).await;
}

/// Exports the traces of these deliveries and settles them, trying again those that the backend cannot take now.
async fn export(waiting: Vec<Delivery>, traces: Vec<Trace>, exporter: &Exporter, settings: &Settings) {
    let give_up_at = Instant::now() + settings.retry_for;
    let mut backoff = Backoff::new(settings.backoff, fastrand::u64(..));
    let ids: Vec<TraceId> = traces.iter().map(|trace| trace.id).collect();
    let mut waiting: Vec<Option<Delivery>> = waiting.into_iter().map(Some).collect();
    let mut prepared = exporter.prepare(traces);
    while !prepared.is_done() {
        let (mut retry_after, mut retry_reason) = (None, String::new());
        for (index, outcome) in exporter.send(&mut prepared).await {
            let settlement = match outcome {
                export::Outcome::Accepted => Settlement::Acknowledged,
                export::Outcome::Refused { reason } => {
                    let trace_id = ids.get(index).map(tracing::field::display);
                    tracing::error!(trace_id, reason, "the backend refused a trace for good");
                    Settlement::Rejected(refused_by_backend())
                }
                export::Outcome::Retry { after, reason } => {
                    (retry_after, retry_reason) = (retry_after.max(after), reason);
                    continue;
                }
            };
            if let Some(delivery) = waiting.get_mut(index).and_then(Option::take) {
                delivery.settle(settlement);
            }
        }
        let delay = backoff.next_delay(retry_after);
        if !prepared.is_done() && Instant::now() + delay > give_up_at {
            return give_back(waiting.into_iter().flatten().collect(), retry_after, &retry_reason);
        }
        if !prepared.is_done() {
            tokio::time::sleep(delay).await;
        }
    }
}

/// What the backend could not take just now.
fn give_back(deliveries: Vec<Delivery>, retry_after: Option<Duration>, reason: &str) {
    let retry_after = retry_after.unwrap_or(RETRY_AFTER_DEFAULT);
    let (records, retry_after_secs) = (deliveries.len(), retry_after.as_secs());
    tracing::warn!(records, retry_after_secs, reason, "the backend takes nothing, the senders are asked to come again");
    for delivery in deliveries {
        delivery.settle(Settlement::RetryAfter(retry_after));
    }
}

fn refused_by_backend() -> Rejection {
    Rejection {
        class: "backend".to_owned(),
        code: "backend_refused".to_owned(),
        path: None,
        message: "the backend refused the trace for good; the log of callspan has its reason".to_owned(),
    }
}
