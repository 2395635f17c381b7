//! The program: reads the arguments, runs one command, says in its exit code what came of it.

use callspan::args::Arguments;
use callspan::commands;
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    commands::run(Arguments::parse())
}
