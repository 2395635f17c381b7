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
use crate::span::Trace;
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
async fn export(mut waiting: Vec<Delivery>, mut traces: Vec<Trace>, exporter: &Exporter, settings: &Settings) {
    let give_up_at = Instant::now() + settings.retry_for;
    let mut backoff = Backoff::new(settings.backoff, fastrand::u64(..));
    while !waiting.is_empty() {
        let outcomes = exporter.export(traces.clone()).await;
        let mut again = Again::default();
        for ((delivery, trace), outcome) in waiting.into_iter().zip(traces).zip(outcomes) {
            match outcome {
                export::Outcome::Accepted => delivery.settle(Settlement::Acknowledged),
                export::Outcome::Refused { reason } => {
                    tracing::error!(trace_id = %trace.id, reason, "the backend refused a trace for good");
                    delivery.settle(Settlement::Rejected(refused_by_backend()));
                }
                export::Outcome::Retry { after, reason } => again.add(delivery, trace, after, reason),
            }
        }
        let delay = backoff.next_delay(again.after);
        if !again.deliveries.is_empty() && Instant::now() + delay > give_up_at {
            return again.give_back();
        }
        if !again.deliveries.is_empty() {
            tokio::time::sleep(delay).await;
        }
        (waiting, traces) = (again.deliveries, again.traces);
    }
}

/// What the backend could not take just now.
#[derive(Default)]
struct Again {
    deliveries: Vec<Delivery>,
    traces: Vec<Trace>,
    /// For how long the backend wants to be left alone.
    after: Option<Duration>,
    reason: String,
}

impl Again {
    fn add(&mut self, delivery: Delivery, trace: Trace, after: Option<Duration>, reason: String) {
        self.deliveries.push(delivery);
        self.traces.push(trace);
        self.after = self.after.max(after);
        self.reason = reason;
    }

    fn give_back(self) {
        let retry_after = self.after.unwrap_or(RETRY_AFTER_DEFAULT);
        let (records, retry_after_secs) = (self.deliveries.len(), retry_after.as_secs());
        tracing::warn!(
            records,
            retry_after_secs,
            reason = self.reason,
            "the backend takes nothing, the senders are asked to come again"
        );
        for delivery in self.deliveries {
            delivery.settle(Settlement::RetryAfter(retry_after));
        }
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
