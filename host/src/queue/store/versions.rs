//! Which files make up a table stands in a list of its own, and the list's hash in the file `current` beside it. The library
//! compares the two nowhere, and over a list that was damaged it panics twice, which ends the process. So they are compared
//! before it looks.

use std::fs;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_128;

/// The number of the list, its hash in 128 bits, and the kind of hash; numbers begin with their least byte.
const CURRENT_BYTES: usize = 8 + 16 + 1;
/// XXH3, the only kind there is.
const XXH3: u8 = 0;

/// # Errors
/// Which file was damaged. What is not there is for the library to miss.
pub(super) fn check(store: &Path) -> Result<(), String> {
    let Ok(tables) = fs::read_dir(store.join("keyspaces")) else { return Ok(()) };
    tables.flatten().try_for_each(|table| check_table(store, &table.path()))
}

fn check_table(store: &Path, table: &Path) -> Result<(), String> {
    let current = table.join("current");
    let Ok(bytes) = fs::read(&current) else { return Ok(()) };
    let damaged = |file: PathBuf| Err(format!("{} is damaged", file.strip_prefix(store).unwrap_or(&file).display()));
    let Ok(bytes) = <[u8; CURRENT_BYTES]>::try_from(bytes) else { return damaged(current) };
    let [n0, n1, n2, n3, n4, n5, n6, n7, hash @ .., kind] = bytes;
    let list = table.join(format!("v{}", u64::from_le_bytes([n0, n1, n2, n3, n4, n5, n6, n7])));
    let Ok(content) = fs::read(&list) else { return Ok(()) };
    if kind != XXH3 {
        return damaged(current);
    }
    if xxh3_128(&content) == u128::from_le_bytes(hash) { Ok(()) } else { damaged(list) }
}
