//! What the mapping costs: natively, as a component, and against plainer ways to read the same bytes.
//!
//! Allocations are those of the host's process: what a guest allocates in its own memory is not among them.

use crate::allocations::allocations_of;
use crate::guards::{Guarded, Unguarded};
use crate::plain_reader;
use crate::race::{ROUNDS, race};
use crate::records::records;
use callspan::record::Record;
use callspan::transform::{Cache, Engine, Loader, Outcome, Plugin, Settings, Source};
use callspan_tccc::{Mapping, bindings};
use std::cell::RefCell;
use std::hint::black_box;

const BATCHES: [usize; 3] = [1, 64, 512];
const PARTICIPANTS: [usize; 3] = [1, 3, 10];
/// Counts of participants between which the cost of one must not change.
const LINEAR: [usize; 3] = [10, 100, 256];

pub(crate) fn measure() {
    let mapping = Mapping::default();
    let loader = Loader::new(Engine::new().expect("an engine starts"), Cache::none());
    let plugin = loader.load(&Source::Builtin, Settings::default()).expect("the built-in plugin loads");
    println!("medians of {ROUNDS} rounds; µs and allocations are for one record\n");
    boundary(&mapping, &plugin);
    guards(&mapping, &plugin);
    readers(&mapping);
    linearity(&mapping, &plugin);
}

/// The component against the same mapping run natively.
fn boundary(mapping: &Mapping, plugin: &Plugin) {
    println!("component against native; the component's time holds checks, ids and privacy too");
    println!(
        "{:>12} {:>6} {:>8} {:>10} {:>12} {:>6} {:>12} {:>12}",
        "participants", "batch", "bytes", "native µs", "component µs", "ratio", "allocs nat.", "allocs comp."
    );
    for participants in PARTICIPANTS {
        for batch in BATCHES {
            let records = records(batch, participants);
            let native = || drop(black_box(map_all(mapping, &records)));
            let component = || drop(black_box(transform_all(plugin, &records)));
            let [native_time, component_time] = race([&native, &component]);
            println!(
                "{participants:>12} {batch:>6} {:>8} {:>10.1} {:>12.1} {:>6.2} {:>12.1} {:>12.1}",
                records.iter().map(|record| record.body.len()).sum::<usize>() / batch,
                native_time.micros / batch as f64,
                component_time.micros / batch as f64,
                component_time.ratio,
                allocations_of(native) as f64 / batch as f64,
                allocations_of(component) as f64 / batch as f64,
            );
        }
    }
}

/// The component with what keeps it within bounds against the same component without, and against all that the host does.
fn guards(mapping: &Mapping, plugin: &Plugin) {
    const BATCH: usize = 64;
    println!("\nwhat the guards cost, batch of {BATCH}; the host also checks, derives ids and applies privacy");
    println!(
        "{:>12} {:>10} {:>13} {:>11} {:>8} {:>19} {:>21}",
        "participants",
        "native µs",
        "unguarded µs",
        "guarded µs",
        "host µs",
        "unguarded / native",
        "guarded / unguarded"
    );
    for participants in PARTICIPANTS {
        let records = records(BATCH, participants);
        let bodies: Vec<&[u8]> = records.iter().map(|record| &*record.body).collect();
        let (unguarded, guarded) = (RefCell::new(Unguarded::new()), Guarded::new());
        let natively = || drop(black_box(map_all(mapping, &records)));
        let without = || drop(black_box(unguarded.borrow_mut().transform(&bodies)));
        let with = || drop(black_box(guarded.transform(&bodies)));
        let in_the_host = || drop(black_box(transform_all(plugin, &records)));
        let [native, unguarded, guarded, host] = race([&natively, &without, &with, &in_the_host]);
        let [_, guards] = race([&without, &with]);
        let each = |time: f64| time / BATCH as f64;
        println!(
            "{participants:>12} {:>10.1} {:>13.1} {:>11.1} {:>8.1} {:>19.2} {:>21.2}",
            each(native.micros),
            each(unguarded.micros),
            each(guarded.micros),
            each(host.micros),
            unguarded.ratio,
            guards.ratio,
        );
    }
}

/// The mapping and its reader against `serde_json`, as a tree and as a derived structure of the same fields.
fn readers(mapping: &Mapping) {
    println!("\nreading alone, three participants");
    let records = records(64, 3);
    let tree = || records.iter().for_each(|record| drop(black_box(plain_reader::tree(&record.body))));
    let derive = || records.iter().for_each(|record| drop(black_box(plain_reader::derived(&record.body))));
    let read = || records.iter().for_each(|record| assert!(mapping.reads(black_box(&record.body))));
    let [tree_time, derive_time, read_time] = race([&tree, &derive, &read]);
    let [_, read_to_derive] = race([&derive, &read]);
    println!("{:>26} {:>8} {:>10} {:>12}", "", "µs", "to derive", "allocations");
    for (name, time, ratio, allocations) in [
        ("serde_json::Value", tree_time.micros, tree_time.micros / derive_time.micros, allocations_of(tree)),
        ("serde derive, borrowing", derive_time.micros, 1.0, allocations_of(derive)),
        ("the mapping's reader", read_time.micros, read_to_derive.ratio, allocations_of(read)),
    ] {
        println!("{name:>26} {:>8.2} {ratio:>10.2} {:>12.1}", time / 64.0, allocations as f64 / 64.0);
    }
}

/// The cost of one participant, however many there are; and the component against the tree alone.
fn linearity(mapping: &Mapping, plugin: &Plugin) {
    println!("\ncost of one participant, in a record of many");
    println!("{:>12} {:>10} {:>12}", "participants", "native µs", "component µs");
    for participants in LINEAR {
        let records = records(8, participants);
        let native = || drop(black_box(map_all(mapping, &records)));
        let component = || drop(black_box(transform_all(plugin, &records)));
        let [native_time, component_time] = race([&native, &component]);
        let each = (8 * participants) as f64;
        println!("{participants:>12} {:>10.3} {:>12.3}", native_time.micros / each, component_time.micros / each);
    }
    println!(
        "\ncomponent against parsing the same bytes natively as serde_json::Value, batch of 64, three participants"
    );
    let records = records(64, 3);
    let tree = || records.iter().for_each(|record| drop(black_box(plain_reader::tree(&record.body))));
    let component = || drop(black_box(transform_all(plugin, &records)));
    let [_, component_time] = race([&tree, &component]);
    println!("ratio {:.2}", component_time.ratio);
}

fn map_all(mapping: &Mapping, records: &[Record]) -> Vec<bindings::Outcome> {
    let outcomes: Vec<_> = records.iter().map(|record| mapping.map(&record.body)).collect();
    assert!(outcomes.iter().all(|outcome| matches!(outcome, bindings::Outcome::Trace(_))));
    outcomes
}

fn transform_all(plugin: &Plugin, records: &[Record]) -> Vec<Outcome> {
    let outcomes = plugin.transform(records);
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Trace(_))));
    outcomes
}
