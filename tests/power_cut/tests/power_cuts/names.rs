//! What is left of names.

use crate::machine::Machine;
use std::fs;

#[test]
fn a_synced_file_whose_folder_was_not_synced_has_no_name() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "sync a"]);
    assert_eq!(machine.names(), [""; 0]);
}

#[test]
fn a_file_renamed_in_a_folder_that_was_not_synced_has_its_old_name() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "sync a", "sync .", "rename a b"]);
    assert_eq!(machine.names(), ["a"]);
    assert_eq!(machine.text("a").as_deref(), Some("one"));
}

#[test]
fn a_file_replaced_at_one_stroke_is_the_new_one_once_the_folder_was_synced() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "sync a", "sync .", "put new two", "sync new", "rename new a"]);
    assert_eq!((machine.names(), machine.text("a").as_deref()), (vec!["a".to_owned()], Some("one")));
    machine.cut_after(&["put new two", "sync new", "rename new a", "sync ."]);
    assert_eq!((machine.names(), machine.text("a").as_deref()), (vec!["a".to_owned()], Some("two")));
}

#[test]
fn a_rename_past_libc_is_seen() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "sync a", "sync .", "rename-past-libc a b", "sync ."]);
    assert_eq!(machine.names(), ["b"]);
    assert_eq!(machine.text("b").as_deref(), Some("one"));
}

#[test]
fn a_removed_file_is_still_there_until_the_folder_was_synced() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "sync a", "sync .", "remove a"]);
    assert_eq!(machine.text("a").as_deref(), Some("one"));
    machine.cut_after(&["remove a", "sync ."]);
    assert_eq!(machine.names(), [""; 0]);
}

#[test]
fn a_new_file_with_the_number_of_a_removed_one_is_another_file() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "sync a", "sync .", "remove a", "put b two", "sync b"]);
    assert_eq!(machine.names(), ["a"]);
    assert_eq!(machine.text("a").as_deref(), Some("one"));
}

#[test]
fn a_new_folder_needs_a_sync_of_its_parent_and_one_of_its_own() {
    let machine = Machine::new();
    machine.cut_after(&["make-folder a", "put a/b one", "sync a/b", "sync a"]);
    assert_eq!(machine.names(), [""; 0]);
    machine.cut_after(&["make-folder a", "put a/b one", "sync a/b", "sync ."]);
    assert!(machine.path("a").is_dir() && machine.text("a/b").is_none());
    machine.cut_after(&["put a/b one", "sync a/b", "sync a"]);
    assert_eq!(machine.text("a/b").as_deref(), Some("one"));
}

#[test]
fn a_removed_folder_is_still_there_with_all_it_held() {
    let machine = Machine::new();
    machine.cut_after(&["make-folder a", "put a/b one", "sync a/b", "sync a", "sync .", "remove-folder a"]);
    assert_eq!(machine.text("a/b").as_deref(), Some("one"));
}

#[test]
fn two_names_of_a_file_stay_names_of_one_file() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "link a b", "symlink a c", "sync a", "sync ."]);
    assert_eq!(machine.text("c").as_deref(), Some("one"));
    fs::write(machine.path("b"), "two").unwrap();
    assert_eq!(machine.text("a").as_deref(), Some("two"));
}
