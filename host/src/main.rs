//! The program: reads the arguments, runs one command, says in its exit code what came of it.

use callspan::args::Arguments;
use callspan::commands;
use clap::Parser as _;
use std::process::ExitCode;
use tikv_jemallocator::Jemalloc;

/// Records are allocated on one thread and freed on another; jemalloc takes that in its stride.
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

fn main() -> ExitCode {
    commands::run(Arguments::parse())
}
