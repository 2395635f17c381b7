//! Stores whose files were damaged at random. Whatever is damaged: what is missing is told, nothing else is handed out
//! than what was stored, and one that cannot be opened says what to move away.
//!
//! `CALLSPAN_DAMAGE_SEED` runs one case.

use super::model::{copy_folder, scratch};
use super::tests::{refused, rejection};
use super::*;
use crate::queue::OpenError;
use crate::record::Record;
use fastrand::Rng;
use std::fs;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::Duration;

const CASES: u64 = 140;
const NOW_MS: u64 = 1_700_000_000_000;
/// A case that takes longer hangs.
const CASE_MAX: Duration = Duration::from_secs(60);
/// Small, so that there are several.
const LIMITS: Limits = Limits { segment_bytes: 4_000, segment_bytes_max: 8_000 };

/// A store to be damaged, and what is in it.
#[derive(Clone)]
struct Intact {
    folder: PathBuf,
    /// Bodies of records and of letters.
    records: BTreeMap<u64, Vec<u8>>,
    letters: BTreeMap<u64, Vec<u8>>,
}

/// What was done to a file.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Flip,
    Cut,
    Zero,
}

#[test]
fn what_is_damaged_is_told_and_nothing_wrong_is_handed_out() {
    let outer = scratch();
    let stores: Vec<Intact> = [(false, true), (true, true), (true, false), (false, false)]
        .into_iter()
        .map(|(is_closed, is_flushed)| {
            build(&outer.path().join(format!("{is_closed}-{is_flushed}")), is_closed, is_flushed)
        })
        .collect();
    let seeds: Vec<u64> = match std::env::var("CALLSPAN_DAMAGE_SEED") {
        Ok(seed) => vec![seed.parse().expect("a number")],
        Err(_) => {
            let first = fastrand::u64(..u64::MAX - CASES);
            (first..first + CASES).collect()
        }
    };
    let mut outcomes = BTreeMap::<String, u32>::new();
    for seed in seeds {
        let mut random = Rng::with_seed(seed);
        let intact = random.choice(&stores).expect("some").clone();
        let folder = outer.path().join(format!("case-{seed}"));
        copy_folder(&intact.folder, &folder);
        let (file, damage) = harm(&folder, &mut random);
        let case = format!("CALLSPAN_DAMAGE_SEED={seed}: {damage:?} in {}", file.display());
        let (done, is_done) = mpsc::channel();
        let (thread_folder, thread_case) = (folder.clone(), case.clone());
        let looking = std::thread::spawn(move || {
            let outcome = look(&intact, &thread_folder, &thread_case);
            // Nobody waits for it any more when it hung.
            let _told = done.send(());
            outcome
        });
        if let Err(mpsc::RecvTimeoutError::Timeout) = is_done.recv_timeout(CASE_MAX) {
            panic!("{case}: hangs");
        }
        let outcome = looking.join().unwrap_or_else(|_| panic!("{case}: panics"));
        *outcomes.entry(outcome.to_owned()).or_default() += 1;
        fs::remove_dir_all(&folder).expect("it is ours");
    }
    println!("{outcomes:?}");
}

/// The library's checksums leave out the number that orders transactions: one that is taken for a later one hides what
/// the state became after it.
#[test]
fn a_transaction_that_is_taken_for_another_one_is_told_or_loses_nothing() {
    let outer = scratch();
    for is_flushed in [false, true] {
        let intact = build(&outer.path().join(format!("intact-{is_flushed}")), false, is_flushed);
        let [journal] = journals::all(&intact.folder.join("store")).try_into().expect("it is small");
        let bytes = fs::read(&journal).expect("it is there");
        let starts = transactions(&bytes);
        assert!(starts.len() > 24, "{starts:?}");
        for (start, number) in starts.iter().flat_map(|start| [(start, u64::MAX >> 16), (start, 0)]) {
            let folder = outer.path().join("case");
            copy_folder(&intact.folder, &folder);
            let mut damaged = bytes.clone();
            damaged[*start..][TRANSACTION_NUMBER].copy_from_slice(&number.to_le_bytes());
            fs::write(folder.join("store").join(journals::name_of(&journal)), damaged).expect("it is ours");
            let case = format!("the transaction at {start} is number {number}, tables are written: {is_flushed}");
            let outcome = look(&intact, &folder, &case);
            assert!(number == 0 || outcome == "nothing is missing", "{case}: {outcome}");
            fs::remove_dir_all(&folder).expect("it is ours");
        }
    }
}

