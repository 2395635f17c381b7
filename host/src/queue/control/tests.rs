mod offline;

use super::*;
use crate::queue::store::{Arrival, Pace, SharedFollower, Store, Verdict, digest, locked};
use crate::queue::{ConsumerSettings, Key, Settings};
use crate::record::{Record, Rejection};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const NOW: u64 = 1_700_000_000_000;

struct Fixture {
    _outer: tempfile::TempDir,
    folder: PathBuf,
    store: Store,
}

impl Fixture {
    fn new(settings: Settings) -> Self {
        let outer = tempfile::tempdir().expect("a folder");
        let folder = outer.path().join("queue");
        let (store, _) = Store::open(&folder, settings, NOW).expect("a new store");
        Fixture { _outer: outer, folder, store }
    }

    fn join(&mut self, name: &str) -> SharedFollower {
        let joined = self.store.join(name, vec!["source".to_owned()], ConsumerSettings::default(), "mapping 1");
        joined.expect("it is known now")
    }

    fn admit(&mut self, bodies: &[&str]) {
        let arrivals: Vec<Arrival> = bodies.iter().map(|body| arrival(body)).collect();
        self.store.admit(&arrivals, NOW, true).expect("the disk works");
    }

    /// The consumer takes the next records, and says this of them.
    fn settle(&mut self, follower: &SharedFollower, count: usize, verdict: &Verdict) {
        let (from, end) = {
            let following = locked(follower);
            (following.lanes.get(&0).expect("it follows").next(), self.store.next_id())
        };
        let stretch = self.store.reader().stretch(from, end, count, u64::MAX).expect("it can be read");
        for entry in stretch.entries {
            locked(follower).lanes.get_mut(&0).expect("it follows").take(entry.id);
            self.store.settle(follower, 0, &entry, verdict, NOW + entry.id).expect("the disk works");
        }
    }

    fn ask(&mut self, request: Request) -> Response {
        self.try_ask(request).expect("it can be answered")
    }

    fn try_ask(&mut self, request: Request) -> Result<Response, ControlError> {
        // As it goes over a socket.
        let text = serde_json::to_string(&request).expect("a request is JSON");
        let request = serde_json::from_str(&text).expect("what was written is read");
        let response = answer(&mut self.store, request, NOW, Pace::Brisk)?;
        let text = serde_json::to_string(&response).expect("a response is JSON");
        assert_eq!(serde_json::from_str::<Response>(&text).expect("what was written is read"), response);
        Ok(response)
    }

    fn erase(&mut self, session: &str, dry_run: bool) -> Erased {
        let session = Session::try_from(session.to_owned()).expect("an id");
        let (mut all, mut place) = (Erased::default(), None);
        loop {
            let request = Request::Erase { session: session.clone(), dry_run, place };
            let Response::Erased { erased, place: next } = self.ask(request) else { unreachable!("it erases") };
            all += erased;
            match next {
                None => return all,
                next => place = next,
            }
        }
    }

    fn letters(&mut self, filter: Filter) -> Vec<LetterId> {
        match self.ask(Request::Letters { filter, next: 0, count_max: 100 }) {
            Response::Letters { letters, .. } => letters.iter().map(|letter| letter.id).collect(),
            other => unreachable!("{other:?}"),
        }
    }
}

fn arrival(body: &str) -> Arrival {
    Arrival {
        source: "source".into(),
        record: Record { body: body.to_owned().into(), metadata: Vec::new() },
        digest: digest(body.as_bytes()),
        push_id: None,
        only: Vec::new(),
        is_replay: false,
    }
}

/// How many wait, and how many were erased.
fn erased(follower: &SharedFollower) -> (u64, u64) {
    let following = locked(follower);
    (following.waiting(), following.counts.erased)
}

fn refused(code: &str) -> Verdict {
    let rejection = Rejection {
        class: "incomplete".to_owned(),
        code: code.to_owned(),
        path: None,
        message: "lacks a time".to_owned(),
        position: None,
    };
    Verdict::Refused { rejection, mapper: "tccc 0.1.0".to_owned() }
}

fn consumers(response: Response) -> Vec<ConsumerState> {
    match response {
        Response::Consumers { consumers } => consumers,
        other => unreachable!("{other:?}"),
    }
}

/// Whether a file in this folder holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    fs::read_dir(folder).expect("it is there").flatten().any(|file| {
        let path = file.path();
        if path.is_dir() {
            return holds(&path, bytes);
        }
        let held = fs::read(&path).is_ok_and(|content| content.windows(bytes.len()).any(|window| window == bytes));
        if held {
            eprintln!("{} holds it", path.display());
        }
        held
    })
}

