//! What the mapping costs: natively, as a component, and against plainer ways to read the same bytes.
//!
//! Each figure is the median of many rounds; in a round every contestant runs once, so that a busy machine slows them
//! all, and a ratio is the median of the rounds' own ratios. Read the ratios. Allocations are those of the host's
//! process: what a guest allocates in its own memory is not among them.

#![expect(clippy::expect_used, clippy::print_stdout, reason = "a benchmark fails on the spot, and prints")]

mod allocations;
mod plain_reader;

use allocations::allocations_of;
use callspan::record::Record;
use callspan::transform::{Cache, Engine, Loader, Outcome, Plugin, Settings, Source};
use callspan_tccc::{Mapping, bindings};
use std::hint::black_box;
use std::time::{Duration, Instant};

const BATCHES: [usize; 3] = [1, 64, 512];
const PARTICIPANTS: [usize; 3] = [1, 3, 10];
/// Counts of participants between which the cost of one must not change.
const LINEAR: [usize; 3] = [10, 100, 256];
/// How long one contestant runs in one round, about.
const TURN: Duration = Duration::from_millis(10);
const ROUNDS: usize = 41;

fn main() {
    let mapping = Mapping::default();
    let loader = Loader::new(Engine::new().expect("an engine starts"), Cache::none());
    let plugin = loader.load(&Source::Builtin, Settings::default()).expect("the built-in plugin loads");
    println!("medians of {ROUNDS} rounds; µs and allocations are for one record\n");
    boundary(&mapping, &plugin);
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

/// What a contestant took.
#[derive(Clone, Copy)]
struct Taken {
    micros: f64,
    /// To the first contestant.
    ratio: f64,
}

/// Runs the contestants in turn.
fn race<const N: usize>(contestants: [&dyn Fn(); N]) -> [Taken; N] {
    let repetitions = contestants.map(|contestant| {
        contestant();
        let begin = Instant::now();
        contestant();
        u32::try_from(TURN.as_nanos() / begin.elapsed().as_nanos().max(1)).unwrap_or(u32::MAX).clamp(1, 10_000)
    });
    let round = || {
        let mut times = [0.0; N];
        for ((time, contestant), repetitions) in times.iter_mut().zip(contestants).zip(repetitions) {
            let begin = Instant::now();
            (0..repetitions).for_each(|_| contestant());
            *time = begin.elapsed().as_secs_f64() * 1e6 / f64::from(repetitions);
        }
        times
    };
    let rounds: Vec<[f64; N]> = (0..ROUNDS).map(|_| round()).collect();
    let column = |index: usize| rounds.iter().filter_map(move |times| times.get(index).copied());
    std::array::from_fn(|index| Taken {
        micros: median(column(index)),
        ratio: median(column(index).zip(column(0)).map(|(own, first)| own / first)),
    })
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Distinct records of one shape: an answered inbound call with keys, a queue, a survey and that many participants.
fn records(count: usize, participants: usize) -> Vec<Record> {
    (0..count)
        .map(|number| Record { body: record(number, participants).into_bytes().into(), metadata: Vec::new() })
        .collect()
}

fn record(number: usize, participants: usize) -> String {
    let start = 1_767_225_600 + number;
    let served: Vec<String> = (0..participants)
        .map(|place| participant(place, start + 60 + 100 * place, place + 1 == participants))
        .collect();
    format!(
        r#"{{"SdkAppId": 1400000001, "SessionId": "0b7e6f1e-0000-4000-8000-{number:012}", "Caller": "00861380000{number:04}", "Callee": "0086400000000", "Direction": 0, "CallType": 2, "Duration": {duration}, "SeatUser": {{"Mail": "seat{participants:03}@example.com", "Name": "Robin Example", "Nick": "Rob", "Phone": "", "UserId": "seat{participants:03}@example.com", "StaffNumber": "8{participants:03}", "SkillGroupNameList": ["Sales", "Billing"]}}, "CallerLocation": "", "IVRDuration": 22, "RingTimestamp": {ring}, "AcceptTimestamp": {accept}, "EndedTimestamp": {end}, "StartTimestamp": {start}, "IVRKeyPressed": ["1", "2", "3"], "IVRKeyPressedEx": [{{"Key": "1", "Label": "sales"}}, {{"Key": "2", "Label": "orders"}}, {{"Key": "3", "Label": "a person"}}], "HungUpSide": "user", "ServeParticipants": [{served}], "EndStatusString": "ok", "QueuedTimestamp": {queued}, "PostIVRKeyPressed": [{{"Key": "1", "Label": "very satisfied"}}], "QueuedSkillGroupName": "Sales", "QueuedSkillGroupId": 2734, "RecordId": "dbe87035-0000-4000-8000-{number:012}", "UserRemark": "*******7605", "Uui": "abc", "TelLocation": {{"TelNumber": "00861380000{number:04}", "Country": "China", "Province": "Guizhou", "City": "Anshun", "Operator": "mobile"}}}}"#,
        duration = 100 * participants - 5,
        ring = start + 60,
        accept = start + 65,
        end = start + 60 + 100 * participants,
        queued = start + 22,
        served = served.join(", "),
    )
}

fn participant(place: usize, start: usize, is_last: bool) -> String {
    let other = |place: usize| format!("seat{place:03}@example.com");
    let from = place.checked_sub(1).map(other).unwrap_or_default();
    let to = if is_last { String::new() } else { other(place + 1) };
    let group = if place.is_multiple_of(2) { "Sales" } else { "Billing" };
    format!(
        r#"{{"Mail": "{mail}", "Phone": "", "RingTimestamp": {start}, "AcceptTimestamp": {accept}, "EndedTimestamp": {end}, "RecordId": "f65472d9-0000-4000-8000-{place:012}", "Type": "staffSeat", "TransferFrom": "{from}", "TransferFromType": "{kind}", "TransferTo": "{to}", "TransferToType": "", "SkillGroupId": {id}, "EndStatusString": "ok", "Sequence": {place}, "StartTimestamp": {start}, "SkillGroupName": "{group}", "SkillGroupPriority": 0}}"#,
        mail = other(place),
        accept = start + 5,
        end = start + 100,
        kind = if from.is_empty() { "" } else { "staffSeat" },
        id = 2734 + place % 2,
    )
}
