//! What is done to a store, in a process of its own; facts go to standard output as `name value` lines.

use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::files;
use crate::meter::{self, Meter};
use crate::records::{RECORD_BYTES, RECORD_START, Records, index_key};
use crate::store::{IndexKey, Step, Store};

const STEADY_RECORDS: u64 = 40_000;
/// How far the consumer is behind.
const LAG_RECORDS: u64 = 512;
const BATCH: u64 = 64;
/// Stores give space back in threads of their own; what is still taken after this long stays taken.
const IDLE: Duration = Duration::from_secs(5);
const MEBIBYTE: f64 = 1_048_576.0;

pub(crate) fn run<S: Store>(work: &str, folder: &Path, arguments: &[&str]) -> Result<()> {
    let number = |at: usize| -> Result<u64> { Ok(arguments.get(at).context("an argument is missing")?.parse()?) };
    match work {
        "steady" => steady::<S>(folder, number(0)?, arguments.contains(&"read"), arguments.contains(&"index")),
        "fill" => fill::<S>(folder, number(0)?),
        "drain" => drain::<S>(folder),
        "check" => check::<S>(folder),
        "damage" => damage::<S>(folder, arguments.first().context("which damage")?),
        "full" => full::<S>(folder),
        unknown => bail!("no work {unknown}"),
    }
}

/// Appends in batches, one durable commit each, while a consumer a little behind reads and acknowledges.
fn steady<S: Store>(folder: &Path, batch: u64, reads: bool, indexes: bool) -> Result<()> {
    let records = Records::new();
    let mut store = S::open(folder)?;
    let meter = Meter::start();
    for first in (1..=STEADY_RECORDS).step_by(usize::try_from(batch)?) {
        let appended: Vec<_> = (first..first + batch).map(|number| records.get(number)).collect();
        let keys: Vec<IndexKey> = if indexes { (first..first + batch).map(index_key).collect() } else { Vec::new() };
        for number in (first..first + batch).filter(|_| indexes) {
            ensure!(!store.was_seen(&index_key(number))?, "a new record was seen before");
        }
        let acknowledged = first.saturating_sub(LAG_RECORDS).max(1);
        if reads && acknowledged > batch {
            let read = store.read(acknowledged - batch..acknowledged)?;
            ensure!(read.len() as u64 == batch && read[0] == records.get(acknowledged - batch), "read something else");
        }
        // What was just read is acknowledged with this append.
        store.commit(&Step { first, records: &appended, index_keys: &keys, acknowledged })?;
    }
    let used = meter.used();
    let (count, commits) = (STEADY_RECORDS as f64, (STEADY_RECORDS / batch) as f64);
    println!("records/s {:.0}", count / used.time.as_secs_f64());
    println!("cpu_us {:.1}", used.cpu.as_secs_f64() * 1e6 / count);
    println!("flushes {:.2}", used.flushes as f64 / commits);
    println!("amplification {:.2}", used.written_bytes as f64 / (count * RECORD_BYTES as f64));
    println!("peak_MiB {:.0}", meter::peak_bytes() as f64 / MEBIBYTE);
    println!("disk_MiB {:.0}", files::allocated_bytes(folder) as f64 / MEBIBYTE);
    Ok(())
}

/// Appends without acknowledging, says so, and waits to be killed.
fn fill<S: Store>(folder: &Path, count: u64) -> Result<()> {
    let records = Records::new();
    let mut store = S::open(folder)?;
    let meter = Meter::start();
    let count = count.next_multiple_of(BATCH);
    append(&mut store, &records, 1, count)?;
    let used = meter.used();
    println!("append/s {:.0}", count as f64 / used.time.as_secs_f64());
    println!("append_amp {:.2}", used.written_bytes as f64 / (count as f64 * RECORD_BYTES as f64));
    println!("append_cpu_us {:.1}", used.cpu.as_secs_f64() * 1e6 / count as f64);
    println!("fill_peak_MiB {:.0}", meter::peak_bytes() as f64 / MEBIBYTE);
    println!("fill_disk_MiB {:.0}", files::allocated_bytes(folder) as f64 / MEBIBYTE);
    println!("ready");
    sleep(Duration::from_secs(3600));
    Ok(())
}

