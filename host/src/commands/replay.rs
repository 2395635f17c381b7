//! `callspan replay`: what was received before is delivered once more.

use super::access::{Access, unexpected};
use super::listing::{bytes, count, millis, print, print_json, time};
use super::{Failure, Verdict};
use crate::args::{self, Listing};
use crate::queue::control::{Replay, Request, Response};
use serde::Serialize;

/// What is replayed to one sink, as programs read it.
#[derive(Serialize)]
struct Line<'r> {
    name: &'r str,
    dry_run: bool,
    #[serde(flatten)]
    replay: &'r Replay,
    /// Whether the same bytes come out; none where it is not known.
    byte_identical: Option<bool>,
}

pub(super) fn run(arguments: args::Replay) -> Result<Verdict, Failure> {
    let mut access = Access::open(&arguments.queue, None)?;
    let since_ms = millis(arguments.since);
    for consumer in access.consumers_of(&arguments.sink)? {
        let replay = replay(&mut access, &consumer, since_ms, arguments.dry_run)?;
        let byte_identical = replay.mapped_then.as_ref().zip(replay.mapped_now.as_ref()).map(|(then, now)| then == now);
        if arguments.queue.format == Listing::Json {
            print_json(&Line { name: &consumer, dry_run: arguments.dry_run, replay: &replay, byte_identical })?;
            continue;
        }
        let verb = if arguments.dry_run { "would be delivered" } else { "are delivered" };
        let records = count(replay.records, "record");
        let mapped = match byte_identical {
            Some(true) => "; byte-identical",
            Some(false) => "; mapped differently now",
            None => "",
        };
        print(&format!("{consumer}: {records}, {}, {verb} once more{mapped}", bytes(replay.bytes)))?;
        match replay.history_since_ms {
            Some(since) if since > since_ms => print(&format!("  history reaches back to {} only", time(since)))?,
            None => print("  there is no history: delivered records are kept for as long as queue.keep says")?,
            Some(_) => {}
        }
    }
    Ok(Verdict::Good)
}

fn replay(access: &mut Access, consumer: &str, since_ms: u64, dry_run: bool) -> Result<Replay, Failure> {
    let mut passage = None;
    loop {
        let request = Request::Replay { consumer: consumer.to_owned(), since_ms, dry_run, passage };
        match access.ask(request)? {
            Response::Counting { passage: so_far } => passage = Some(so_far),
            Response::Replay(replay) => return Ok(replay),
            _ => return Err(unexpected()),
        }
    }
}
