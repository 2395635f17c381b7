mod consumers;
mod opening;
mod room;
mod unreadable;

use super::*;
use crate::queue::{DuplicateSettings, WhenFull};
use crate::record::{Record, Rejection};
use std::path::PathBuf;
use std::time::Duration;

struct Fixture {
    _outer: tempfile::TempDir,
    folder: PathBuf,
    store: Store,
}

const NOW: u64 = 1_700_000_000_000;

impl Fixture {
    fn new(settings: Settings) -> Self {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("queue");
        let (store, recovered) = Store::open(&folder, settings, NOW).expect("a new store");
        assert_eq!(recovered, Recovered::default());
        Fixture { _outer: outer, folder, store }
    }

    fn join(&mut self, name: &str, settings: ConsumerSettings) -> SharedFollower {
        self.store.join(name, vec!["source".to_owned()], settings, "mapping").expect("it is known now")
    }

    fn admit(&mut self, bodies: &[&str]) -> Vec<Taken> {
        let arrivals: Vec<Arrival> = bodies.iter().map(|body| arrival(body, None)).collect();
        self.store.admit(&arrivals, NOW, true).expect("the disk works")
    }

    /// Closes the store as a crash does, and opens it again.
    fn crash(self) -> Self {
        let Fixture { _outer, folder, store } = self;
        let settings = store.settings.clone();
        drop(store);
        let (store, recovered) = Store::open(&folder, settings, NOW).expect("the store of before");
        assert_eq!(recovered, Recovered { was_cut: true, ..Recovered::default() });
        Fixture { _outer, folder, store }
    }

    /// Takes whatever the consumer has not taken, and what was taken before and not settled.
    fn take_all(&self, follower: &SharedFollower) -> Vec<(LaneNumber, Entry)> {
        let end = self.store.next_id();
        let mut taken = Vec::new();
        let mut following = locked(follower);
        let lanes: Vec<LaneNumber> = following.lanes.keys().copied().collect();
        for number in lanes {
            let lane = following.lanes.get(&number).expect("it is there");
            let (from, to) = (lane.floor(), lane.end().unwrap_or(end).min(end));
            let open: Vec<u64> = lane.open().collect();
            let next = lane.next();
            let stretch = self.store.reader().stretch(from, to, usize::MAX, u64::MAX).expect("it can be read");
            assert!(stretch.damaged.is_empty());
            for entry in stretch.entries {
                if (entry.id >= next || open.contains(&entry.id)) && following.takes(&entry) {
                    following.lanes.get_mut(&number).expect("it is there").take(entry.id);
                    taken.push((number, entry));
                }
            }
            following.lanes.get_mut(&number).expect("it is there").pass_to(to);
        }
        taken
    }

    fn settle(&mut self, follower: &SharedFollower, (lane, entry): &(LaneNumber, Entry), verdict: &Verdict) {
        self.store.settle(follower, *lane, entry, verdict, NOW).expect("the disk works");
    }
}

fn arrival(body: &str, push_id: Option<&str>) -> Arrival {
    Arrival {
        source: "source".into(),
        record: Record { body: body.to_owned().into(), metadata: vec![("name".to_owned(), "value".to_owned())] },
        digest: seen::digest(body.as_bytes()),
        push_id: push_id.map(Into::into),
        only: Vec::new(),
        is_replay: false,
    }
}

fn bodies(taken: &[(LaneNumber, Entry)]) -> Vec<&str> {
    taken.iter().map(|(_, entry)| std::str::from_utf8(&entry.record.body).expect("a text")).collect()
}

fn waiting(follower: &SharedFollower) -> u64 {
    locked(follower).waiting()
}

/// How many wait, and one of the counts.
fn summary(follower: &SharedFollower, count: impl Fn(&rows::CountsRow) -> u64) -> (u64, u64) {
    let following = locked(follower);
    (following.waiting(), count(&following.counts))
}

pub(super) fn rejection(code: &str) -> Rejection {
    Rejection {
        class: "incomplete".to_owned(),
        code: code.to_owned(),
        path: None,
        message: "lacks a time".to_owned(),
        position: None,
    }
}

fn replay_of(store: &mut Store, dry_run: bool) -> Replay {
    let step = store.replay("sink", NOW, dry_run, None).expect("it can be read").expect("it is known");
    step.expect("it is short")
}

pub(super) fn refused(code: &str) -> Verdict {
    Verdict::Refused { rejection: rejection(code), mapper: "tccc 0.1.0".to_owned() }
}

