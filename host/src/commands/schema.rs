//! `callspan schema`: the JSON Schema of the configuration, or the OpenAPI description of what a service answers.

mod openapi;

use super::{Failure, Verdict, or_reader_gone};
use crate::args::Schema;
use crate::config;
use std::io::{self, Write as _};

pub(super) fn run(arguments: Schema) -> Result<Verdict, Failure> {
    let schema = if arguments.openapi { openapi::document(&arguments)? } else { config::schema() };
    or_reader_gone(writeln!(io::stdout(), "{schema:#}"))?;
    Ok(Verdict::Good)
}
