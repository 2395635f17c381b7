//! `callspan queue`: who takes records, what the queue holds, and giving up what waits for somebody who is gone.

use super::access::{Access, confirm, unexpected};
use super::listing::{Table, age, bytes, count, on_one_line, print, print_json, time};
use super::{Failure, Verdict};
use crate::args::{Confirm, Listing, Queue, QueueCommand};
use crate::queue::control::{ConsumerState, Request, Response, Totals};
use anyhow::anyhow;
use serde::Serialize;

/// A sink as programs read it.
#[derive(Serialize)]
struct SinkLine<'s> {
    #[serde(flatten)]
    state: &'s ConsumerState,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_waiting_at: Option<String>,
}

pub(super) fn run(arguments: Queue) -> Result<Verdict, Failure> {
    let mut access = Access::open(&arguments.queue, None)?;
    match arguments.command {
        QueueCommand::Sinks => sinks(&mut access, arguments.queue.format),
        QueueCommand::Forget { sink, confirm } => forget(&mut access, arguments.queue.format, &sink, confirm),
        QueueCommand::Status => status(&mut access, arguments.queue.format),
    }
}

fn states(access: &mut Access) -> Result<Vec<ConsumerState>, Failure> {
    match access.ask(Request::Consumers)? {
        Response::Consumers { consumers } => Ok(consumers),
        _ => Err(unexpected()),
    }
}

fn sinks(access: &mut Access, format: Listing) -> Result<Verdict, Failure> {
    let states = states(access)?;
    let mut table = Table::new(&[
        "SINK",
        "CONFIGURED",
        "WAITING",
        "OLDEST",
        "RECEIVED",
        "DELIVERED",
        "SKIPPED",
        "DUPLICATE",
        "SUPERSEDED",
        "REFUSED",
        "DROPPED",
        "DAMAGED",
        "ERASED",
        "REPLAYS",
    ]);
    for state in &states {
        if format == Listing::Json {
            print_json(&SinkLine { state, oldest_waiting_at: state.oldest_waiting_ms.map(time) })?;
            continue;
        }
        let counts = &state.counts;
        let numbers = [
            counts.received,
            counts.delivered,
            counts.skipped,
            counts.duplicates,
            counts.superseded,
            counts.dead_lettered,
            counts.dropped,
            counts.damaged,
            counts.erased,
            state.replays.len() as u64,
        ];
        let mut cells = vec![
            on_one_line(&state.name),
            if state.is_following { "yes" } else { "no" }.to_owned(),
            state.waiting.to_string(),
            state.oldest_waiting_ms.map_or_else(|| "-".to_owned(), age),
        ];
        cells.extend(numbers.map(|number| number.to_string()));
        table.add(cells);
    }
    if format == Listing::Text {
        table.print()?;
    }
    Ok(Verdict::Good)
}

fn forget(access: &mut Access, format: Listing, sink: &str, yes: Confirm) -> Result<Verdict, Failure> {
    let meant = access.consumers_of(sink)?;
    let states: Vec<ConsumerState> = states(access)?.into_iter().filter(|state| meant.contains(&state.name)).collect();
    // One that takes records would be there again at once, without what waits for it.
    if let Some(state) = states.iter().find(|state| state.is_following && access.is_running()) {
        let message =
            format!("`{}` takes records: take the sink out of the configuration and restart first", state.name);
        return Err(Failure::Runtime(anyhow!(message)));
    }
    let waiting: u64 = states.iter().map(|state| state.waiting).sum();
    let question = format!("Give up {} for {}?", count(waiting, "record"), meant.join(", "));
    if !confirm(yes, &question)? {
        return Ok(Verdict::Good);
    }
    for consumer in meant {
        let Response::Forgotten { waiting } = access.ask(Request::Forget { consumer: consumer.clone() })? else {
            return Err(unexpected());
        };
        let waiting = waiting.unwrap_or(0);
        match format {
            Listing::Json => print_json(&serde_json::json!({ "name": consumer, "given_up": waiting }))?,
            Listing::Text => print(&format!("{consumer} is forgotten, {} given up", count(waiting, "record")))?,
        }
    }
    Ok(Verdict::Good)
}

fn status(access: &mut Access, format: Listing) -> Result<Verdict, Failure> {
    let Response::Totals(totals) = access.ask(Request::Totals)? else { return Err(unexpected()) };
    if format == Listing::Json {
        print_json(&totals)?;
        return Ok(Verdict::Good);
    }
    let Totals { durability, records, bytes: taken, bytes_max, dead_letters, dead_letter_bytes, .. } = &totals;
    let history = totals.history_since_ms.map_or_else(|| "-".to_owned(), |ms| format!("{} ({})", time(ms), age(ms)));
    print(&format!("service       {}", if access.is_running() { "runs" } else { "is stopped" }))?;
    print(&format!("durability    {durability}"))?;
    print(&format!("records       {records}, waiting or kept"))?;
    print(&format!("oldest        {history}"))?;
    print(&format!("dead letters  {dead_letters}, {}", bytes(*dead_letter_bytes)))?;
    print(&format!("takes         {} of {}", bytes(*taken), bytes(*bytes_max)))?;
    let free = totals.free_bytes.map_or_else(|| "?".to_owned(), bytes);
    print(&format!("on disk       {}, {free} left", bytes(totals.disk_bytes)))?;
    if totals.quarantined > 0 {
        print(&format!("quarantine    {}", count(totals.quarantined, "damaged file")))?;
    }
    Ok(Verdict::Good)
}
