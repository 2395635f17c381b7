//! `callspan transform`: the mapping for shells and scripts, without a service.
//!
//! Records are read by one thread and mapped by as many as there are processors; what is written keeps the order of the
//! records. Nothing is held for longer than a round takes, so memory stays flat however long the input is, and a slow
//! input is answered record by record.

use super::{Failure, Verdict, loader, or_reader_gone, read_config, variable};
use crate::args::{self, Format};
use crate::delivery::scope;
use crate::export::{Scope, Style, json, request, waterfall};
use crate::intake::split::{Found, Records, open};
use crate::record::{Record, Rejection};
use crate::span::Trace;
use crate::telemetry;
use crate::transform::{Outcome, Plugin};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Records that are mapped in one call of the plugin.
const BATCH_RECORDS_MAX: usize = 64;
/// A larger record is refused without being read whole. The built-in mapping has the same limit by default, and may be
/// given another, up to this.
const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Records may take this much room between reading and mapping, a single one more.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Work that is done sooner shows no progress.
const PROGRESS_AFTER: Duration = Duration::from_secs(2);

/// A record with where it was found.
struct Item {
    /// Over all files.
    index: u64,
    /// On which it begins, in its file.
    line: u64,
    /// None when it is larger than the limit.
    record: Option<Record>,
}

/// What is written on the standard error for a record that was refused.
#[derive(Serialize)]
struct Refusal<'r> {
    index: u64,
    line: u64,
    #[serde(flatten)]
    rejection: &'r Rejection,
}

/// A thread that maps one batch at a time.
struct Mapper {
    batches: SyncSender<Vec<Item>>,
    lines: Receiver<anyhow::Result<Lines>>,
}

/// A batch's lines, ready to be written: those for the standard output, and those for the standard error.
type Lines = (Vec<u8>, Vec<u8>);

pub(super) fn run(arguments: args::Transform) -> Result<Verdict, Failure> {
    // The standard error belongs to refusals: logs are only added when they are asked for.
    if variable("CALLSPAN_LOG").is_some() {
        telemetry::init_logs(telemetry::LogFormat::Json);
    }
    let config = read_config(arguments.mapping.config.as_deref())?;
    let overrides = arguments.mapping.overrides(None);
    let plan = config.plan_transform(arguments.transform.as_deref(), &overrides, &variable)?;
    let plugin = loader()?.load(&plan.plugin, plan.settings)?;
    let writer = LineWriter { scope: scope(&plugin), format: arguments.format };
    let progress = progress();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    // While one round is mapped, the next is read.
    let (sender, receiver) = sync_channel(threads * BATCH_RECORDS_MAX);
    thread::scope(|scope| {
        let reading = scope.spawn(|| read_all(&arguments.files, sender));
        let mappers: Vec<Mapper> = (0..threads).map(|_| Mapper::start(scope, &plugin, &writer)).collect();
        let mapped = map_all(&receiver, &mappers, &progress);
        // The threads end when nobody sends to them and nobody receives from them.
        drop((mappers, receiver));
        progress.finish_and_clear();
        match reading.join() {
            // Records that were read are answered even where a later file cannot be read.
            Ok(read) => mapped.and_then(|verdict| read.map(|()| verdict)),
            Err(_) => Err(Failure::Runtime(anyhow::anyhow!("the thread that reads the input panicked"))),
        }
    })
}

fn read_all(files: &[PathBuf], sender: SyncSender<Item>) -> Result<(), Failure> {
    let standard_input = [PathBuf::from("-")];
    let files = if files.is_empty() { &standard_input } else { files };
    let mut index = 0;
    for path in files {
        let name = if is_standard_input(path) { "the standard input".to_owned() } else { path.display().to_string() };
        let input = open_file(path).with_context(|| format!("failed to open {name}"))?;
        for found in Records::new(input, RECORD_BYTES_MAX) {
            let Found { line, body, .. } = found.with_context(|| format!("failed to read {name}"))?;
            let record = body.map(|body| Record { body, metadata: Vec::new() });
            // Nobody receives any more once the output is gone.
            if sender.send(Item { index, line, record }).is_err() {
                return Ok(());
            }
            index += 1;
        }
    }
    Ok(())
}

fn is_standard_input(path: &Path) -> bool {
    path == Path::new("-")
}

fn open_file(path: &Path) -> io::Result<Box<dyn io::BufRead>> {
    let source: Box<dyn Read> =
        if is_standard_input(path) { Box::new(io::stdin()) } else { Box::new(File::open(path)?) };
    open(source)
}

