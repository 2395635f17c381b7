//! `callspan completions`: what a shell needs to complete callspan's arguments.

use super::{Failure, Verdict, or_reader_gone};
use crate::args::{Arguments, Completions};
use clap::CommandFactory as _;
use std::io::{self, Write as _};

pub(super) fn run(arguments: Completions) -> Result<Verdict, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "callspan", &mut script);
    or_reader_gone(io::stdout().lock().write_all(&script))?;
    Ok(Verdict::Good)
}