#[test]
fn what_is_not_settled_comes_again_after_a_crash_and_what_is_does_not() {
    let mut fixture = Fixture::new(Settings::default());
    let follower = fixture.join("sink", ConsumerSettings::default());
    fixture.admit(&["a", "b", "c"]);
    let taken = fixture.take_all(&follower);
    assert_eq!(bodies(&taken), ["a", "b", "c"]);
    assert_eq!(taken.first().expect("three").1.record.metadata.len(), 1);
    fixture.settle(&follower, taken.get(1).expect("three"), &Verdict::Delivered(None));
    fixture.store.write(false).expect("the disk works");
    let mut fixture = fixture.crash();
    let follower = fixture.join("sink", ConsumerSettings::default());
    let taken = fixture.take_all(&follower);
    assert_eq!(bodies(&taken), ["a", "c"]);
    assert_eq!(locked(&follower).waiting(), 2);
    taken.iter().for_each(|it| fixture.settle(&follower, it, &Verdict::Delivered(None)));
    assert_eq!(locked(&follower).waiting(), 0);
    fixture.store.close().expect("the disk works");
    let (store, recovered) = Store::open(&fixture.folder, Settings::default(), NOW).expect("it was closed");
    assert_eq!(recovered, Recovered::default());
    let follower = store.follower("sink").expect("it is known");
    assert_eq!(summary(follower, |counts| counts.delivered), (0, 3));
}

#[test]
fn a_push_that_comes_again_is_told_also_after_a_crash_and_only_within_the_window() {
    let window = Duration::from_secs(60);
    let duplicates = DuplicateSettings { window, ..DuplicateSettings::default() };
    let mut fixture = Fixture::new(Settings { duplicates, ..Settings::default() });
    let is_new = |fixture: &mut Fixture, arrival: Arrival, now_ms: u64| {
        let taken = fixture.store.admit(&[arrival], now_ms, true).expect("the disk works");
        taken.iter().all(|taken| taken.entry().is_some())
    };
    assert!(is_new(&mut fixture, arrival("a", Some("1")), NOW));
    assert!(!is_new(&mut fixture, arrival("a", Some("1")), NOW));
    assert!(is_new(&mut fixture, arrival("b", Some("1")), NOW), "another body");
    assert!(is_new(&mut fixture, arrival("a", Some("2")), NOW), "another push");
    assert!(is_new(&mut fixture, arrival("a", None), NOW), "a push without a name");
    let mut fixture = fixture.crash();
    assert!(!is_new(&mut fixture, arrival("a", Some("1")), NOW + 60_000));
    assert!(is_new(&mut fixture, arrival("a", Some("1")), NOW + 60_001));
    let twice = [arrival("c", Some("3")), arrival("c", Some("3"))];
    let taken = fixture.store.admit(&twice, NOW, true).expect("the disk works");
    assert_eq!(taken.iter().filter(|taken| taken.entry().is_some()).count(), 1, "within one transaction");
    // Generations turn, and the window holds all the same.
    for second in 0..300 {
        let now_ms = NOW + 100_000 + second * 1000;
        fixture.store.keep_house(now_ms).expect("the disk works");
        let name = second.to_string();
        assert!(is_new(&mut fixture, arrival("d", Some(&name)), now_ms));
        if let Some(before) = second.checked_sub(60) {
            assert!(!is_new(&mut fixture, arrival("d", Some(&before.to_string())), now_ms), "{second}");
        }
    }
    assert_eq!(fixture.store.reader.with(|database| Ok(database.generations().count())).expect("open"), 2);
}

