//! What may be left besides on a disk that has more than it promised.

use crate::machine::Machine;
use std::collections::BTreeSet;
use std::fs;

const SEEDS: u64 = 40;

/// What is left, with each of many seeds, after these actions: the names, and the content of `a`.
fn outcomes(actions: &[&str]) -> BTreeSet<(Vec<String>, String)> {
    (0..SEEDS).map(|seed| outcome(actions, seed)).collect()
}

fn outcome(actions: &[&str], seed: u64) -> (Vec<String>, String) {
    let machine = Machine::new();
    machine.cut_with_write_back(machine.start_and_wait(actions), seed);
    (machine.names(), machine.text("a").unwrap_or_default())
}

#[test]
fn a_file_may_have_a_part_of_an_append_but_never_less_than_was_synced() {
    let contents: BTreeSet<_> =
        outcomes(&["put a one", "sync a", "sync .", "append a two"]).into_iter().map(|outcome| outcome.1).collect();
    // The length may be there without the bytes.
    assert_eq!(contents, ["one", "one\0\0\0", "onetwo"].map(str::to_owned).into());
}

#[test]
fn a_rename_happened_or_it_did_not() {
    let names: BTreeSet<_> =
        outcomes(&["put a one", "sync a", "sync .", "rename a b"]).into_iter().map(|outcome| outcome.0).collect();
    assert_eq!(names, [vec!["a".to_owned()], vec!["b".to_owned()]].into());
}

#[test]
fn a_replacement_happened_with_its_content_or_it_did_not() {
    let outcomes = outcomes(&["put a one", "sync a", "put b two", "sync b", "sync .", "rename b a"]);
    let before = (vec!["a".to_owned(), "b".to_owned()], "one".to_owned());
    assert_eq!(outcomes, [before, (vec!["a".to_owned()], "two".to_owned())].into());
}

#[test]
fn pages_reach_the_disk_one_by_one() {
    let mixtures = (0..SEEDS).filter(|seed| {
        let machine = Machine::new();
        fs::write(machine.path("a"), [b'.'; 40_960]).unwrap();
        let overwrites: Vec<_> = (0..10).map(|page| format!("overwrite a {} x", page * 4096)).collect();
        let actions: Vec<_> = overwrites.iter().map(String::as_str).collect();
        machine.cut_with_write_back(machine.start_and_wait(&actions), *seed);
        let bytes = fs::read(machine.path("a")).unwrap();
        let written = bytes.iter().filter(|byte| **byte == b'x').count();
        assert_eq!(bytes.len(), 40_960);
        (1..10).contains(&written)
    });
    assert!(mixtures.count() > 5, "all pages are there or none is");
}

#[test]
fn a_seed_tells_what_is_left() {
    let actions = ["put a one", "put b two", "put c three", "sync b", "append b four"];
    for seed in 0..10 {
        assert_eq!(outcome(&actions, seed), outcome(&actions, seed), "seed {seed}");
    }
}
