//! What is kept no longer, or not at all.

use super::*;
use crate::queue::DeadLetterSettings;

/// Room is made by whole segments. A small queue has small ones, so that little more is dropped than has to be.
#[test]
fn a_small_queue_drops_a_small_part_of_what_waits() {
    const RECORD_BYTES: u64 = 400;
    const RECORDS: u64 = 100;
    let mut fixture = Fixture::new(Settings { bytes_max: RECORDS * RECORD_BYTES, ..Settings::default() });
    let settings = ConsumerSettings { when_full: WhenFull::DropOldest, ..ConsumerSettings::default() };
    let follower = fixture.join("sink", settings);
    let body = "a".repeat(304);
    (0..RECORDS).for_each(|_| drop(fixture.admit(&[&body])));
    assert_eq!(fixture.store.bytes(), RECORDS * RECORD_BYTES);
    assert_eq!(fixture.store.fullness(RECORD_BYTES).expect("the disk works"), None);
    let (waiting, dropped) = summary(&follower, |counts| counts.dropped);
    assert_eq!(waiting + dropped, RECORDS);
    assert!((1..=RECORDS / 10).contains(&dropped), "{dropped} were dropped");
}

/// Where nothing is to be remembered there are no tables for it, and nothing is a duplicate.
#[test]
fn without_a_window_no_fingerprints_are_kept() {
    let duplicates = DuplicateSettings { window: Duration::ZERO, ..DuplicateSettings::default() };
    let mut fixture = Fixture::new(Settings { duplicates, ..Settings::default() });
    for second in 0..3 {
        let now_ms = NOW + second * 1000;
        let taken = fixture.store.admit(&[arrival("a", Some("1"))], now_ms, true).expect("the disk works");
        assert!(taken.iter().all(|taken| taken.entry().is_some()));
        let refused = fixture.store.refuse(&arrival("{", Some("2")), &rejection("not_json"), now_ms);
        assert!(refused.expect("the disk works"), "it is kept");
        fixture.store.keep_house(now_ms).expect("the disk works");
    }
    assert_eq!(fixture.store.reader.with(|database| Ok(database.generations().count())).expect("open"), 0);
}

/// A record that waited for long before it was refused is a young letter with a low number. It keeps no old one, however
/// many there are.
#[test]
fn old_letters_go_whatever_stands_before_them() {
    const LETTERS: u64 = 2_500;
    let dead_letters = DeadLetterSettings { keep: Duration::from_secs(60), ..DeadLetterSettings::default() };
    let mut fixture = Fixture::new(Settings { dead_letters, ..Settings::default() });
    let mut refuse = |number: u64, now_ms: u64| {
        let refused = fixture.store.refuse(&arrival(&number.to_string(), None), &rejection("not_json"), now_ms);
        assert!(refused.expect("the disk works"), "{number}");
    };
    let late_ms = NOW + 60_001;
    // Two out of three are young, the first one too.
    (0..LETTERS).for_each(|number| refuse(number, if number % 3 == 2 { NOW } else { late_ms }));
    fixture.store.write(true).expect("the disk works");
    let old = LETTERS / 3;
    for _ in 0..LETTERS / 1000 + 1 {
        fixture.store.keep_house(late_ms).expect("the disk works");
    }
    assert_eq!((fixture.store.letter_totals().0, fixture.store.tally().expired_letters), (LETTERS - old, old));
    // Those that have become old meanwhile are found again from the beginning.
    for _ in 0..LETTERS / 1000 + 1 {
        fixture.store.keep_house(late_ms + 60_001).expect("the disk works");
    }
    assert_eq!(fixture.store.letter_totals(), (0, 0));
}
