//! `callspan trace-id`: from what stands in the vendor's console to what a backend finds.

use super::{Failure, Verdict, or_reader_gone};
use crate::args::TraceId;
use crate::transform;
use std::io::{self, Write as _};

pub(super) fn run(arguments: TraceId) -> Result<Verdict, Failure> {
    let key = format!("tccc/{}/{}", arguments.sdk_app_id, arguments.session_id.trim());
    or_reader_gone(writeln!(io::stdout(), "{}", transform::trace_id(&key)))?;
    Ok(Verdict::Good)
}