fn map_all(items: &Receiver<Item>, mappers: &[Mapper], progress: &ProgressBar) -> Result<Verdict, Failure> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    let mut verdict = Verdict::Good;
    loop {
        let batches = round(items, mappers.len());
        if batches.is_empty() {
            return or_reader_gone(stdout.flush()).map(|()| verdict);
        }
        progress.inc(batches.iter().map(|batch| batch.len() as u64).sum());
        for lines in map_round(batches, mappers) {
            let (traces, refusals) = lines?;
            if !refusals.is_empty() {
                verdict = Verdict::SomeRefused;
            }
            let written =
                progress.suspend(|| io::stderr().write_all(&refusals).and_then(|()| stdout.write_all(&traces)));
            if written.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
                return Ok(verdict);
            }
            or_reader_gone(written)?;
        }
        // Whoever waits at the other end of a pipe gets what there is. A reader that has gone is noticed at the next
        // write.
        or_reader_gone(stdout.flush())?;
    }
}

/// Waits for a record and takes those that are there already: at most a batch for each thread. Empty at the end.
fn round(items: &Receiver<Item>, threads: usize) -> Vec<Vec<Item>> {
    let mut batches: Vec<Vec<Item>> = Vec::new();
    let Ok(first) = items.recv() else { return batches };
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for item in std::iter::once(first).chain(items.try_iter()) {
        bytes += item.record.as_ref().map_or(0, |record| record.body.len());
        batch.push(item);
        if batch.len() == BATCH_RECORDS_MAX || bytes >= BATCH_BYTES_MAX {
            batches.push(std::mem::take(&mut batch));
            bytes = 0;
            if batches.len() == threads {
                return batches;
            }
        }
    }
    batches.extend((!batch.is_empty()).then_some(batch));
    batches
}

/// The lines of each batch, in order. A round has no more batches than there are mappers.
fn map_round(batches: Vec<Vec<Item>>, mappers: &[Mapper]) -> impl Iterator<Item = anyhow::Result<Lines>> {
    let busy = batches.len();
    let handed_over: Vec<_> = mappers.iter().zip(batches).map(|(mapper, batch)| mapper.batches.send(batch)).collect();
    mappers.iter().take(busy).zip(handed_over).map(|(mapper, handed_over)| {
        let lines = handed_over.ok().and_then(|()| mapper.lines.recv().ok());
        lines.unwrap_or_else(|| Err(anyhow::anyhow!("a thread that maps records panicked")))
    })
}

impl Mapper {
    /// Starts a thread that ends when this is gone.
    fn start<'s>(scope: &'s thread::Scope<'s, '_>, plugin: &'s Plugin, writer: &'s LineWriter) -> Self {
        let (batches, to_map) = sync_channel::<Vec<Item>>(1);
        let (mapped, lines) = sync_channel(1);
        scope.spawn(move || {
            for batch in to_map {
                if mapped.send(map(&batch, plugin, writer)).is_err() {
                    return;
                }
            }
        });
        Mapper { batches, lines }
    }
}

fn map(batch: &[Item], plugin: &Plugin, writer: &LineWriter) -> anyhow::Result<Lines> {
    let records: Vec<Record> = batch.iter().filter_map(|item| item.record.clone()).collect();
    let mut outcomes = plugin.transform(&records).into_iter();
    let (mut traces, mut refusals) = (Vec::new(), Vec::new());
    for Item { index, line, record } in batch {
        match record.as_ref().and_then(|_| outcomes.next()) {
            Some(Outcome::Trace(trace)) => writer.trace(trace, &mut traces)?,
            Some(Outcome::Skipped) => {}
            Some(Outcome::Rejected(rejection)) => refuse(*index, *line, &rejection, &mut refusals)?,
            None => refuse(*index, *line, &too_large(), &mut refusals)?,
        }
    }
    Ok((traces, refusals))
}

fn refuse(index: u64, line: u64, rejection: &Rejection, out: &mut Vec<u8>) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, &Refusal { index, line, rejection }).context("failed to write a refusal")?;
    out.push(b'\n');
    Ok(())
}

fn too_large() -> Rejection {
    Rejection {
        class: "policy".to_owned(),
        code: "body_too_large".to_owned(),
        path: None,
        message: format!("the record is larger than {RECORD_BYTES_MAX} bytes"),
        position: None,
    }
}

/// Writes traces as they were asked for.
struct LineWriter {
    scope: Scope,
    format: Format,
}

impl LineWriter {
    fn trace(&self, trace: Trace, out: &mut Vec<u8>) -> anyhow::Result<()> {
        match self.format {
            Format::Json => {
                let text = json(&request(vec![trace], &self.scope)).context("failed to write a trace")?;
                out.extend(text.bytes());
            }
            Format::Waterfall => {
                let style = Style { colour: io::stdout().is_terminal(), ..Style::default() };
                out.extend(waterfall(&trace, style).bytes());
            }
        }
        out.push(b'\n');
        Ok(())
    }
}

/// A counter on the standard error, if that is a terminal and the standard output is not, once the work turns out long.
fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() || io::stdout().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{human_pos} records  {per_sec}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden()).with_style(style);
    let shown = bar.clone();
    thread::spawn(move || {
        thread::sleep(PROGRESS_AFTER);
        if !shown.is_finished() {
            shown.set_draw_target(ProgressDrawTarget::stderr());
        }
    });
    bar
}