#[test]
fn consumers_are_listed_with_all_that_is_known_and_forgotten() {
    let mut fixture = Fixture::new(Settings::default());
    let one = fixture.join("calls/one");
    fixture.join("calls/other");
    fixture.admit(&["a", "b"]);
    fixture.settle(&one, 1, &Verdict::Delivered(None));
    let states = consumers(fixture.ask(Request::Consumers));
    let one = states.first().expect("two");
    assert_eq!((one.name.as_str(), one.is_following, one.waiting), ("calls/one", true, 1));
    assert_eq!((one.counts.received, one.counts.delivered), (2, 1));
    assert_eq!((one.floor, one.next, one.oldest_waiting_ms), (Some(2), Some(2), Some(NOW)));
    assert_eq!(one.mappings, [(1, "mapping 1".to_owned())]);
    let other = "calls/other".to_owned();
    let forget = Request::Forget { consumer: other };
    assert_eq!(fixture.ask(forget.clone()), Response::Forgotten { waiting: Some(2) });
    assert_eq!(fixture.ask(forget), Response::Forgotten { waiting: None });
    assert_eq!(consumers(fixture.ask(Request::Consumers)).len(), 1);
}

/// Delivered all the same, it counts as delivered, and is delivered again only for whoever asks for just that.
#[test]
fn what_was_delivered_in_part_is_a_dead_letter_that_is_revived_by_id_or_code_alone() {
    let mut fixture = Fixture::new(Settings::default());
    let (one, other) = (fixture.join("calls/one"), fixture.join("calls/other"));
    fixture.admit(&["a"]);
    let Verdict::Refused { rejection, mapper } = refused("spans_rejected") else { unreachable!("it is one") };
    fixture.settle(&one, 1, &Verdict::DeliveredInPart { identity: None, rejection, mapper });
    let counts = |state: &ConsumerState| (state.waiting, state.counts.delivered, state.counts.dead_lettered);
    assert_eq!(
        consumers(fixture.ask(Request::Consumers)).iter().map(counts).collect::<Vec<_>>(),
        [(0, 1, 0), (1, 0, 0)]
    );

    let which = |code: Option<&str>| {
        let filter = Filter { code: code.map(str::to_owned), ..Filter::default() };
        Which::Matching { filter, next: 0, end: None }
    };
    let mut revived = |which, dry_run| match fixture.ask(Request::Revive { which, consumers: None, dry_run }) {
        Response::Revived(Revived { letters, delivered_in_part, consumers, .. }) => {
            (letters, delivered_in_part, consumers.into_keys().collect::<Vec<_>>())
        }
        other => unreachable!("{other:?}"),
    };
    let to_one = vec!["calls/one".to_owned()];
    assert_eq!(revived(which(None), true), (0, 1, Vec::new()));
    assert_eq!(revived(which(Some("spans_rejected")), true), (1, 0, to_one.clone()));
    assert_eq!(revived(Which::Ids(vec![1]), true), (1, 0, to_one));

    // Another one refuses it for good: that one is meant by all.
    fixture.settle(&other, 1, &refused("no_time"));
    let revive = Request::Revive { which: which(None), consumers: None, dry_run: false };
    let Response::Revived(all) = fixture.ask(revive) else { unreachable!("it is revived") };
    assert_eq!(all.consumers.into_keys().collect::<Vec<_>>(), ["calls/other"]);
    assert_eq!(fixture.letters(Filter::default()), [1], "it stays a letter of the first");
}

