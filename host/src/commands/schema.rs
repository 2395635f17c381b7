//! `callspan schema`: the JSON Schema of the configuration.

use super::{Failure, Verdict, or_reader_gone};
use crate::config;
use std::io::{self, Write as _};

pub(super) fn run() -> Result<Verdict, Failure> {
    or_reader_gone(writeln!(io::stdout(), "{:#}", config::schema()))?;
    Ok(Verdict::Good)
}
