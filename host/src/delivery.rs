//! The loop that moves records from the queue to one sink: take a batch, transform it, export the traces, settle every
//! record. What happens on each failure is decided here and nowhere else.
//!
//! | what happened | what becomes of the record |
//! |---|---|
//! | the backend took the trace | acknowledged |
//! | the mapping yields nothing for it | acknowledged |
//! | the mapping, or the plugin's failure, refused it | rejected, with the reason |
//! | the plugin fails whatever it is given | the transform is held (`trials`): records wait, and the plugin is tried |
//! | the backend refused the trace for good, and takes others | rejected, code `backend_refused` |
//! | the trace alone is too large for the backend | rejected, code `trace_too_large` |
//! | the backend left out all spans of a request | rejected, code `backend_refused` |
//! | the backend left out some spans of a request | acknowledged, and kept as a dead letter of class `partially_refused` |
//! | the backend refuses whatever it is sent | the sink is held (`hold`): records wait, and it is probed |
//! | the queue knows the trace: it was delivered before | the queue has answered for it |
//! | the backend cannot take it now | tried again, for a while or for ever, then handed back to be retried |
//! | the backend wants to be left alone for a while (`respite`) | the same, and the sink sends nothing before |
//!
//! With a queue in memory, whoever appended the record still waits for the answer, so trying again is kept short: a sender
//! that waits too long gives up on its own, and sends again what was perhaps delivered. With one on disk nobody waits, and
//! it is tried until it succeeds.
//!
//! A record that comes alone is delivered at once. While a batch is under way, the next one is made up when that is done,
//! or when it is full, or has waited for a moment: so under load batches grow by themselves, and the price of a batch is
//! divided among more records (what Nagle's algorithm does for small packets). How many may be under way at one time is
//! found out for each sink (`turns`, `limit`).

mod healthcheck;
mod hold;
mod limit;
mod rejections;
mod reports;
mod respite;
mod sending;
mod trials;
mod turns;

#[cfg(test)]
mod tests;

use crate::export::{BackoffSettings, Exporter, Prepared, Scope};
use crate::queue::{Consume, Deliver, Settlement, TraceIdentity};
use crate::record::{Record, Rejection};
use crate::span::Trace;
use crate::transform::{InService, Outcome, Plugin, Slot, Workers};
use sending::Sender;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

pub use healthcheck::Healthcheck;
pub use hold::Hold;
pub use limit::{AdaptiveConcurrency, CONCURRENCY_MAX, Concurrency};
pub use reports::Reports;
pub use trials::Trials;
pub use turns::Turns;

/// How much is delivered at a time, and how long it is tried.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Records that are transformed and exported together.
    pub batch_records_max: usize,
    /// Bytes of their bodies; a single record may be larger.
    pub batch_bytes_max: usize,
    /// Batches that are under way at one time, for all routes that lead to the sink.
    pub concurrency: Concurrency,
    /// How long a batch that is not full waits at most for one under way to be done.
    pub linger: Duration,
    /// For how long a batch is tried again; without it, until it succeeds.
    pub retry_for: Option<Duration>,
    /// The delays between tries.
    pub backoff: BackoffSettings,
    /// How long it is waited whether the backend takes anything else, before a trace that it refused is given up.
    pub suspicion: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            batch_records_max: 64,
            batch_bytes_max: 8 * 1024 * 1024,
            concurrency: Concurrency::default(),
            linger: Duration::from_millis(5),
            retry_for: Some(Duration::from_secs(2)),
            backoff: BackoffSettings { initial_delay: Duration::from_millis(100), ..BackoffSettings::default() },
            suspicion: Duration::from_secs(1),
        }
    }
}

/// When senders should come again while the plugin is held.
const HELD_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The way of records through one transform to one sink.
pub struct Route<C> {
    /// Where the records come from.
    pub consumer: C,
    /// The threads that map them, shared with other routes.
    pub workers: Workers,
    /// What maps them, now.
    pub plugins: InService,
    /// Whether records on this way are the ones that a candidate maps too, so that each is compared once.
    pub is_compared: bool,
    /// Where their traces go.
    pub exporter: Exporter,
    /// Whether they may go there, for all routes that lead there.
    pub hold: Hold,
    /// How many batches go there at one time, for all of these routes together.
    pub turns: Turns,
    /// How.
    pub settings: Settings,
    /// What is told of it.
    pub reports: Reports,
}

/// What the batches of one route share.
struct Shared {
    plugins: InService,
    is_compared: bool,
    sender: Sender,
}

/// What records became, as it leaves the thread that mapped them.
struct Mapped {
    /// By the records; none for one that is to wait.
    fates: Vec<Option<Fate>>,
    /// Their traces in the same order, as they are sent.
    prepared: Prepared,
}

enum Fate {
    Trace(TraceIdentity),
    Skipped,
    Rejected(Rejection),
}

/// What is to be delivered, with the traces that it became, in the same order.
struct Delivering<D> {
    /// Each is taken out of its place as it is settled.
    deliveries: Vec<Option<D>>,
    prepared: Prepared,
}

