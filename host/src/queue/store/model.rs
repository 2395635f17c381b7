//! Random actions on a store, with crashes and power cuts between them, against a model of it in memory.
//!
//! After every action the store has to hold what the model holds: which records every consumer has to get, what became of
//! the others, the letters. A power cut puts back the folder as it was when something was last synced.
//!
//! A run prints its seed when it fails. `CALLSPAN_MODEL_SEED` runs one seed, `CALLSPAN_MODEL_SECONDS` new ones for so long.

mod actions;
mod expected;

use super::tests::{refused, rejection};
use super::*;
use crate::queue::{DeadLetterSettings, DuplicateSettings, Key, WhenFull};
use crate::record::Record;
use expected::{Consumer, Expected};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const NAMES: [&str; 3] = ["one", "two", "three"];
const SOURCES: [&str; 2] = ["http", "files"];
const START_MS: u64 = 1_700_000_000_000;
const ACTIONS: usize = 120;

/// Seeds that found something.
const KNOWN: [u64; 0] = [];

#[test]
fn the_store_holds_what_a_model_in_memory_holds_whatever_happens() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    if let Some(seed) = number("CALLSPAN_MODEL_SEED") {
        return Run::new(seed).play();
    }
    let end = Instant::now() + Duration::from_secs(number("CALLSPAN_MODEL_SECONDS").unwrap_or(10));
    let mut seeds = KNOWN.to_vec();
    let mut runs = 0;
    while Instant::now() < end {
        let seed = seeds.pop().unwrap_or_else(|| fastrand::u64(..));
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| Run::new(seed).play())) {
            eprintln!("CALLSPAN_MODEL_SEED={seed} fails");
            resume_unwind(panic);
        }
        runs += 1;
    }
    println!("{runs} runs of {ACTIONS} actions");
}

