//! `callspan dead-letter`: records that were refused for good.

mod export;

use super::access::{Access, confirm, unexpected};
use super::listing::{Table, age, bytes, count, millis, on_one_line, print, print_json, time};
use super::outline::outline;
use super::{Failure, Verdict};
use crate::args::{DeadLetter, DeadLetterCommand, Letters, List, Listing, Purge, ReplayLetters, Show};
use crate::queue::control::{Filter, LETTERS_AT_ONCE, Letter, LetterId, Refusal, Request, Response, Revived, Which};
use anyhow::anyhow;
use serde::Serialize;
use std::time::SystemTime;

/// A dead letter as programs read it.
#[derive(Serialize)]
struct Line<'l> {
    id: LetterId,
    received_at: String,
    source: &'l str,
    body_bytes: u64,
    refusals: Vec<RefusalLine<'l>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outline: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<String>,
}

#[derive(Serialize)]
struct RefusalLine<'l> {
    /// None when the record was refused when it was received.
    sink: Option<&'l str>,
    refused_at: String,
    class: &'l str,
    code: &'l str,
    plugin: &'l str,
    /// In characters.
    message_length: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'l str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'l str>,
}

pub(super) fn run(arguments: DeadLetter) -> Result<Verdict, Failure> {
    let DeadLetter { queue, command } = arguments;
    let privacy = match &command {
        DeadLetterCommand::List(list) => list.privacy.as_deref(),
        DeadLetterCommand::Show(show) => show.privacy.as_deref(),
        _ => None,
    };
    // Asked before the queue is opened, which a stopped service's folder is locked for.
    if let DeadLetterCommand::Purge(purge) = &command
        && !confirm(purge.confirm, "Give these dead letters up? They cannot be had back.")?
    {
        return Ok(Verdict::Good);
    }
    let is_plain = privacy == Some("plain");
    let mut access = Access::open(&queue, privacy)?;
    match command {
        DeadLetterCommand::List(arguments) => list(&mut access, queue.format, arguments),
        DeadLetterCommand::Show(arguments) => show(&mut access, queue.format, &arguments, is_plain),
        DeadLetterCommand::Replay(arguments) => replay(&mut access, queue.format, arguments),
        DeadLetterCommand::Purge(arguments) => purge(&mut access, queue.format, arguments),
        DeadLetterCommand::Export(arguments) => export::run(&mut access, arguments),
    }
}

fn list(access: &mut Access, format: Listing, arguments: List) -> Result<Verdict, Failure> {
    let consumers = arguments.sink.as_deref().map(|sink| access.consumers_of(sink)).transpose()?;
    let since_ms = arguments.since.map(millis);
    let List { code, class, source, limit, .. } = arguments;
    let filter = Filter { class, code, source, consumers, since_ms, before_ms: None };
    let limit = limit.unwrap_or(usize::MAX);
    let mut table =
        Table::new(&["ID", "RECEIVED", "AGE", "SOURCE", "SIZE", "SINK", "CLASS", "CODE", "PLUGIN", "MESSAGE"]);
    let (mut from, mut listed) = (0, 0);
    while listed < limit {
        let request = Request::Letters { filter: filter.clone(), next: from, count_max: limit - listed };
        let Response::Letters { letters, next } = access.ask(request)? else { return Err(unexpected()) };
        listed += letters.len();
        for letter in &letters {
            match format {
                Listing::Json => print_json(&line(letter, access.shows_free_text))?,
                Listing::Text => letter.refusals.iter().for_each(|refusal| {
                    table.add(cells(letter, refusal, access.shows_free_text));
                }),
            }
        }
        match next {
            Some(next) => from = next,
            None => break,
        }
    }
    if format == Listing::Text {
        if listed == 0 { print("no dead letters")? } else { table.print()? }
    }
    Ok(Verdict::Good)
}

fn show(access: &mut Access, format: Listing, arguments: &Show, is_plain: bool) -> Result<Verdict, Failure> {
    let id = arguments.id;
    let Response::Letter { letter, body } = access.ask(Request::Letter { id })? else { return Err(unexpected()) };
    let Some(letter) = letter else { return Err(Failure::Runtime(anyhow!("there is no dead letter {id}"))) };
    let body = body.map(|body| body.0);
    let plain = body.as_ref().filter(|_| is_plain).map(|body| String::from_utf8_lossy(body).into_owned());
    let outline = body.as_ref().map(|body| outline(body));
    if format == Listing::Json {
        print_json(&Line { outline, body: plain, ..line(&letter, access.shows_free_text) })?;
        return Ok(Verdict::Good);
    }
    print(&format!("dead letter  {id}"))?;
    print(&format!("received     {} ({} ago)", time(letter.received_ms), age(letter.received_ms)))?;
    print(&format!("source       {}", on_one_line(&letter.source)))?;
    print(&format!("size         {} bytes", letter.body_bytes))?;
    for refusal in &letter.refusals {
        let sink = refusal.consumer.as_deref().unwrap_or("the source");
        print(&format!("\nrefused by   {} at {}", on_one_line(sink), time(refusal.at_ms)))?;
        print(&format!("class, code  {}, {}", on_one_line(&refusal.class), on_one_line(&refusal.code)))?;
        if !refusal.mapper.is_empty() {
            print(&format!("plugin       {}", on_one_line(&refusal.mapper)))?;
        }
        if let Some(path) = refusal.path.as_ref().filter(|_| access.shows_free_text) {
            print(&format!("path         {}", on_one_line(path)))?;
        }
        print(&format!("message      {}", message(refusal, access.shows_free_text)))?;
    }
    let body = plain.or(outline).unwrap_or_else(|| "the body cannot be read".to_owned());
    print(&format!("\n{body}"))?;
    Ok(Verdict::Good)
}

