//! Commands on the folder of a service that is stopped.

use super::*;
use crate::queue::DeadLetterSettings;

const LONG: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// How many tables there are.
fn tables(folder: &Path) -> usize {
    fs::read_dir(folder.join("store/keyspaces")).expect("it is there").count()
}

/// A command need not know for how long the service keeps things: whatever it believes, nothing is too old for it, or
/// too much, and no generation of fingerprints is over.
#[test]
fn a_command_gives_nothing_up() {
    let mut settings = Settings { keep: LONG, ..Settings::default() };
    settings.dead_letters.keep = LONG;
    settings.duplicates.window = LONG;
    let mut fixture = Fixture::new(settings);
    let one = fixture.join("calls/one");
    fixture.admit(&["a", "b"]);
    fixture.settle(&one, 1, &refused("no_time"));
    fixture.settle(&one, 1, &Verdict::Delivered(None));
    drop(one);
    let Fixture { _outer, folder, store } = fixture;
    store.close().expect("the disk works");
    let tables_before = tables(&folder);

    let dead_letters = DeadLetterSettings { bytes_max: 0, keep: Duration::ZERO };
    let mut believed = Settings { keep: Duration::ZERO, dead_letters, ..Settings::default() };
    believed.duplicates.window = Duration::from_secs(1);
    for _ in 0..2 {
        let (mut offline, _) = Offline::open(&folder, believed.clone()).expect("it was closed");
        let Ok(Response::Totals(totals)) = offline.answer(Request::Totals) else { unreachable!("it counts") };
        assert_eq!((totals.records, totals.dead_letters), (2, 1));
        offline.close().expect("the disk works");
        assert_eq!(tables(&folder), tables_before);
    }
}
