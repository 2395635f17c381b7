//! What was acknowledged is there, whenever the power goes.

use crate::machine::Machine;
use std::collections::HashSet;
use std::fs::{self, OpenOptions};

const CUTS: usize = 60;

/// Lets a process acknowledge numbers until a moment of chance, and gives all it has acknowledged. Every second disk, by
/// chance, has some of what was not synced; the seed tells which.
fn acknowledged(machine: &Machine, action: &str) -> (u64, Vec<u64>) {
    let mut process = machine.start(&[action]);
    let mut lines: Vec<_> = (0..fastrand::usize(0..40)).map(|_| process.line()).collect();
    let seed = fastrand::u64(..);
    let writes_back = seed.is_multiple_of(2);
    lines.extend(if writes_back { machine.cut_with_write_back(process, seed) } else { machine.cut(process) });
    (seed, lines.into_iter().map(|line| line.parse().expect("each line is a number")).collect())
}

/// The numbers of eight digits a file has, without a last one that is torn.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    let numbers = bytes.chunks_exact(8).map_while(parse);
    numbers.collect()
}

fn parse(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok()?.parse().ok()
}

#[test]
fn what_was_appended_and_acknowledged_is_there() {
    let machine = Machine::new();
    for _ in 0..CUTS {
        let (seed, acknowledged) = acknowledged(&machine, "acknowledge a");
        let left = numbers(&fs::read(machine.path("a")).unwrap_or_default());
        assert!(left.iter().copied().eq(0..left.len() as u64), "seed {seed}: {left:?} are not in order");
        // One more may have been synced, and not said.
        assert!(
            acknowledged.last().is_none_or(|last| left.last() >= Some(last)),
            "seed {seed}: {acknowledged:?}, {left:?}"
        );
        let last = left.len() as u64;
        assert!(
            acknowledged.last().is_none_or(|acknowledged| last <= acknowledged + 2),
            "seed {seed}: unsynced numbers are there"
        );
        // The next process begins behind a whole number.
        if let Ok(file) = OpenOptions::new().write(true).open(machine.path("a")) {
            file.set_len(last * 8).unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_in_a_long_journal_is_there() {
    let machine = Machine::new();
    for _ in 0..CUTS {
        let (seed, acknowledged) = acknowledged(&machine, "acknowledge-in-journal a");
        let left = numbers(&fs::read(machine.path("a")).unwrap_or_default());
        assert!(left.len() >= acknowledged.len(), "seed {seed}: {acknowledged:?}, {left:?}");
        fs::remove_file(machine.path("a")).ok();
    }
}

#[test]
fn what_many_threads_acknowledged_in_one_file_is_there() {
    let machine = Machine::new();
    for _ in 0..CUTS {
        let (seed, acknowledged) = acknowledged(&machine, "acknowledge-in-threads 8");
        let bytes = fs::read(machine.path("shared")).unwrap_or_default();
        let places = bytes.chunks_exact(8).filter_map(parse);
        let left: HashSet<u64> = places.collect();
        let missing: Vec<_> = acknowledged.iter().filter(|number| !left.contains(number)).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?} of {acknowledged:?}");
    }
}

#[test]
fn a_file_that_is_replaced_is_whole_and_not_older_than_acknowledged() {
    let machine = Machine::new();
    for _ in 0..CUTS {
        let (seed, acknowledged) = acknowledged(&machine, "replace a");
        let left = numbers(&fs::read(machine.path("a")).unwrap_or_default());
        assert!(
            acknowledged.last().is_none_or(|last| left.last() >= Some(last)),
            "seed {seed}: {acknowledged:?}, {left:?}"
        );
        fs::remove_file(machine.path("a")).ok();
    }
}

/// The image is cheap enough that it does not change what is tested: a sync of a real disk takes longer.
#[test]
fn a_small_append_to_a_long_journal_is_copied_in_no_time() {
    let machine = Machine::new();
    let mut process = machine.start(&["measure a"]);
    let median_micros: u64 = process.line().parse().unwrap();
    machine.cut(process);
    assert!(median_micros < 20_000, "{median_micros} µs");
}