/// Opens what a killed process left, takes everything out in order, and watches the space come back.
fn drain<S: Store>(folder: &Path) -> Result<()> {
    let records = Records::new();
    let start = Instant::now();
    let mut store = S::open(folder)?;
    let waiting = store.waiting()?;
    println!("open_ms {:.0}", start.elapsed().as_secs_f64() * 1e3);
    println!("open_rss_MiB {:.0}", meter::resident_bytes() as f64 / MEBIBYTE);
    let meter = Meter::start();
    for first in waiting.clone().step_by(usize::try_from(BATCH)?) {
        let end = (first + BATCH).min(waiting.end);
        let read = store.read(first..end)?;
        ensure!(read.into_iter().eq((first..end).map(|number| records.get(number))), "records from {first} differ");
        store.commit(&Step { acknowledged: end, ..Step::default() })?;
    }
    let used = meter.used();
    let count = (waiting.end - waiting.start) as f64;
    println!("drained {count}");
    println!("drain/s {:.0}", count / used.time.as_secs_f64());
    println!("drain_cpu_us {:.1}", used.cpu.as_secs_f64() * 1e6 / count);
    println!("drain_written_MiB {:.0}", used.written_bytes as f64 / MEBIBYTE);
    println!("drain_peak_MiB {:.0}", meter::peak_bytes() as f64 / MEBIBYTE);
    println!("left_MiB {:.0}", files::allocated_bytes(folder) as f64 / MEBIBYTE);
    sleep(IDLE);
    println!("left_idle_MiB {:.0}", files::allocated_bytes(folder) as f64 / MEBIBYTE);
    // A trickle of work: some stores tidy up only when something is written.
    append(&mut store, &records, waiting.end, 6_400)?;
    store.commit(&Step { acknowledged: waiting.end + 6_400, ..Step::default() })?;
    sleep(IDLE);
    println!("left_trickle_MiB {:.0}", files::allocated_bytes(folder) as f64 / MEBIBYTE);
    drop(store);
    let start = Instant::now();
    let store = S::open(folder)?;
    println!("reopen_ms {:.0}", start.elapsed().as_secs_f64() * 1e3);
    drop(store);
    println!("left_reopen_MiB {:.0}", files::allocated_bytes(folder) as f64 / MEBIBYTE);
    Ok(())
}

/// Says what is left of the records in a folder that may be damaged.
fn check<S: Store>(folder: &Path) -> Result<()> {
    let records = Records::new();
    let store = S::open(folder).inspect_err(|error| println!("open {error:#}"))?;
    let waiting = store.waiting().inspect_err(|error| println!("waiting {error:#}"))?;
    println!("waiting {}..{}", waiting.start, waiting.end);
    let (mut whole, mut missing, mut wrong, mut failed) = (0, 0, 0, 0);
    for number in waiting {
        match store.read(number..number + 1) {
            Ok(read) if read.is_empty() => missing += 1,
            Ok(read) if read[0] == records.get(number) => whole += 1,
            Ok(_) => wrong += 1,
            Err(error) => {
                failed += 1;
                if failed == 1 {
                    println!("read-error at {number}: {error:#}");
                }
            }
        }
    }
    println!("whole {whole} missing {missing} wrong {wrong} failed {failed}");
    Ok(())
}

/// Damages the record in the middle of what the file holds, what stands in front of it, or the file's end.
fn damage<S: Store>(folder: &Path, which: &str) -> Result<()> {
    let file = match which.split_once(' ') {
        Some(("table", _)) => S::table_file(folder)?,
        _ => Some(S::log_file(folder)?),
    };
    let Some(file) = file else {
        println!("nothing has such a file");
        return Ok(());
    };
    let records = files::positions(&file, RECORD_START)?;
    let middle = *records.get(records.len() / 2).context("the file holds no record")?;
    let end = files::written_bytes(&file)?;
    match which.split_once(' ').context("a file and a damage")?.1 {
        "body" => files::flip(&file, middle + 1_000)?,
        "frame" => files::flip(&file, middle - 12)?,
        "cut" => files::cut(&file, end - 1_000)?,
        "zero" => files::zero(&file, end - 1_000)?,
        unknown => bail!("no damage {unknown}"),
    }
    println!("damaged {}", file.strip_prefix(folder)?.display());
    Ok(())
}

/// Fills a small disk, makes room, and goes on; the folder is a file system of its own that may be remounted.
fn full<S: Store>(folder: &Path) -> Result<()> {
    let records = Records::new();
    let mut store = S::open(&folder.join("store"))?;
    let mut next = 1;
    while let Ok(()) = append(&mut store, &records, next, BATCH).inspect_err(|error| println!("first-error {error:?}"))
    {
        next += BATCH;
    }
    println!("committed {}", next - 1);
    let again = append(&mut store, &records, next, BATCH);
    println!("second-error {again:?}");
    println!("read-while-full {:?}", store.read(1..65).map(|read| read.len()));
    let acknowledgement = store.commit(&Step { acknowledged: 1_000, ..Step::default() });
    println!("acknowledge-while-full {acknowledgement:?}");
    remount(folder, "1g")?;
    sleep(Duration::from_secs(1));
    println!("with-room-again {:?}", append(&mut store, &records, next, BATCH));
    let start = Instant::now();
    drop(store);
    println!("dropped-in-ms {:.0}", start.elapsed().as_secs_f64() * 1e3);
    let mut store = S::open(&folder.join("store")).inspect_err(|error| println!("reopened {error:?}"))?;
    let waiting = store.waiting()?;
    println!("reopened {}..{} after {} commits that were answered", waiting.start, waiting.end, next - 1);
    println!("after-reopening {:?}", append(&mut store, &records, waiting.end, BATCH));
    drop(store);
    check::<S>(&folder.join("store"))
}

pub(crate) fn remount(folder: &Path, size: &str) -> Result<()> {
    let options = format!("remount,size={size}");
    ensure!(Command::new("mount").args(["-o", &options]).arg(folder).status()?.success(), "cannot remount");
    Ok(())
}

fn append<S: Store>(store: &mut S, records: &Records, first: u64, count: u64) -> Result<()> {
    for first in (first..first + count).step_by(usize::try_from(BATCH)?) {
        let appended: Vec<_> = (first..first + BATCH).map(|number| records.get(number)).collect();
        store.commit(&Step { first, records: &appended, ..Step::default() })?;
    }
    Ok(())
}