/// Delivers until the queue is closed and drained; every record taken out is settled when this returns.
pub async fn run<C: Consume>(route: Route<C>) {
    let Route { mut consumer, workers, plugins, is_compared, exporter, hold, turns, settings, reports } = route;
    let (records_max, bytes_max) = (settings.batch_records_max, settings.batch_bytes_max);
    let linger = settings.linger;
    let can_wait = settings.retry_for.is_none();
    let sender = Sender { exporter, hold, turns: turns.clone(), settings, reports };
    let shared = Arc::new(Shared { plugins, is_compared, sender });
    // Every turn of this route has a clone of it. A batch that waits for others to show who is at fault is under way, and
    // has no turn any more.
    let ours = Arc::new(());
    let mut under_way = JoinSet::new();
    consumer.begin().await;
    while consumer.has_more().await {
        // Those whose senders wait are taken, and handed back to be sent again.
        if can_wait {
            shared.plugins.is_well().await;
        }
        let is_busy = Arc::strong_count(&ours) > 1;
        if is_busy && consumer.waiting() < records_max {
            // It fails when time is up.
            let _one_is_done = timeout(linger, under_way.join_next()).await.map(note);
        }
        let turn = (turns.take().await, Arc::clone(&ours));
        // Without workers nothing can be mapped: what is left is dropped, which asks its senders to come again.
        let Ok(slot) = workers.slot().await else { break };
        let batch = consumer.take(records_max, bytes_max).await;
        under_way.spawn(deliver(batch, slot, turn, Arc::clone(&shared)));
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

async fn deliver<D: Deliver>(batch: Vec<D>, slot: Slot, turn: impl Send, shared: Arc<Shared>) {
    let reports = &shared.sender.reports;
    let records: Vec<Record> = batch.iter().map(|delivery| delivery.record().clone()).collect();
    let begun = Instant::now();
    // The whole batch is mapped by this one, and is of its scope, whatever is in service when it is sent.
    let plugin = shared.plugins.now();
    let prepare = {
        let (shared, plugin) = (Arc::clone(&shared), Arc::clone(&plugin));
        move |records: &[Record], outcomes: Vec<Option<Outcome>>| {
            if let Some(shadow) = shared.plugins.shadow().filter(|_| shared.is_compared) {
                shadow.offer(&plugin, records, &outcomes);
            }
            Mapped::new(outcomes, &shared.sender.exporter, &scope(&plugin))
        }
    };
    // When the workers are gone the deliveries are dropped, which asks their senders to come again.
    let Ok(mapped) = slot.transform(&plugin, records, prepare).await else { return };
    let Mapped { fates, prepared } = mapped;
    reports.transformed(fates.iter().flatten().count(), begun.elapsed());
    let mut claimed = Vec::with_capacity(batch.len());
    let mut deliveries = Vec::with_capacity(batch.len());
    for (mut delivery, fate) in batch.into_iter().zip(fates) {
        delivery.mapped_by(plugin.title());
        match fate {
            Some(Fate::Trace(identity)) => {
                let delivery = delivery.claim(identity);
                claimed.push(delivery.is_some());
                deliveries.extend(delivery.map(Some));
            }
            Some(Fate::Skipped) => {
                reports.skipped();
                delivery.settle(Settlement::Acknowledged);
            }
            Some(Fate::Rejected(rejection)) => {
                reports.rejected(plugin.title(), &rejection);
                delivery.settle(Settlement::Rejected(rejection));
            }
            None => delivery.settle(Settlement::RetryAfter(HELD_RETRY_AFTER)),
        }
    }
    if !deliveries.is_empty() {
        reports.mapped(deliveries.len());
        shared.sender.send(Delivering { deliveries, prepared: prepared.keep(&claimed) }, turn).await;
    }
}

impl Mapped {
    /// Prepares the traces, which are of this scope, for this exporter.
    fn new(outcomes: Vec<Option<Outcome>>, exporter: &Exporter, scope: &Scope) -> Self {
        let mut traces = Vec::with_capacity(outcomes.len());
        let mut fate = |outcome| match outcome {
            Outcome::Trace(trace) => {
                let identity = identity(&trace);
                traces.push(trace);
                Fate::Trace(identity)
            }
            Outcome::Skipped => Fate::Skipped,
            Outcome::Rejected(rejection) => Fate::Rejected(rejection),
        };
        let fates = outcomes.into_iter().map(|outcome| outcome.map(&mut fate)).collect();
        Self { fates, prepared: exporter.prepare(traces, scope) }
    }
}

/// What spans say of their origin.
#[must_use]
pub fn scope(plugin: &Plugin) -> Scope {
    let contract = plugin.contract();
    Scope {
        name: format!("callspan/{}", contract.name),
        version: contract.version.clone(),
        schema_url: contract.schema_url.clone(),
    }
}

/// The first span stands for the record as a whole: several records may contribute to one trace.
fn identity(trace: &Trace) -> TraceIdentity {
    TraceIdentity { trace_id: trace.id.0, span_id: trace.spans.first().map_or([0; 8], |span| span.id.0) }
}
