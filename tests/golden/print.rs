//! Prints the snapshots of files: `cargo run -p callspan-tests --example snapshot -- FILE…`

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a tool for developers fails on the spot")]
#![expect(clippy::print_stdout, reason = "it prints")]

mod corpus;
mod snapshot;

use std::path::PathBuf;

fn main() {
    let plugin = corpus::plain_plugin();
    for file in std::env::args_os().skip(1).map(PathBuf::from) {
        print!("{}", snapshot::snapshot(&plugin.transform(&corpus::records(&file))));
    }
}
