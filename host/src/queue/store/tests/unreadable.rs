//! Fingerprints and dead letters that cannot be read any more keep no record from being taken in, or from being kept.

use super::*;
use crate::queue::DeadLetterSettings;
use std::fs;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Tables are numbered in the order in which they are made: the letters are the second one.
const LETTERS: usize = 2;

impl Fixture {
    /// Closes the store, damages the beginning of a table that was written to a file, and opens it again.
    fn with_damaged(self, table: usize) -> Self {
        let Fixture { _outer, folder, store } = self;
        let settings = store.settings.clone();
        store.close().expect("the disk works");
        let tables = fs::read_dir(folder.join(format!("store/keyspaces/{table}/tables"))).expect("it is there");
        let files: Vec<PathBuf> = tables.flatten().map(|file| file.path()).collect();
        assert!(!files.is_empty(), "nothing was written to a file");
        for file in files {
            let mut bytes = fs::read(&file).expect("it is there");
            bytes.iter_mut().skip(60).take(1).for_each(|byte| *byte ^= 1);
            fs::write(&file, bytes).expect("it is ours");
        }
        let (store, recovered) = Store::open(&folder, settings, NOW).expect("the store of before");
        assert_eq!(recovered, Recovered::default());
        Fixture { _outer, folder, store }
    }

    /// The number of the table that was made last.
    fn last_table(&self) -> usize {
        let tables = fs::read_dir(self.folder.join("store/keyspaces")).expect("it is there").flatten();
        tables.filter_map(|table| table.file_name().to_str()?.parse().ok()).max().expect("there are some")
    }
}

/// A push whose fingerprint cannot be looked up is taken in, perhaps twice; those whose can are still known.
#[test]
fn a_push_whose_fingerprint_cannot_be_read_is_taken_in() {
    let mut fixture = Fixture::new(Settings::default());
    let pushes: Vec<Arrival> = (0..recent::RECENT_MAX).map(|number| arrival("a", Some(&number.to_string()))).collect();
    fixture.store.admit(&pushes, NOW, true).expect("the disk works");
    fixture.store.flush_sometimes(0).expect("the disk works");
    let fingerprints = fixture.last_table();
    let mut fixture = fixture.with_damaged(fingerprints);
    let taken = fixture.store.admit(&pushes, NOW, true).expect("none is refused");
    let again = taken.iter().filter(|taken| taken.entry().is_some()).count();
    assert!((1..pushes.len() / 10).contains(&again), "{again} of {} are taken in again", pushes.len());
}

/// A record that is refused is kept though letters of before cannot be read, and none of those is given up for its age,
/// which nobody knows.
#[test]
fn a_record_is_kept_though_the_letters_cannot_be_read() {
    let mut fixture = Fixture::new(Settings::default());
    let join = |fixture: &mut Fixture, name| fixture.join(name, ConsumerSettings::default());
    let (one, other) = (join(&mut fixture, "one"), join(&mut fixture, "other"));
    fixture.admit(&["a"]);
    for it in fixture.take_all(&one) {
        fixture.settle(&one, &it, &refused("no_time"));
    }
    drop((one, other));
    fixture.store.write(true).expect("the disk works");
    fixture.store.reader.with(|database| database.compact(Table::Letters)).expect("the disk works");
    let mut fixture = fixture.with_damaged(LETTERS);
    assert!(fixture.store.letters(0, 10).is_err(), "they cannot be read");
    let other = join(&mut fixture, "other");
    let taken = fixture.take_all(&other);
    fixture.settle(&other, taken.first().expect("one"), &refused("no_time"));
    assert_eq!(summary(&other, |counts| counts.dead_lettered), (0, 1));
    fixture.store.write(true).expect("the disk works");
    fixture.store.keep_house(NOW + 1000 * DAY_MS).expect("it is no reason to stop");
    let kept = fixture.store.would_revive(1, None, true).expect("it can be read");
    assert_eq!(kept, ["other"]);
}

/// A letter that does not say when it died is not too old; when there are too many, it goes with the oldest.
#[test]
fn a_letter_of_unknown_age_goes_only_when_there_are_too_many() {
    let dead_letters = DeadLetterSettings { bytes_max: 1000, keep: Duration::from_secs(60) };
    let mut fixture = Fixture::new(Settings { dead_letters, ..Settings::default() });
    let refuse = |fixture: &mut Fixture, body: &str, now_ms| {
        fixture.store.refuse(&arrival(body, None), &rejection("not_json"), now_ms).expect("the disk works");
        fixture.store.write(true).expect("the disk works");
    };
    let ids = |fixture: &Fixture| -> Vec<u64> {
        fixture.store.letters(0, 10).expect("they can be read").iter().map(|letter| letter.id).collect()
    };
    ["a", "b"].into_iter().for_each(|body| refuse(&mut fixture, body, NOW));
    fixture.store.pending.put(Table::Letters, id_key(1), b"\xff".as_slice());
    fixture.store.write(true).expect("the disk works");
    let late_ms = NOW + 60_001;
    fixture.store.keep_house(late_ms).expect("the disk works");
    assert_eq!(ids(&fixture), [1]);
    refuse(&mut fixture, &"c".repeat(850), late_ms);
    fixture.store.keep_house(late_ms).expect("the disk works");
    assert_eq!(ids(&fixture), [3]);
    assert_eq!(fixture.store.tally().expired_letters, 2);
}