#[test]
fn dead_letters_are_listed_filtered_revived_and_purged() {
    let mut fixture = Fixture::new(Settings::default());
    let one = fixture.join("calls/one");
    let other = fixture.join("calls/other");
    fixture.admit(&["a", "b", "c"]);
    fixture.settle(&one, 2, &refused("no_time"));
    fixture.settle(&one, 1, &refused("no_session"));
    fixture.settle(&other, 1, &refused("no_session"));
    assert_eq!(fixture.letters(Filter::default()), [1, 2, 3]);
    let code = |code: &str| Filter { code: Some(code.to_owned()), ..Filter::default() };
    assert_eq!(fixture.letters(code("no_session")), [1, 3]);
    let by = |name: &str| Filter { consumers: Some(vec![name.to_owned()]), ..Filter::default() };
    assert_eq!(fixture.letters(by("calls/other")), [1]);
    // By one and the same refusal.
    assert_eq!(fixture.letters(Filter { code: Some("no_time".to_owned()), ..by("calls/other") }), [] as [u64; 0]);
    assert_eq!(fixture.letters(Filter { since_ms: Some(NOW + 2), ..Filter::default() }), [2, 3]);
    assert_eq!(fixture.letters(Filter { before_ms: Some(NOW + 2), ..Filter::default() }), [1]);
    let body = match fixture.ask(Request::Letter { id: 2 }) {
        Response::Letter { letter: Some(_), body } => body,
        other => unreachable!("{other:?}"),
    };
    assert_eq!(body, Some(Base64(Bytes::from_static(b"b"))));
    assert_eq!(fixture.ask(Request::Letter { id: 9 }), Response::Letter { letter: None, body: None });

    let matching = |filter| Which::Matching { filter, next: 0, end: None };
    let revive = |which, dry_run| Request::Revive { which, consumers: None, dry_run };
    for dry_run in [true, false] {
        let revived = match fixture.ask(revive(matching(code("no_session")), dry_run)) {
            Response::Revived(revived) => revived,
            other => unreachable!("{other:?}"),
        };
        let expected = BTreeMap::from([("calls/one".to_owned(), 2), ("calls/other".to_owned(), 1)]);
        assert_eq!((revived.letters, revived.consumers, revived.left), (2, expected, 0), "{dry_run}");
    }
    assert_eq!(fixture.letters(Filter::default()), [2]);
    assert_eq!(locked(&one).waiting(), 2);
    let purge = |ids, dry_run| Request::Purge { which: Which::Ids(ids), dry_run };
    let purged = |missing| Response::Purged { letters: 1, bytes: 1, missing, next: None };
    assert_eq!(fixture.ask(purge(vec![2, 7], true)), purged(vec![7]));
    assert_eq!(fixture.ask(purge(vec![2], false)), purged(Vec::new()));
    assert_eq!(fixture.letters(Filter::default()), [] as [u64; 0]);
    assert!(matches!(fixture.try_ask(purge(vec![1; 501], true)), Err(ControlError::TooManyIds(501))));
}

#[test]
fn long_lists_come_in_pages() {
    let mut fixture = Fixture::new(Settings::default());
    let one = fixture.join("calls/one");
    let bodies: Vec<String> = (0..1200).map(|number| number.to_string()).collect();
    fixture.admit(&bodies.iter().map(String::as_str).collect::<Vec<_>>());
    fixture.settle(&one, 1200, &refused("no_time"));
    let (mut next, mut pages, mut listed) = (0, 0, 0);
    while let Response::Letters { letters, next: Some(more) } =
        fixture.ask(Request::Letters { filter: Filter::default(), next, count_max: 1000 })
    {
        (next, pages, listed) = (more, pages + 1, listed + letters.len());
    }
    assert_eq!((pages, listed), (3, 1200));
    let mut which = Some(Which::Matching { filter: Filter::default(), next: 0, end: None });
    let mut revived = 0;
    while let Some(more) = which {
        let Response::Revived(page) = fixture.ask(Request::Revive { which: more, consumers: None, dry_run: false })
        else {
            unreachable!("it revives")
        };
        revived += page.letters;
        which = page.next;
        // What is refused again is another letter, which this one does not reach.
        fixture.settle(&one, 1200, &refused("no_time"));
    }
    assert_eq!(revived, 1200);
    assert_eq!(fixture.letters(Filter::default()).len(), 100);
}

#[test]
fn bodies_come_in_pages_too() {
    let mut fixture = Fixture::new(Settings::default());
    let one = fixture.join("calls/one");
    let body = "x".repeat(5 * 1024 * 1024);
    for _ in 0..3 {
        fixture.admit(&[&body]);
    }
    fixture.settle(&one, 3, &refused("no_time"));
    let (mut next, mut pages) = (0, Vec::new());
    while let Response::Bodies { bodies, next: Some(more) } =
        fixture.ask(Request::Bodies { filter: Filter::default(), next })
    {
        pages.push(bodies.len());
        next = more;
    }
    assert_eq!(pages.iter().sum::<usize>(), 3);
    assert!(pages.iter().all(|bodies| *bodies <= 2), "{pages:?}");
}

#[test]
fn history_is_replayed_and_told_whether_it_is_mapped_as_before() {
    let mut fixture = Fixture::new(Settings { keep: Duration::from_secs(3600), ..Settings::default() });
    let one = fixture.join("calls/one");
    fixture.admit(&["a", "bc"]);
    fixture.settle(&one, 2, &Verdict::Delivered(None));
    locked(&one).map_with("mapping 2", 3);
    let replay = |consumer: &str, dry_run| Request::Replay {
        consumer: consumer.to_owned(),
        since_ms: NOW,
        dry_run,
        passage: None,
    };
    let expected = Replay {
        records: 2,
        bytes: 3,
        history_since_ms: Some(NOW),
        mapped_then: Some("mapping 1".to_owned()),
        mapped_now: Some("mapping 2".to_owned()),
    };
    assert_eq!(fixture.ask(replay("calls/one", true)), Response::Replay(expected.clone()));
    assert_eq!(locked(&one).waiting(), 0);
    assert_eq!(fixture.ask(replay("calls/one", false)), Response::Replay(expected));
    assert_eq!(locked(&one).waiting(), 2);
    assert_eq!(consumers(fixture.ask(Request::Consumers)).first().expect("one").replays, [(1, 3)]);
    assert!(matches!(fixture.try_ask(replay("nobody", true)), Err(ControlError::NoConsumer(_))));
}