fn replay(access: &mut Access, format: Listing, arguments: ReplayLetters) -> Result<Verdict, Failure> {
    let ReplayLetters { letters, sink, dry_run } = arguments;
    let consumers = sink.map(|sink| access.consumers_of(&sink)).transpose()?;
    let mut all = Revived::default();
    for which in which(letters) {
        let mut next = Some(which);
        while let Some(which) = next {
            let request = Request::Revive { which, consumers: consumers.clone(), dry_run };
            let Response::Revived(page) = access.ask(request)? else { return Err(unexpected()) };
            all.letters += page.letters;
            all.left += page.left;
            all.delivered_in_part += page.delivered_in_part;
            all.missing.extend(page.missing);
            for (consumer, letters) in page.consumers {
                *all.consumers.entry(consumer).or_default() += letters;
            }
            next = page.next;
        }
    }
    if format == Listing::Json {
        print_json(&serde_json::json!({
            "dry_run": dry_run,
            "letters": all.letters,
            "sinks": all.consumers,
            "left": all.left,
            "delivered_in_part": all.delivered_in_part,
            "missing": all.missing,
        }))?;
    } else {
        let verb = if dry_run { "would be delivered" } else { "on the way" };
        print(&format!("{} {verb} once more", count(all.letters, "dead letter")))?;
        for (consumer, letters) in &all.consumers {
            print(&format!("  {}: {letters}", on_one_line(consumer)))?;
        }
        if all.left > 0 {
            print(&format!("{} left: no sink that is configured refused them", count(all.left, "dead letter")))?;
        }
    }
    if format == Listing::Text && all.delivered_in_part > 0 {
        let letters = count(all.delivered_in_part, "dead letter");
        print(&format!("{letters} left, delivered but for some spans: name them by id or --code to have them twice"))?;
    }
    found_all(&all.missing)
}

fn purge(access: &mut Access, format: Listing, arguments: Purge) -> Result<Verdict, Failure> {
    let Purge { ids, all, code, older_than, .. } = arguments;
    let before = older_than.map(|age| SystemTime::now().checked_sub(age).map_or(0, millis));
    let whichever = match before {
        Some(before_ms) => vec![matching(Filter { before_ms: Some(before_ms), ..Filter::default() })],
        None => which(Letters { ids, all, code }),
    };
    let (mut letters, mut taken, mut missing) = (0, 0, Vec::new());
    for which in whichever {
        let mut next = Some(which);
        while let Some(which) = next {
            let Response::Purged { letters: some, bytes, missing: absent, next: more } =
                access.ask(Request::Purge { which, dry_run: false })?
            else {
                return Err(unexpected());
            };
            letters += some;
            taken += bytes;
            missing.extend(absent);
            next = more;
        }
    }
    match format {
        Listing::Json => print_json(&serde_json::json!({ "letters": letters, "bytes": taken, "missing": missing }))?,
        Listing::Text => print(&format!("{} given up, {}", count(letters, "dead letter"), bytes(taken)))?,
    }
    found_all(&missing)
}

fn found_all(missing: &[LetterId]) -> Result<Verdict, Failure> {
    if missing.is_empty() {
        return Ok(Verdict::Good);
    }
    let ids: Vec<String> = missing.iter().map(LetterId::to_string).collect();
    Err(Failure::Runtime(anyhow!("there is no dead letter {}", ids.join(", "))))
}

fn which(letters: Letters) -> Vec<Which> {
    let Letters { ids, code, .. } = letters;
    if ids.is_empty() {
        return vec![matching(Filter { code, ..Filter::default() })];
    }
    ids.chunks(LETTERS_AT_ONCE).map(|ids| Which::Ids(ids.to_vec())).collect()
}

fn matching(filter: Filter) -> Which {
    Which::Matching { filter, next: 0, end: None }
}

fn line(letter: &Letter, shows_free_text: bool) -> Line<'_> {
    let refusal = |refusal: &'_ Refusal| -> usize { refusal.message.chars().count() };
    Line {
        id: letter.id,
        received_at: time(letter.received_ms),
        source: &letter.source,
        body_bytes: letter.body_bytes,
        refusals: letter
            .refusals
            .iter()
            .map(|it| RefusalLine {
                sink: it.consumer.as_deref(),
                refused_at: time(it.at_ms),
                class: &it.class,
                code: &it.code,
                plugin: &it.mapper,
                message_length: refusal(it),
                path: it.path.as_deref().filter(|_| shows_free_text),
                message: Some(it.message.as_str()).filter(|_| shows_free_text),
            })
            .collect(),
        outline: None,
        body: None,
    }
}

fn cells(letter: &Letter, refusal: &Refusal, shows_free_text: bool) -> Vec<String> {
    vec![
        letter.id.to_string(),
        time(letter.received_ms),
        age(letter.received_ms),
        on_one_line(&letter.source),
        bytes(letter.body_bytes),
        on_one_line(refusal.consumer.as_deref().unwrap_or("-")),
        on_one_line(&refusal.class),
        on_one_line(&refusal.code),
        on_one_line(if refusal.mapper.is_empty() { "-" } else { &refusal.mapper }),
        message(refusal, shows_free_text),
    ]
}

/// A message may quote the record, so it counts as what people wrote.
fn message(refusal: &Refusal, shows_free_text: bool) -> String {
    if shows_free_text { on_one_line(&refusal.message) } else { format!("length={}", refusal.message.chars().count()) }
}
