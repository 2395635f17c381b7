//! Consumers whose configuration changed, and those that give up what they may.

use super::*;
use std::sync::mpsc;
use std::thread;

/// A source with another name is another source. What waits of the old one is delivered all the same, and only then is
/// the old name forgotten; one that somebody still has was not renamed.
#[test]
fn what_waits_of_a_renamed_source_is_delivered() {
    let mut fixture = Fixture::new(Settings::default());
    fixture.join("sink", ConsumerSettings::default());
    fixture.admit(&["a"]);
    let mut fixture = fixture.crash();
    let renamed = vec!["renamed".to_owned()];
    let both = ["renamed".to_owned(), "source".to_owned()];
    assert_eq!(fixture.store.with_renamed("sink", renamed.clone(), &both), renamed);
    let sources = fixture.store.with_renamed("sink", renamed.clone(), &renamed);
    assert_eq!(sources, both);
    let follower = fixture.store.join("sink", sources, ConsumerSettings::default(), "mapping").expect("it is known");
    assert_eq!(waiting(&follower), 1);
    let taken = fixture.take_all(&follower);
    assert_eq!(bodies(&taken), ["a"]);
    taken.iter().for_each(|it| fixture.settle(&follower, it, &Verdict::Delivered(None)));
    assert_eq!(fixture.store.with_renamed("sink", renamed.clone(), &renamed), renamed);
}

/// One that is gone with nothing waiting holds no record, wherever in the log it stood.
#[test]
fn a_consumer_that_is_gone_with_nothing_waiting_holds_nothing() {
    let mut fixture = Fixture::new(Settings::default());
    let sink = fixture.join("sink", ConsumerSettings::default());
    let others = vec!["another source".to_owned()];
    fixture.store.join("gone", others, ConsumerSettings::default(), "mapping").expect("it is known now");
    fixture.admit(&["a"]);
    assert_eq!(fixture.store.leave_all_but(&["sink".to_owned()]), []);
    for it in fixture.take_all(&sink) {
        fixture.settle(&sink, &it, &Verdict::Delivered(None));
    }
    fixture.store.keep_house(NOW + 60_000).expect("the disk works");
    assert_eq!(fixture.store.bytes(), 0);
}

/// A consumer takes records while they are dropped for it: each of them is counted once, so that what was received is
/// still what became of it and what waits.
#[test]
fn what_is_dropped_while_it_is_taken_is_counted_once() {
    const RECORDS: usize = 3000;
    const BYTES_MAX: u64 = 400_000;
    let mut fixture = Fixture::new(Settings { bytes_max: BYTES_MAX, ..Settings::default() });
    let settings = ConsumerSettings { when_full: WhenFull::DropOldest, ..ConsumerSettings::default() };
    let follower = fixture.join("sink", settings);
    for round in 1..=2 {
        fixture.admit(&["a"; RECORDS]);
        let end = fixture.store.next_id();
        let (has_begun, begun) = mpsc::channel();
        thread::scope(|scope| {
            scope.spawn(|| take_one_by_one(&follower, end, has_begun));
            begun.recv().expect("it takes one at least");
            assert_eq!(fixture.store.fullness(BYTES_MAX).expect("the disk works"), None);
        });
        assert_eq!(summary(&follower, |counts| counts.dropped), (0, round * RECORDS as u64));
    }
}

/// Takes what comes next, until there is nothing before this record. Says when it has begun.
fn take_one_by_one(follower: &SharedFollower, end: u64, has_begun: mpsc::Sender<()>) {
    let mut has_begun = Some(has_begun);
    loop {
        {
            let mut following = locked(follower);
            let lane = following.lanes.get_mut(&0).expect("it follows");
            if lane.next() >= end {
                return;
            }
            let next = lane.next();
            lane.take(next);
        }
        if let Some(has_begun) = has_begun.take() {
            has_begun.send(()).expect("the test waits for it");
        }
        thread::sleep(Duration::from_micros(10));
    }
}

/// What waits while the mapping is changed is mapped with the new one, and so is what was there before its consumer: a
/// replay is held against that.
#[test]
fn what_waited_counts_for_the_mapping_that_it_was_delivered_with() {
    let mut fixture = Fixture::new(Settings { keep: Duration::from_secs(3600), ..Settings::default() });
    fixture.join("other", ConsumerSettings::default());
    fixture.join("sink", ConsumerSettings::default());
    fixture.admit(&["a"]);
    let mut fixture = fixture.crash();
    let earliest = ConsumerSettings { start_from: StartFrom::Earliest, ..ConsumerSettings::default() };
    for (name, settings) in [("sink", ConsumerSettings::default()), ("earliest", earliest)] {
        let sources = vec!["source".to_owned()];
        let follower = fixture.store.join(name, sources, settings, "another mapping").expect("it is known now");
        let taken = fixture.take_all(&follower);
        assert_eq!(bodies(&taken), ["a"], "{name}");
        taken.iter().for_each(|it| fixture.settle(&follower, it, &Verdict::Delivered(None)));
        assert_eq!(locked(&follower).mapped_then(1, 2), Some("another mapping"), "{name}");
    }
    let replay = replay_of(&mut fixture.store, true);
    assert_eq!((replay.records, replay.mapped_then == replay.mapped_now), (1, true));
}
