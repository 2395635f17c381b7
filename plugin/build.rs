//! Gives the component a memory that a usual batch fits in. Growing costs the host a system call each time, and another
//! when the memory is handed to the next instance; pages that are never touched cost nothing.

use std::env;

const INITIAL_MEMORY_BYTES: u32 = 4 * 1024 * 1024;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "wasm32") {
        println!("cargo::rustc-link-arg=--initial-memory={INITIAL_MEMORY_BYTES}");
    }
}
