//! The components that tests load, as paths; `build.rs` makes them of what is in `guests/`.

use std::io::Write as _;
use std::path::Path;
use tempfile::{NamedTempFile, TempPath};

/// Does what each record tells it to: `{"id": "7", "do": "loop"}`. Its commands are in
/// `guests/obedient/src/command.rs`.
pub const OBEDIENT: &str = env!("CALLSPAN_GUEST_OBEDIENT");

/// Maps Amazon Connect contact records.
pub const CONNECT_SKETCH: &str = env!("CALLSPAN_GUEST_CONNECT_SKETCH");

/// Imports a part of WASI.
pub const ASKS_FOR_A_CLOCK: &str = env!("CALLSPAN_GUEST_ASKS_FOR_A_CLOCK");

/// Imports what is no part of WASI.
pub const ASKS_FOR_SOMETHING_ELSE: &str = env!("CALLSPAN_GUEST_ASKS_FOR_SOMETHING_ELSE");

/// Imports all of WASI that a standard library does, and reaches for it when a record says so. Its source is
/// beside it, and says how it is built.
pub const WANTS_WASI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/guests/wants-wasi/wants-wasi.wasm");

/// Exports the contract in a version of the future.
pub const ANOTHER_VERSION: &str = env!("CALLSPAN_GUEST_ANOTHER_VERSION");

/// Exports the contract's name, and nothing under it.
pub const EXPORTS_AN_EMPTY_PLUGIN: &str = env!("CALLSPAN_GUEST_EXPORTS_AN_EMPTY_PLUGIN");

/// A core module, not a component.
pub const CORE_MODULE: &str = env!("CALLSPAN_GUEST_CORE_MODULE");

/// The obedient guest with something wrong about it before it is given anything: `loop`, `no-name`. Its faults are in
/// `guests/obedient/src/fault.rs` and `describe.rs`; with `start-` before the former they come when an instance is made.
pub fn with_fault(fault: &str) -> TempPath {
    const MARK: &[u8] = b"the fault of this guest is: ";
    const WORD_BYTES: usize = 36;
    let mut component = std::fs::read(OBEDIENT).expect("it was just built");
    let mut marks = component.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let (at, _) = marks.next().expect("the mark is in its data");
    assert!(marks.next().is_none(), "the mark is there once");
    let word = at + MARK.len()..at + MARK.len() + WORD_BYTES;
    component[word].copy_from_slice(format!("{fault:WORD_BYTES$}").as_bytes());
    kept(&component)
}

/// The same in this place, at once as a whole.
pub fn put_with_fault(path: &Path, fault: &str) {
    let new = path.with_extension("new");
    std::fs::copy(with_fault(fault), &new).expect("the folder is ours");
    std::fs::rename(new, path).expect("the folder is ours");
}

/// The first so many bytes of the obedient guest.
pub fn truncated(bytes: usize) -> TempPath {
    kept(&std::fs::read(OBEDIENT).expect("it was just built")[..bytes])
}

/// A file that begins as a component does, and goes on with so many bytes that take no room on the disk.
pub fn of_size(bytes: u64) -> TempPath {
    let path = kept(b"\0asm\x0d\0\x01\0");
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("it is ours");
    file.set_len(bytes).expect("it takes no room");
    path
}

fn kept(component: &[u8]) -> TempPath {
    let mut file = NamedTempFile::with_suffix(".wasm").expect("a temporary file");
    file.write_all(component).expect("it is ours");
    file.into_temp_path()
}
