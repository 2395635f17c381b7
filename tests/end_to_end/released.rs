//! What was released stays in force: a component that was built against a released contract loads for ever.
//!
//! `wit/since_v<major>_<minor>/` holds each contract as it was released, `tests/components/` a component of its time.

use callspan_tests::{Callspan, guests, records};
use std::fs;
use std::path::{Path, PathBuf};
use wit_component::{semver_check, targets};
use wit_parser::{Resolve, WorldId};

const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
const COMPONENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/components");
const PACKAGE: &str = "package callspan:transform@";

/// The same in both directions: nothing was added to it, nothing taken away.
#[test]
fn the_contract_is_the_one_that_was_released_under_its_version() {
    let current = read(&Path::new(WIT).join("callspan.wit"));
    let released = releases().into_iter().find(|(_, text)| version(text) == version(&current));
    let (path, released) = released.expect("the contract's version was released");
    // Both would be one package under one name.
    let older = released.replacen(PACKAGE, &format!("{PACKAGE}0.0.0-of-"), 1);
    for (before, after) in [(&older, &current), (&current, &older)] {
        let mut resolve = Resolve::default();
        let [before, after] = [before, after].map(|text| world(&mut resolve, text));
        let compared = semver_check(resolve, before, after);
        assert!(compared.is_ok(), "{}: {compared:?}", path.display());
    }
}

/// The check above can fail: each change that would break a guest is found.
#[test]
fn a_change_of_the_contract_does_not_go_unseen() {
    let current = read(&Path::new(WIT).join("callspan.wit"));
    let older = current.replacen(PACKAGE, &format!("{PACKAGE}0.0.0-of-"), 1);
    for (what, with) in [
        ("revision: u64,", "revision: u32,"),
        ("    consumer,\n", "    consumer,\n    other,\n"),
        ("events: list<string>,", "events: list<string>,\n    more: u32,"),
        ("transform: func(batch: list<input>)", "transform: func(batch: list<input>, more: u32)"),
    ] {
        let changed = current.replacen(what, with, 1);
        assert_ne!(changed, current, "{what}");
        let mut resolve = Resolve::default();
        let [before, after] = [&older, &changed].map(|text| world(&mut resolve, text));
        assert!(semver_check(resolve, before, after).is_err(), "{with}");
    }
}

#[test]
fn plugins_keep_to_the_contract_of_their_version() {
    let built: Vec<PathBuf> = [guests::OBEDIENT, guests::CONNECT_SKETCH].map(PathBuf::from).into();
    let kept = components();
    assert!(!kept.is_empty());
    for path in built.iter().chain(&kept) {
        let component = fs::read(path).expect("the component can be read");
        let fits = releases().iter().any(|(_, text)| {
            let mut resolve = Resolve::default();
            let world = world(&mut resolve, text);
            targets(&resolve, world, &component, false).is_ok()
        });
        assert!(fits, "{}", path.display());
    }
    let text = read(&Path::new(WIT).join("callspan.wit"));
    let mut resolve = Resolve::default();
    let world = world(&mut resolve, &text);
    let stranger = fs::read(guests::ANOTHER_VERSION).expect("the component can be read");
    assert!(targets(&resolve, world, &stranger, false).is_err(), "the check can fail");
}

/// Whatever this host does otherwise by now, it runs what was built for it once.
#[test]
fn a_component_of_each_release_still_maps_a_record() {
    for component in components() {
        let component = component.to_str().expect("a readable path");
        let finished = Callspan::transform().arguments(["--plugin", component]).input(records::SEED).run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert_eq!(finished.trace()[0].trace_id, records::SEED_TRACE, "{component}");
        let inspected = Callspan::new(["inspect", component]).run();
        assert!(inspected.stdout.contains("tccc 0."), "{}", inspected.stdout);
    }
}

fn releases() -> Vec<(PathBuf, String)> {
    let folders = fs::read_dir(WIT).expect("the folder can be read").map(|entry| entry.expect("an entry").path());
    let mut released: Vec<PathBuf> = folders.filter(|path| path.is_dir()).collect();
    released.sort();
    let with_text = |folder: PathBuf| {
        let path = folder.join("callspan.wit");
        let text = read(&path);
        (path, text)
    };
    released.into_iter().map(with_text).collect()
}

fn components() -> Vec<PathBuf> {
    let entries =
        fs::read_dir(COMPONENTS).expect("the folder can be read").map(|entry| entry.expect("an entry").path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "wasm")).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("the contract can be read")
}

fn version(text: &str) -> Option<&str> {
    let (_, after) = text.split_once(PACKAGE)?;
    after.split_once(';').map(|(version, _)| version)
}

fn world(resolve: &mut Resolve, text: &str) -> WorldId {
    let package = resolve.push_str("callspan.wit", text).expect("the contract can be read");
    resolve.select_world(&[package], None).expect("it has one world")
}