#[test]
fn a_refused_record_is_one_letter_with_everybody_who_refused_it() {
    let mut fixture = Fixture::new(Settings::default());
    let (one, other) =
        (fixture.join("one", ConsumerSettings::default()), fixture.join("other", ConsumerSettings::default()));
    fixture.admit(&["a", "b"]);
    let (to_one, to_other) = (fixture.take_all(&one), fixture.take_all(&other));
    fixture.settle(&one, to_one.first().expect("two"), &refused("no_time"));
    fixture.settle(&other, to_other.first().expect("two"), &refused("no_time"));
    fixture.settle(&one, to_one.get(1).expect("two"), &Verdict::Delivered(None));
    fixture.settle(&other, to_other.get(1).expect("two"), &refused("backend_refused"));
    fixture.store.write(true).expect("the disk works");
    let mut fixture = fixture.crash();
    let (one, other) =
        (fixture.join("one", ConsumerSettings::default()), fixture.join("other", ConsumerSettings::default()));
    let letters = fixture.store.letters(0, 10).expect("they can be read");
    let refused: Vec<_> =
        letters.iter().map(|it| it.refusals.iter().map(|it| it.consumer.as_deref()).collect::<Vec<_>>()).collect();
    assert_eq!(refused, [vec![Some("one"), Some("other")], vec![Some("other")]]);
    assert_eq!(fixture.store.letter_totals().0, 2);

    // To one of the two it goes again; for the other it stays a letter.
    let first = letters.first().expect("two").id;
    let to_one_alone = ["one".to_owned()];
    assert_eq!(fixture.store.revive(first, Some(&to_one_alone), true, NOW).expect("the disk works"), to_one_alone);
    assert_eq!(bodies(&fixture.take_all(&one)), ["a"]);
    assert!(fixture.take_all(&other).is_empty());
    assert_eq!(fixture.store.letter_totals().0, 2);
    assert_eq!(
        fixture.store.revive(first, Some(&to_one_alone), true, NOW).expect("the disk works"),
        Vec::<String>::new()
    );
    assert_eq!(fixture.store.revive(first, None, true, NOW).expect("the disk works"), ["other"]);
    assert_eq!(fixture.store.letter_totals().0, 1);
    assert_eq!((waiting(&one), waiting(&other)), (1, 1));
    assert!(fixture.take_all(&other).iter().all(|(_, entry)| entry.is_replay));
    let second = letters.get(1).expect("two").id;
    assert!(
        fixture.store.purge(second).expect("the disk works") && !fixture.store.purge(second).expect("the disk works")
    );
    assert_eq!(fixture.store.letter_totals(), (0, 0));
}

#[test]
fn what_was_refused_when_it_was_received_is_kept_once_for_each_push() {
    let mut fixture = Fixture::new(Settings::default());
    let refuse = |fixture: &mut Fixture, body: &str, push_id| {
        fixture.store.refuse(&arrival(body, push_id), &rejection("not_json"), NOW).expect("the disk works")
    };
    assert!(refuse(&mut fixture, "{", Some("1")) && !refuse(&mut fixture, "{", Some("1")));
    fixture.store.write(true).expect("the disk works");
    assert!(!refuse(&mut fixture, "{", Some("1")) && refuse(&mut fixture, "[", Some("1")));
    assert!(refuse(&mut fixture, "{", Some("2")));
    fixture.store.write(true).expect("the disk works");
    let fixture = fixture.crash();
    let letters = fixture.store.letters(0, 10).expect("they can be read");
    assert_eq!(letters.len(), 3);
    assert!(letters.iter().flat_map(|it| &it.refusals).all(|it| it.consumer.is_none() && it.code == "not_json"));
    let (_, record) = fixture.store.letter(letters.first().expect("three").id).expect("it can be read").expect("one");
    assert_eq!(&*record.body, b"{");
}

#[test]
fn a_full_queue_takes_nothing_until_there_is_room_or_drops_where_it_may() {
    for when_full in [WhenFull::Reject, WhenFull::DropOldest] {
        let mut fixture = Fixture::new(Settings { bytes_max: 1000, ..Settings::default() });
        let follower = fixture.join("sink", ConsumerSettings { when_full, ..ConsumerSettings::default() });
        fixture.admit(&[&"a".repeat(400), &"b".repeat(400)]);
        let fullness = fixture.store.fullness(100).expect("the disk works");
        if when_full == WhenFull::DropOldest {
            assert_eq!(fullness, None);
            assert_eq!(summary(&follower, |counts| counts.dropped), (0, 2));
            continue;
        }
        assert_eq!(fullness, Some(Fullness::Queue));
        assert_eq!(fixture.store.fullness(8).expect("the disk works"), None, "just so");
        assert_eq!(fixture.store.fullness(9).expect("the disk works"), Some(Fullness::Queue));
        for it in fixture.take_all(&follower) {
            fixture.settle(&follower, &it, &Verdict::Delivered(None));
        }
        assert_eq!(fixture.store.fullness(100).expect("the disk works"), None);
    }
    let mut fixture = Fixture::new(Settings { free_bytes_min: u64::MAX, ..Settings::default() });
    assert_eq!(fixture.store.fullness(0).expect("the disk works"), Some(Fullness::Disk));
}