struct Run {
    random: Rng,
    outer: tempfile::TempDir,
    settings: Settings,
    limits: Limits,
    store: Option<Store>,
    now_ms: u64,
    now: Expected,
    /// What the last transaction held.
    written: Expected,
    /// What the last transaction held that is on disk; a copy of the folder goes with it.
    synced: Expected,
    /// Taken, and not settled yet.
    taken: Vec<(String, LaneNumber, Entry)>,
    /// What was done, for whoever has to find out.
    story: Vec<String>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let settings = Settings {
            bytes_max: random.choice([3_000, 8_000, 1_000_000]).expect("one"),
            free_bytes_min: 0,
            keep: Duration::from_secs(random.choice([0, 0, 120]).expect("one")),
            dead_letters: DeadLetterSettings { bytes_max: 3_000, keep: Duration::from_secs(300) },
            duplicates: DuplicateSettings { window: Duration::from_secs(60), ..DuplicateSettings::default() },
            key: random.bool().then(|| Key::parse(&[random.u8(..); 32]).expect("32 bytes")),
            ..Settings::default()
        };
        let limits = Limits { segment_bytes: random.u64(200..1_000), segment_bytes_max: random.u64(1_000..4_000) };
        let outer = scratch();
        let now = Expected { next_id: 1, ..Expected::default() };
        let (written, synced) = (now.clone(), now.clone());
        let (taken, story) = (Vec::new(), Vec::new());
        let mut run =
            Run { random, outer, settings, limits, store: None, now_ms: START_MS, now, written, synced, taken, story };
        // The first journal has room set aside for it, until it was opened a second time.
        drop(Store::open(&run.folder(), run.settings.clone(), START_MS).expect("a new store"));
        run.open(true);
        run
    }

    fn play(mut self) {
        let played = catch_unwind(AssertUnwindSafe(|| {
            self.check();
            for _ in 0..ACTIONS {
                self.act();
                self.check();
            }
            self.drain();
        }));
        if let Err(panic) = played {
            for line in &self.story {
                eprintln!("{line}");
            }
            resume_unwind(panic);
        }
    }

    fn act(&mut self) {
        self.now_ms += self.random.u64(0..15_000);
        match self.random.u32(0..100) {
            0..25 => self.admit(),
            25..45 => self.take(),
            45..65 => (0..self.random.u32(1..5)).for_each(|_| self.settle()),
            65..68 => self.refuse(),
            68..72 => self.revive(),
            72..74 => self.purge(),
            74..76 => self.join_or_leave(),
            76..77 => self.forget(),
            77..79 => self.replay(),
            79..84 => self.keep_house(),
            84..86 => {
                let sync = self.random.bool();
                self.write(sync);
            }
            86..90 => self.sync(),
            90..91 => self.write_tables(),
            91..93 => self.reopen(),
            93..95 => self.close(),
            95..98 => self.crash(),
            _ => self.cut_power(),
        }
    }

    fn folder(&self) -> PathBuf {
        self.outer.path().join("queue")
    }

    fn copy(&self) -> PathBuf {
        self.outer.path().join("copy")
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().expect("it is open")
    }

    fn tell(&mut self, what: impl Into<String>) {
        let at_ms = self.now_ms - START_MS;
        self.story.push(format!("{at_ms:>8} {}", what.into()));
    }

    /// A transaction was made of all there is now.
    fn was_written(&mut self, synced: bool) {
        self.written = self.now.clone();
        if synced {
            self.was_synced();
        }
    }

    fn was_synced(&mut self) {
        self.synced = self.written.clone();
        let (folder, copy) = (self.folder(), self.copy());
        if copy.exists() {
            fs::remove_dir_all(&copy).expect("it is ours");
        }
        copy_folder(&folder, &copy);
    }

    fn keep_house(&mut self) {
        let (log, now_ms) = (self.log(), self.now_ms);
        let segments_before: Vec<u32> = self.store().segments.keys().copied().collect();
        self.store().keep_house(now_ms).expect("the disk works");
        let segments: Vec<u32> = self.store().segments.keys().copied().collect();
        // Giving back a segment writes what was pending.
        let listed = if segments == segments_before { self.written.letters.clone() } else { self.now.letters.clone() };
        self.now.expire_letters(&listed, now_ms, &self.settings);
        self.keeps_recent(&log);
        self.tell(format!("kept house: segments {segments_before:?} are {segments:?}"));
        let sync = self.random.bool();
        self.write(sync);
    }

    /// What is in the log is kept for its time.
    fn keeps_recent(&mut self, before: &BTreeMap<u64, Entry>) {
        let (log, keep_ms) = (self.log(), self.settings.keep.as_millis());
        for (id, entry) in before {
            let age_ms = u128::from(self.now_ms - entry.received_ms);
            assert!(log.contains_key(id) || age_ms >= keep_ms, "{id} was to be kept");
        }
    }

    fn write(&mut self, sync: bool) {
        self.store().write(sync).expect("the disk works");
        self.tell(format!("written, synced: {sync}"));
        self.was_written(sync);
    }

    fn sync(&mut self) {
        self.store().sync().expect("the disk works");
        self.tell("synced");
        self.was_synced();
    }

    /// Has what is in memory in files.
    fn write_tables(&mut self) {
        let last = *self.store().segments.keys().next_back().expect("there is always one");
        let table = self.random.choice([Table::State, Table::Letters, Table::LetterBodies, Table::Records(last)]);
        let table = table.expect("one");
        self.store().reader.with(|database| database.compact(table)).expect("the disk works");
        self.tell(format!("wrote {table:?} to files"));
    }

    /// As after the disk did not work for a while.
    fn reopen(&mut self) {
        let now_ms = self.now_ms;
        let segments_before: Vec<u32> = self.store().segments.keys().copied().collect();
        let recovered = self.store().reopen(now_ms).expect("it opens");
        assert_eq!((recovered.lost, recovered.quarantined), (0, Vec::new()));
        let segments: Vec<u32> = self.store().segments.keys().copied().collect();
        let listed = if segments == segments_before { self.written.letters.clone() } else { self.now.letters.clone() };
        self.now.expire_letters(&listed, now_ms, &self.settings);
        self.tell("opened its tables again");
        self.was_written(true);
    }

    fn close(&mut self) {
        self.store.take().expect("it is open").close().expect("the disk works");
        self.tell("closed");
        self.was_written(false);
        self.open(false);
    }

    fn crash(&mut self) {
        drop(self.store.take());
        self.tell("crashed");
        self.now = self.written.clone();
        self.open(true);
    }

    fn cut_power(&mut self) {
        drop(self.store.take());
        self.tell("the power was cut");
        let (folder, copy) = (self.folder(), self.copy());
        fs::remove_dir_all(&folder).expect("it is ours");
        copy_folder(&copy, &folder);
        if self.random.bool() {
            // It is never synced.
            fs::write(folder.join("WATERMARK"), b"").expect("it is ours");
        }
        self.now = self.synced.clone();
        self.open(true);
    }

    fn open(&mut self, was_cut: bool) {
        let opened = Store::open_with(&self.folder(), self.settings.clone(), self.limits, self.now_ms);
        let (store, recovered) = opened.expect("nothing is damaged");
        assert_eq!(recovered, Recovered { was_cut, ..Recovered::default() });
        self.store = Some(store);
        let listed = self.now.letters.clone();
        self.now.expire_letters(&listed, self.now_ms, &self.settings);
        self.tell("opened");
        self.was_written(true);
        self.taken.clear();
        let consumers: Vec<(String, Consumer)> = self.now.consumers.clone().into_iter().collect();
        for (name, consumer) in consumers {
            if consumer.is_following {
                let sources = if self.random.u8(0..4) == 0 { self.any_sources() } else { consumer.sources };
                self.join(&name, sources);
            }
            self.take_open(&name);
        }
    }

    /// What had been taken before and not settled is taken again.
    fn take_open(&mut self, name: &str) {
        let log = self.log();
        let follower = Arc::clone(self.store().follower(name).expect("it is known"));
        for (number, lane) in &locked(&follower).lanes {
            for id in lane.open() {
                let entry = log.get(&id).unwrap_or_else(|| panic!("{id} is open for {name} and not there"));
                self.taken.push((name.to_owned(), *number, entry.clone()));
            }
        }
    }

    fn log(&mut self) -> BTreeMap<u64, Entry> {
        let next_id = self.store().next_id();
        let stretch = self.store().reader().stretch(0, next_id, usize::MAX, u64::MAX).expect("it can be read");
        assert_eq!((stretch.damaged, stretch.next), (Vec::new(), next_id));
        stretch.entries.into_iter().map(|entry| (entry.id, entry)).collect()
    }

    fn check(&mut self) {
        let log = self.log();
        for (id, entry) in &log {
            assert_eq!(self.now.records.get(id), Some(entry), "a record is what it was");
        }
        let now = self.now.clone();
        assert_eq!(self.store().next_id(), now.next_id);
        assert_eq!(self.store().followers.keys().collect::<Vec<_>>(), now.consumers.keys().collect::<Vec<_>>());
        for (name, consumer) in &now.consumers {
            let following = locked(self.store().follower(name).expect("it is known")).clone();
            assert!(consumer.due.keys().all(|id| log.contains_key(id)), "{name}: {:?} are to be there", consumer.due);
            assert_eq!(due(following.lanes.values(), name, consumer, &log), consumer.due, "{name}");
            assert_eq!(following.counts, consumer.counts, "{name}");
            assert_eq!(following.waiting(), consumer.waiting(), "{name}");
            assert_eq!(settled(&following.counts) + consumer.waiting(), following.counts.received, "{name}");
            assert_eq!(following.is_following(), consumer.is_following, "{name}");
        }
        assert_eq!(self.store().letter_totals(), now.letter_totals());
        let letters = self.store().letters(0, usize::MAX).expect("they can be read");
        let listed: Vec<_> = letters.iter().map(|letter| (letter.id, refused_by(letter))).collect();
        let expected = self.written.letters.iter().map(|(id, letter)| (*id, letter.refused_by()));
        assert_eq!(listed, expected.collect::<Vec<_>>());
        for letter in &letters {
            let Some(expected) = now.letters.get(&letter.id) else { continue };
            let (_, record) = self.store().letter(letter.id).expect("it can be read").expect("it is there");
            assert_eq!(record, expected.entry.record);
        }
    }

    /// When everybody is done with everything, all is given back.
    fn drain(&mut self) {
        let names: Vec<String> = self.now.consumers.keys().cloned().collect();
        for name in names {
            let follower = Arc::clone(self.store().follower(&name).expect("it is known"));
            let lanes: Vec<LaneNumber> = locked(&follower).lanes.keys().copied().collect();
            lanes.into_iter().for_each(|lane| self.take_from(&name, &follower, lane, usize::MAX));
        }
        for (name, lane, entry) in std::mem::take(&mut self.taken) {
            self.settle_as(&name, lane, &entry, &Verdict::Delivered(None));
        }
        self.now_ms += 1_000_000;
        self.keep_house();
        self.check();
        assert!(self.now.consumers.values().all(|consumer| consumer.due.is_empty()));
        assert_eq!(self.store().bytes(), self.now.letter_totals().1);
        self.close();
        self.check();
    }
}