#[test]
fn what_is_erased_is_in_no_file_any_more_and_the_rest_is_there() {
    let id = "7d3e-erase-me";
    let meant = format!(r#"{{"SessionId":"{id}","Caller":"+4912345"}}"#);
    let mut fixture = Fixture::new(Settings { keep: Duration::from_secs(3600), ..Settings::default() });
    let one = fixture.join("calls/one");
    // A dead letter, a record of history, and one that waits, each between others.
    fixture.admit(&["a", &meant, "b"]);
    fixture.settle(&one, 3, &refused("no_time"));
    fixture.admit(&["c", &meant, "d"]);
    fixture.settle(&one, 3, &Verdict::Delivered(None));
    fixture.admit(&["e", &meant, "f"]);
    fixture.store.write(true).expect("the disk works");
    assert!(holds(&fixture.folder, id.as_bytes()));

    let expected = Erased { waiting: 1, history: 2, dead_letters: 1, unreadable: 0, files: 0 };
    assert_eq!(fixture.erase(id, true), expected);
    assert_eq!(locked(&one).waiting(), 3);
    assert_eq!(fixture.erase(id, false), expected);
    assert_eq!(fixture.erase(id, true), Erased::default());
    assert!(!holds(&fixture.folder, id.as_bytes()));
    assert_eq!(erased(&one), (2, 1));
    drop(one);

    // After a crash as well.
    let Fixture { _outer, folder, store } = fixture;
    drop(store);
    let (store, _) = Store::open(&folder, Settings::default(), NOW).expect("the store of before");
    let mut fixture = Fixture { _outer, folder, store };
    assert!(!holds(&fixture.folder, id.as_bytes()));
    let one = fixture.join("calls/one");
    assert_eq!(erased(&one), (2, 1));
    let all = fixture.store.reader().stretch(0, fixture.store.next_id(), 100, u64::MAX).expect("it can be read");
    let bodies: Vec<_> = all.entries.iter().map(|entry| entry.record.body.clone()).collect();
    assert_eq!(bodies, ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(fixture.letters(Filter::default()), [1, 3]);
    fixture.admit(&["g"]);
    fixture.settle(&one, 10, &Verdict::Delivered(None));
    assert_eq!(erased(&one), (0, 1));
}

#[test]
fn an_erased_record_that_is_under_way_is_settled() {
    let mut fixture = Fixture::new(Settings::default());
    let one = fixture.join("calls/one");
    fixture.admit(&["\"a\"", "\"b\""]);
    let entry = {
        let stretch = fixture.store.reader().stretch(1, 2, 1, u64::MAX).expect("it can be read");
        locked(&one).lanes.get_mut(&0).expect("it follows").take(1);
        stretch.entries.into_iter().next().expect("one")
    };
    assert_eq!(fixture.erase("a", false).waiting, 1);
    fixture.store.settle(&one, 0, &entry, &refused("no_time"), NOW).expect("the disk works");
    assert_eq!(fixture.letters(Filter::default()), [] as [u64; 0], "it does not come back as a letter");
    assert_eq!(erased(&one), (1, 1));
}

#[test]
fn a_stopped_queue_is_asked_by_its_folder() {
    let key = Key::parse(&[7; 32]).ok();
    let mut fixture = Fixture::new(Settings { key: key.clone(), ..Settings::default() });
    fixture.join("calls/one");
    fixture.admit(&["a"]);
    let in_use = Offline::open(&fixture.folder, Settings::default()).err().expect("the fixture has it");
    assert!(matches!(in_use, OfflineError::Open(error) if error.is_in_use()));
    let Fixture { _outer, folder, store } = fixture;
    store.close().expect("the disk works");
    assert!(Offline::open(&folder, Settings::default()).is_err(), "it is encrypted");
    let (mut offline, told) = Offline::open(&folder, Settings { key, ..Settings::default() }).expect("it was closed");
    assert_eq!(told, [] as [&str; 0]);
    assert_eq!(consumers(offline.answer(Request::Consumers).expect("it works")).len(), 1);
    assert!(matches!(offline.answer(Request::Totals), Ok(Response::Totals(totals)) if totals.records == 1));
    offline.close().expect("the disk works");
    let nowhere = Offline::open(&folder.join("nowhere"), Settings::default());
    assert!(matches!(nowhere, Err(OfflineError::NoQueue(_))));
}