/// In the head of a transaction, after a byte for its kind and four for the count of its rows.
const TRANSACTION_NUMBER: std::ops::Range<usize> = 5..13;

/// Where the transactions of a journal begin: at its beginning, and after what ends each but the last.
fn transactions(journal: &[u8]) -> Vec<usize> {
    const END: &[u8] = b"FJL\x03";
    let after_end = journal.windows(END.len() + 1).enumerate().filter(|(_, bytes)| *bytes == b"FJL\x03\x01");
    [0].into_iter().chain(after_end.map(|(place, _)| place + END.len())).collect()
}

/// Records in segments of which some are written to tables, letters, and two consumers that are behind.
fn build(folder: &Path, is_closed: bool, is_flushed: bool) -> Intact {
    let mut random = Rng::with_seed(7);
    drop(open(folder).expect("a new store"));
    let (mut store, _) = open(folder).expect("the store of before");
    let mut intact = Intact { folder: folder.to_owned(), records: BTreeMap::new(), letters: BTreeMap::new() };
    let join = |store: &mut Store, name| {
        store.join(name, vec!["source".to_owned()], ConsumerSettings::default(), "mapping").expect("it is known now")
    };
    let followers = [join(&mut store, "one"), join(&mut store, "two")];
    for round in 0..12_u64 {
        let arrivals: Vec<Arrival> = (0..6).map(|_| arrival(&mut random)).collect();
        for taken in store.admit(&arrivals, NOW_MS, true).expect("the disk works") {
            let entry = taken.entry().expect("it is new");
            intact.records.insert(entry.id, entry.record.body.to_vec());
            for follower in &followers {
                let lane = *locked(follower).lanes.keys().next().expect("it follows");
                locked(follower).lanes.get_mut(&lane).expect("it follows").take(entry.id);
                if entry.id % 9 == 0 {
                    store.settle(follower, lane, entry, &refused("no_time"), NOW_MS).expect("the disk works");
                    intact.letters.insert(entry.id, entry.record.body.to_vec());
                }
            }
        }
        let id = store.next_id();
        let refused = arrival(&mut random);
        store.refuse(&refused, &rejection("not_json"), NOW_MS).expect("the disk works");
        intact.letters.insert(id, refused.record.body.to_vec());
        store.write(true).expect("the disk works");
        if is_flushed && round == 7 {
            let older: Vec<u32> = store.segments.keys().rev().skip(1).copied().collect();
            let tables =
                older.into_iter().map(Table::Records).chain([Table::State, Table::Letters, Table::LetterBodies]);
            let compact = |database: &database::Database| tables.into_iter().try_for_each(|it| database.compact(it));
            store.reader.with(compact).expect("the disk works");
        }
    }
    assert!(store.segments.len() > 3);
    if is_closed {
        store.close().expect("the disk works");
    }
    intact
}

fn open(folder: &Path) -> Result<(Store, Recovered), OpenError> {
    let settings = Settings { free_bytes_min: 0, ..Settings::default() };
    Store::open_with(folder, settings, LIMITS, NOW_MS)
}

fn arrival(random: &mut Rng) -> Arrival {
    let body: Vec<u8> = (0..random.usize(20..900)).map(|_| random.u8(..)).collect();
    let record = Record { body: body.clone().into(), metadata: Vec::new() };
    let push_id = Some(random.u64(..).to_string().into());
    let digest = seen::digest(&body);
    Arrival { source: "source".into(), record, digest, push_id, only: Vec::new(), is_replay: false }
}

/// Damages one of the files.
fn harm(folder: &Path, random: &mut Rng) -> (PathBuf, Damage) {
    let mut files = Vec::new();
    list(folder, &mut files);
    files.sort();
    let journals: Vec<PathBuf> =
        files.iter().filter(|file| file.extension().is_some_and(|it| it == "jnl")).cloned().collect();
    // There are many tables and few journals, and journals are what crashes tear.
    let files = if random.u8(0..3) == 0 { journals } else { files };
    let file = random.choice(files).expect("there are files");
    let mut bytes = fs::read(&file).expect("it is there");
    let damage = random.choice([Damage::Flip, Damage::Cut, Damage::Zero]).expect("one");
    let place = random.usize(..bytes.len().max(1));
    match damage {
        Damage::Flip => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << random.u8(0..8)),
        Damage::Cut => bytes.truncate(place),
        Damage::Zero => {
            let length = random.usize(1..600);
            bytes.iter_mut().skip(place).take(length).for_each(|byte| *byte = 0);
        }
    }
    fs::write(&file, bytes).expect("it is ours");
    (file, damage)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for file in fs::read_dir(folder).expect("it is there").flatten() {
        if file.file_type().expect("it is there").is_dir() {
            list(&file.path(), files);
        } else {
            files.push(file.path());
        }
    }
}