/// What these ways lead to.
fn due<'l>(
    lanes: impl Iterator<Item = &'l Lane>,
    name: &str,
    consumer: &Consumer,
    log: &BTreeMap<u64, Entry>,
) -> BTreeMap<u64, u64> {
    let mut due = BTreeMap::new();
    for lane in lanes {
        let open: BTreeSet<u64> = lane.open().collect();
        let is_ahead = |id: u64| id >= lane.next() && lane.end().is_none_or(|end| id < end);
        for (id, entry) in log {
            if (open.contains(id) || is_ahead(*id)) && consumer.takes(name, entry) {
                *due.entry(*id).or_default() += 1;
            }
        }
    }
    due
}

fn settled(counts: &rows::CountsRow) -> u64 {
    let rows::CountsRow { delivered, skipped, duplicates, superseded, dead_lettered, dropped, damaged, erased, .. } =
        *counts;
    delivered + skipped + duplicates + superseded + dead_lettered + dropped + damaged + erased
}

fn refused_by(letter: &Letter) -> Vec<(Option<&str>, bool)> {
    letter.refusals.iter().map(|refusal| (refusal.consumer.as_deref(), refusal.is_delivered)).collect()
}

/// Copies a folder; room that is set aside in files is left out.
pub(super) fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("it is ours");
    fs::set_permissions(to, fs::metadata(from).expect("it is there").permissions()).expect("it is ours");
    for file in fs::read_dir(from).expect("it is there").flatten() {
        let (from, to) = (file.path(), to.join(file.file_name()));
        if file.file_type().expect("it is there").is_dir() {
            copy_folder(&from, &to);
        } else {
            fs::copy(&from, &to).expect("there is room");
        }
    }
}

/// A folder in memory where there is one: what is tested here is what is written, not how the disk keeps it.
pub(super) fn scratch() -> tempfile::TempDir {
    let in_memory = Path::new("/dev/shm");
    let folder = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    folder.expect("a folder")
}
