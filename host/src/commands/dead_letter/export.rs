//! `callspan dead-letter export`: the raw records, in clear, for whoever is to look at them.

use super::super::access::{Access, unexpected};
use super::super::{Failure, Verdict, or_reader_gone};
use crate::args::Export;
use crate::queue::control::{Body, Filter, LetterId, Request, Response};
use anyhow::{Context as _, anyhow};
use serde::de::IgnoredAny;
use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

pub(super) fn run(access: &mut Access, arguments: Export) -> Result<Verdict, Failure> {
    let filter = Filter { code: arguments.code, ..Filter::default() };
    let is_stdout = arguments.file == Path::new("-");
    let left = if is_stdout {
        let mut out = BufWriter::new(io::stdout().lock());
        let left = write_all(access, &filter, &mut out, or_reader_gone)?;
        or_reader_gone(out.flush())?;
        left
    } else {
        let name = arguments.file.display();
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&arguments.file);
        let mut file = BufWriter::new(made.with_context(|| format!("failed to make {name}"))?);
        let failed = |result: io::Result<()>| Ok(result.with_context(|| format!("failed to write {name}"))?);
        let left = write_all(access, &filter, &mut file, failed)?;
        let written = file.flush().and_then(|()| file.get_ref().sync_all());
        written.with_context(|| format!("failed to write {name}"))?;
        left
    };
    if left.is_empty() {
        return Ok(Verdict::Good);
    }
    let ids: Vec<String> = left.iter().map(LetterId::to_string).collect();
    Err(Failure::Runtime(anyhow!("dead letters that are no text, or cannot be read, are left out: {}", ids.join(", "))))
}

/// Writes a line for each; says which have none.
fn write_all(
    access: &mut Access,
    filter: &Filter,
    out: &mut impl Write,
    written: impl Fn(io::Result<()>) -> Result<(), Failure>,
) -> Result<Vec<LetterId>, Failure> {
    let (mut from, mut left) = (0, Vec::new());
    loop {
        let Response::Bodies { bodies, next } = access.ask(Request::Bodies { filter: filter.clone(), next: from })?
        else {
            return Err(unexpected());
        };
        for Body { id, body } in bodies {
            match body.as_ref().and_then(|body| line(&body.0)) {
                Some(line) => written(out.write_all(&line).and_then(|()| out.write_all(b"\n")))?,
                None => left.push(id),
            }
        }
        match next {
            Some(next) => from = next,
            None => return Ok(left),
        }
    }
}

/// A record on one line: in JSON, line ends stand between tokens alone. One that is no JSON becomes a text in JSON.
fn line(body: &[u8]) -> Option<Vec<u8>> {
    if serde_json::from_slice::<IgnoredAny>(body).is_ok() {
        return Some(body.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }).collect());
    }
    serde_json::to_vec(std::str::from_utf8(body).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_one_line() {
        assert_eq!(line(b"{\r\n\"a\": 1e400\n}").as_deref(), Some(b"{  \"a\": 1e400 }".as_slice()));
        assert_eq!(line(b"{\n").as_deref(), Some(b"\"{\\n\"".as_slice()));
        assert_eq!(line(b"\xff"), None);
    }
}
