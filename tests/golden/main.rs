//! The golden corpus: what senders might deliver, and what must come out, natively and through the component.

#![expect(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails on the spot")]

mod corpus;
mod native;
mod snapshot;

use callspan_tccc::Mapping;
use snapshot::snapshot;
use std::fs;
use std::path::{Path, PathBuf};

/// Set to rewrite the snapshots that were not written by hand.
const BLESS: &str = "BLESS";

/// Every payload is mapped twice, by the plain function and by the component; both give the snapshot.
#[test]
fn every_payload_gives_its_snapshot_natively_and_through_the_component() {
    let (plugin, mapping) = (corpus::plain_plugin(), Mapping::default());
    let by_hand = fs::read_to_string(folder("by-hand.txt")).expect("the list is there");
    let mut differences = Vec::new();
    for payload in payloads() {
        let name = payload.file_name().and_then(|name| name.to_str()).expect("payloads have plain names").to_owned();
        let records = corpus::records(&payload);
        let natively: Vec<_> = records.iter().map(|record| native::map(&mapping, &record.body)).collect();
        assert_eq!(
            snapshot(&natively),
            snapshot(&plugin.transform(&records)),
            "{name}: natively, and through the component"
        );

        let expected = folder("expected").join(format!("{name}.txt"));
        let is_by_hand = by_hand.lines().any(|line| line == name);
        if std::env::var_os(BLESS).is_some() && !is_by_hand {
            fs::write(&expected, snapshot(&natively)).expect("a snapshot can be written");
        }
        differences.extend(difference(&name, &expected, &snapshot(&natively)));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Outcomes depend on no neighbour: any order of a batch gives the same ones.
#[test]
fn the_order_of_a_batch_changes_nothing() {
    let plugin = corpus::plain_plugin();
    let mut records: Vec<_> = payloads()
        .iter()
        .flat_map(|payload| corpus::records(payload))
        .filter(|record| record.body.len() < 10_000)
        .collect();
    let forwards = plugin.transform(&records);
    records.reverse();
    let mut backwards = plugin.transform(&records);
    backwards.reverse();
    assert_eq!(snapshot(&forwards), snapshot(&backwards));
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

/// All payloads, sorted by name.
fn payloads() -> Vec<PathBuf> {
    let entries = fs::read_dir(folder("payloads")).expect("the corpus is there");
    let mut payloads: Vec<PathBuf> = entries.map(|entry| entry.expect("its folder can be read").path()).collect();
    payloads.sort();
    assert!(payloads.len() > 100, "the corpus is not whole");
    payloads
}

/// The first line that differs. A message of `*` in a snapshot stands for any.
fn difference(name: &str, expected: &Path, got: &str) -> Option<String> {
    let Ok(text) = fs::read_to_string(expected) else { return Some(format!("{name}: there is no snapshot")) };
    let (mut wanted, mut got) = (text.lines(), got.lines());
    loop {
        match (wanted.next(), got.next()) {
            (None, None) => return None,
            (Some("message *"), Some(message)) if message.starts_with("message ") => {}
            (wanted, got) if wanted == got => {}
            (wanted, got) => return Some(format!("{name}: expected {wanted:?}, got {got:?}")),
        }
    }
}
