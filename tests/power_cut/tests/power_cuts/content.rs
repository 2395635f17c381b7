//! What is left of the content of files.

use crate::machine::Machine;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

#[test]
fn what_was_written_and_not_synced_is_gone() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "sync ."]);
    assert_eq!(machine.text("a").as_deref(), Some(""));
}

#[test]
fn what_was_synced_is_there() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "put b two", "sync a", "sync-data b", "sync ."]);
    assert_eq!(machine.text("a").as_deref(), Some("one"));
    assert_eq!(machine.text("b").as_deref(), Some("two"));
}

#[test]
fn what_was_there_at_the_start_is_durable() {
    let machine = Machine::new();
    fs::create_dir(machine.path("folder")).unwrap();
    fs::write(machine.path("folder/a"), "one").unwrap();
    machine.cut_after(&["append folder/a two"]);
    assert_eq!(machine.text("folder/a").as_deref(), Some("one"));
}

#[test]
fn of_an_append_after_the_sync_nothing_is_left() {
    let machine = Machine::new();
    machine.cut_after(&["append a one", "sync a", "sync .", "append a two"]);
    assert_eq!(machine.text("a").as_deref(), Some("one"));
}

#[test]
fn an_append_through_a_synced_descriptor_is_there() {
    let machine = Machine::new();
    machine.cut_after(&["append a one", "sync .", "append-synced a two"]);
    assert_eq!(machine.text("a").as_deref(), Some("onetwo"));
}

#[test]
fn an_overwrite_in_the_middle_is_there_once_it_was_synced() {
    let machine = Machine::new();
    machine.cut_after(&["put a abcdefgh", "sync a", "sync .", "overwrite a 2 XY", "sync-data a", "overwrite a 5 Z"]);
    assert_eq!(machine.text("a").as_deref(), Some("abXYefgh"));
}

#[test]
fn a_length_counts_from_the_next_sync() {
    let machine = Machine::new();
    machine.cut_after(&["put a abcdefgh", "sync a", "sync .", "set-length a 3"]);
    assert_eq!(machine.text("a").as_deref(), Some("abcdefgh"));
    machine.cut_after(&["set-length a 3", "sync a", "set-length a 8"]);
    assert_eq!(machine.text("a").as_deref(), Some("abc"));
}

#[test]
fn what_was_cut_off_does_not_come_back_when_the_file_grows() {
    let machine = Machine::new();
    machine.cut_after(&["put a abcdefgh", "sync a", "sync .", "set-length a 3", "set-length a 5", "sync a"]);
    assert_eq!(machine.text("a").as_deref(), Some("abc\0\0"));
}

#[test]
fn a_file_that_was_emptied_keeps_its_content_until_it_is_synced() {
    let machine = Machine::new();
    machine.cut_after(&["put a abcdefgh", "sync a", "sync .", "put a xy"]);
    assert_eq!(machine.text("a").as_deref(), Some("abcdefgh"));
    machine.cut_after(&["put a xy", "sync a"]);
    assert_eq!(machine.text("a").as_deref(), Some("xy"));
}

#[test]
fn a_copy_within_the_kernel_is_followed() {
    let machine = Machine::new();
    machine.cut_after(&["put a one", "put b three", "sync b", "sync .", "copy a b", "sync b"]);
    assert_eq!(machine.text("b").as_deref(), Some("one"));
}

#[test]
fn a_long_journal_keeps_its_length_and_its_holes() {
    let machine = Machine::new();
    machine.cut_after(&["set-length a 67108864", "overwrite a 4096 x", "sync a", "sync .", "overwrite a 9000 y"]);
    let bytes = fs::read(machine.path("a")).unwrap();
    assert_eq!(bytes.len(), 67_108_864);
    assert_eq!((bytes[4096], bytes[9000]), (b'x', 0));
    let blocks = machine.path("a").metadata().unwrap().blocks();
    assert!(blocks < 1024, "{blocks} blocks of 512 bytes are more than a hole needs");
}

#[test]
fn permissions_are_kept() {
    let machine = Machine::new();
    fs::write(machine.path("a"), "one").unwrap();
    fs::set_permissions(machine.path("a"), fs::Permissions::from_mode(0o755)).unwrap();
    machine.cut_after(&["append a two", "sync a"]);
    assert_eq!(machine.path("a").metadata().unwrap().mode() & 0o777, 0o755);
}