/// Opens a damaged store and looks at all of it.
fn look(intact: &Intact, folder: &Path, case: &str) -> &'static str {
    let (store, recovered) = match open(folder) {
        Ok(opened) => opened,
        Err(error) => {
            move_away(folder, &error.to_string(), case);
            return "refused";
        }
    };
    let is_told = recovered.lost > 0 || !recovered.quarantined.is_empty();
    let mut missing: Vec<u64> = Vec::new();
    let stretch = store.reader().stretch(0, store.next_id(), usize::MAX, u64::MAX).expect("the disk works");
    let found: BTreeMap<u64, Vec<u8>> =
        stretch.entries.iter().map(|entry| (entry.id, entry.record.body.to_vec())).collect();
    for (id, body) in &found {
        assert_eq!(Some(body), intact.records.get(id), "{case}: record {id} is another one");
    }
    missing.extend(intact.records.keys().filter(|id| !found.contains_key(id) && !stretch.damaged.contains(id)));
    let letters = store.letters(0, usize::MAX);
    let mut are_letters_damaged = letters.is_err();
    for (id, body) in &intact.letters {
        match store.letter(*id) {
            Ok(Some((_, record))) => assert_eq!(record.body, body, "{case}: letter {id} is another one"),
            // The verdict that made it one may be lost with it: then it waits again.
            Ok(None) if found.contains_key(id) && waits(&store, *id) => {}
            Ok(None) => missing.push(*id),
            Err(_) => are_letters_damaged = true,
        }
    }
    assert!(missing.is_empty() || is_told, "{case}: {missing:?} are missing, and nothing was told");
    let last = intact.records.keys().chain(intact.letters.keys()).max().copied().unwrap_or(0);
    assert!(store.next_id() > last || is_told, "{case}: ids are given again");
    for follower in store.followers.values() {
        let following = locked(follower);
        let ahead = |lane: &Lane| {
            let is_ahead = |id: &u64| *id >= lane.next() || lane.is_open(*id);
            found.keys().chain(&stretch.damaged).filter(|id| is_ahead(id)).count() as u64
        };
        let there: u64 = following.lanes.values().map(ahead).sum();
        assert_eq!(following.waiting(), there, "{case}: {} waits for what is there", following.name);
    }
    let is_damaged = !stretch.damaged.is_empty() || are_letters_damaged;
    drop(store);
    // What was told once is over: it opens again.
    let (store, again) = open(folder).unwrap_or_else(|error| panic!("{case}: it opened once, and then: {error}"));
    assert_eq!((again.lost, again.quarantined), (0, Vec::new()), "{case}");
    store.close().expect("the disk works");
    match (missing.is_empty(), is_damaged, is_told) {
        (true, false, false) => "nothing is missing",
        (true, false, true) => "nothing is missing, and something was set aside",
        (_, true, _) => "damaged records",
        (false, false, _) => "told to be lost",
    }
}

/// Whether everybody who refused it has it before them again.
fn waits(store: &Store, id: u64) -> bool {
    store.followers.values().all(|follower| {
        let follower = locked(follower);
        follower.lanes.values().any(|lane| lane.is_open(id) || id >= lane.next())
    })
}

/// It says what to move away, and that is enough.
fn move_away(folder: &Path, error: &str, case: &str) {
    let words = error.split([' ', ';', ',']).filter(|word| word.starts_with('/'));
    let named = words.map(PathBuf::from).rfind(|path| path.exists() && path.starts_with(folder));
    let named = named.unwrap_or_else(|| panic!("{case}: nothing to move away is named: {error}"));
    fs::rename(&named, folder.with_extension("away")).expect("it is ours");
    let opened = open(folder).unwrap_or_else(|again| panic!("{case}: {named:?} was moved away, and then: {again}"));
    drop(opened);
    let away = folder.with_extension("away");
    if away.is_dir() { fs::remove_dir_all(&away) } else { fs::remove_file(&away) }.expect("it is ours");
    if !folder.exists() {
        fs::create_dir(folder).expect("it is ours");
    }
}
