//! Compares embedded stores as the durable queue of a service: speed, processor time, flushes, memory, disk space, and what
//! becomes of them when their files are damaged or the disk is full.
//!
//! Each measurement runs in a process of its own, so that its memory is its own and it can be killed. Contestants take
//! turns within a round; figures are medians of the rounds. Data goes to the temporary folder, which should be on a disk
//! and not in memory.
//!
//! Options: `--rounds=3`, `--only=redb`, `--long` for a backlog of a million, and
//! `--parts=steady,backlog,keyspaces,damage,full`; the last mounts a small file system and needs root.

mod files;
mod fjall_removed;
mod fjall_segments;
mod fjall_settings;
mod load;
mod meter;
mod raft_log;
mod records;
mod redb_tables;
mod report;
mod store;

use std::path::Path;

use anyhow::{Result, bail};

use fjall_removed::FjallRemoved;
use fjall_segments::FjallSegments;
use raft_log::RaftLog;
use redb_tables::RedbTables;

const CONTESTANTS: [&str; 5] = ["fjall-removed", "fjall-segments", "redb", "redb-quick", "raft-engine"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["child", "keyspaces", _, folder, count] => fjall_segments::keyspaces(Path::new(folder), count.parse()?),
        ["child", contestant, work, folder, rest @ ..] => child(contestant, work, Path::new(folder), rest),
        options => report::run(options),
    }
}

fn child(contestant: &str, work: &str, folder: &Path, arguments: &[&str]) -> Result<()> {
    match contestant {
        "fjall-removed" => load::run::<FjallRemoved>(work, folder, arguments),
        "fjall-segments" => load::run::<FjallSegments>(work, folder, arguments),
        "redb" => load::run::<RedbTables<false>>(work, folder, arguments),
        "redb-quick" => load::run::<RedbTables<true>>(work, folder, arguments),
        "raft-engine" => load::run::<RaftLog>(work, folder, arguments),
        unknown => bail!("no contestant {unknown}"),
    }
}
