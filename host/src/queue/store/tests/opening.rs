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

/// The library would end the process over a list of files that is not what it wrote.
#[test]
fn a_damaged_list_of_a_tables_files_is_told_by_its_name() {
    let Fixture { _outer, folder, store } = Fixture::new(Settings::default());
    store.close().expect("the disk works");
    let tables = fs::read_dir(folder.join("store/keyspaces")).expect("it is there").flatten();
    let files = tables.flat_map(|table| fs::read_dir(table.path()).expect("it is there").flatten());
    let is_current = |path: &Path| path.file_name().is_some_and(|name| name == "current");
    let current: Vec<_> = files.map(|file| file.path()).filter(|path| is_current(path)).collect();
    assert!(!current.is_empty());
    for current in current {
        let number = fs::read(&current).expect("it is there").first().copied().expect("it is not empty");
        for file in [current.with_file_name(format!("v{number}")), current.clone()] {
            let whole = fs::read(&file).expect("it is there");
            // Whatever else the first bytes of `current` name, it is no list that is there.
            for place in (if file == current { 8 } else { 0 })..whole.len() {
                let mut bytes = whole.clone();
                *bytes.get_mut(place).expect("it is there") ^= 1;
                fs::write(&file, bytes).expect("it is ours");
                let error = Store::open(&folder, Settings::default(), NOW).err().expect("it is damaged").to_string();
                assert!(error.contains("is damaged") && error.contains("keyspaces/"), "{place}: {error}");
            }
            fs::write(&file, whole).expect("it is ours");
        }
    }
    assert!(Store::open(&folder, Settings::default(), NOW).is_ok());
}