#[test]
fn records_are_given_back_when_everybody_is_done_and_the_time_to_keep_them_is_over() {
    let mut fixture = Fixture::new(Settings { keep: Duration::from_secs(3600), ..Settings::default() });
    let follower = fixture.join("sink", ConsumerSettings::default());
    fixture.admit(&["a"]);
    for it in fixture.take_all(&follower) {
        fixture.settle(&follower, &it, &Verdict::Delivered(None));
    }
    let bytes = |fixture: &mut Fixture, now_ms: u64| {
        fixture.store.keep_house(now_ms).expect("the disk works");
        fixture.store.bytes()
    };
    assert!(bytes(&mut fixture, NOW + 3_599_999) > 0);
    let replay = replay_of(&mut fixture.store, true);
    assert_eq!((replay.records, replay.bytes), (1, 1));
    assert!(fixture.take_all(&follower).is_empty(), "it was a dry run");
    replay_of(&mut fixture.store, false);
    let again = fixture.take_all(&follower);
    assert_eq!(bodies(&again), ["a"]);
    assert!(bytes(&mut fixture, NOW + 3_600_001) > 0, "somebody has it again");
    again.iter().for_each(|it| fixture.settle(&follower, it, &Verdict::Delivered(None)));
    assert_eq!(bytes(&mut fixture, NOW + 3_600_001), 0);
    assert_eq!(locked(&follower).counts.received, 2);
    let late = replay_of(&mut fixture.store, false);
    assert_eq!(late.records, 0);
}

#[test]
fn a_consumer_begins_where_it_is_told_and_one_that_is_gone_gets_nothing_more() {
    let mut fixture = Fixture::new(Settings::default());
    let first = fixture.join("first", ConsumerSettings::default());
    fixture.admit(&["a"]);
    let from_now = fixture.join("now", ConsumerSettings::default());
    let earliest = fixture.join("earliest", ConsumerSettings { start_from: StartFrom::Earliest, ..Default::default() });
    fixture.admit(&["b"]);
    assert_eq!(bodies(&fixture.take_all(&from_now)), ["b"]);
    assert_eq!(bodies(&fixture.take_all(&earliest)), ["a", "b"]);
    assert_eq!(locked(&earliest).waiting(), 2);

    let mut fixture = fixture.crash();
    let first_again = fixture.join("first", ConsumerSettings::default());
    let left = fixture.store.leave_all_but(&["first".to_owned()]);
    assert_eq!(left, [("earliest".to_owned(), 2), ("now".to_owned(), 1)]);
    fixture.admit(&["c"]);
    assert_eq!(bodies(&fixture.take_all(&first_again)), ["a", "b", "c"]);
    assert_eq!(fixture.store.forget("now"), Some(1));
    assert_eq!(fixture.store.forget("now"), None);
    let back = fixture.join("earliest", ConsumerSettings { start_from: StartFrom::Earliest, ..Default::default() });
    fixture.admit(&["d"]);
    assert_eq!(bodies(&fixture.take_all(&back)), ["a", "b", "d"], "what came while it was gone is not for it");
    assert_eq!(locked(&back).waiting(), 3);
    drop(first);
}

#[test]
fn dead_letters_go_when_they_are_too_old_or_too_many() {
    let mut settings = Settings::default();
    settings.dead_letters.bytes_max = 300;
    settings.dead_letters.keep = Duration::from_secs(60);
    let mut fixture = Fixture::new(settings);
    for number in 0..3 {
        let body = format!("{number}");
        fixture.store.refuse(&arrival(&body, Some(&body)), &rejection("not_json"), NOW).expect("the disk works");
    }
    fixture.store.write(true).expect("the disk works");
    fixture.store.keep_house(NOW).expect("the disk works");
    assert_eq!((fixture.store.letter_totals().0, fixture.store.tally().expired_letters), (3, 0));
    let body = "x".repeat(100);
    fixture.store.refuse(&arrival(&body, None), &rejection("not_json"), NOW + 1).expect("the disk works");
    fixture.store.write(true).expect("the disk works");
    fixture.store.keep_house(NOW).expect("the disk works");
    assert_eq!((fixture.store.letter_totals().0, fixture.store.tally().expired_letters), (2, 2));
    fixture.store.keep_house(NOW + 60_001).expect("the disk works");
    assert_eq!((fixture.store.letter_totals().0, fixture.store.tally().expired_letters), (1, 3));
}
