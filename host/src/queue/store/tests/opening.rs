//! Stores that are opened again.

use super::*;
use crate::queue::{Key, OpenError};
use std::fs;
use std::path::Path;

/// A key that is not the one is a mistake in the configuration: nothing is changed by it, and nothing is looked for at the
/// next start because of it.
#[test]
fn a_wrong_key_leaves_everything_as_it_is() {
    let with_key = |key: Option<u8>| {
        let key = key.map(|byte| Key::parse(&[byte; 32]).expect("32 bytes"));
        Settings { key, ..Settings::default() }
    };
    let refuse = |folder: &Path, key: Option<u8>| {
        let refused = Store::open(folder, with_key(key), NOW).err().expect("it is another one");
        assert!(matches!(refused, OpenError::Key { .. }), "{refused}");
        let aside = fs::read_dir(folder.join("quarantine")).expect("it is there").count();
        assert_eq!(aside, 0, "no copy of a journal is left");
    };
    let mut fixture = Fixture::new(with_key(Some(1)));
    fixture.admit(&["a"]);
    let Fixture { _outer, folder, store } = fixture;
    store.close().expect("the disk works");
    refuse(&folder, Some(2));
    refuse(&folder, None);
    let (store, recovered) = Store::open(&folder, with_key(Some(1)), NOW).expect("it is the one");
    assert_eq!(recovered, Recovered::default(), "it was closed");
    // As after a crash.
    drop(store);
    refuse(&folder, Some(2));
    let (_store, recovered) = Store::open(&folder, with_key(Some(1)), NOW).expect("it is the one");
    assert_eq!(recovered, Recovered { was_cut: true, ..Recovered::default() });
}
