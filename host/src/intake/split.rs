//! Finds the records in a stream of bytes: an array of records, one record on each line (NDJSON), or JSON documents
//! over many lines. Which of them it is, is told by the content.
//!
//! - A text that begins with `[` is an array, and each of its elements a record, whatever it is: the mapping refuses
//!   what is no object.
//! - Else the first line decides. If it is a whole JSON value, or broken before its end, every line is a record, and a
//!   broken line costs no other.
//! - If the first line only ends too early, it begins a document over many lines, which ends where its brackets close.
//!   But if that does not come out as JSON and a later line is a whole object by itself, then these were lines after
//!   all, and the first one is torn.
//!
//! After an array or a document the next text is looked at in the same way. A byte order mark and blank lines are
//! passed over.
//!
//! Memory is flat: of a record that is larger than the limit only its place is kept, and the reading goes on behind it.

mod input;
mod structure;
mod whole;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use input::{Input, Place, trimmed};
use serde::de::IgnoredAny;
use std::io::{self, BufRead, Read};
use structure::{Part, Structure};

pub use input::open;
pub use whole::whole;

/// What was found at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Counts the records from 0, those that are too large too.
    pub index: u64,
    /// The line on which the record begins, counted from 1.
    pub line: u64,
    /// Where on that line it begins, in bytes, counted from 1.
    pub column: u64,
    /// The record without the blanks around it, or `None` if it is larger than the limit.
    pub body: Option<Bytes>,
}

/// The records of a stream, in their order. An error of the stream ends it, after the records that came before.
pub struct Records<R> {
    input: Input<R>,
    record_bytes_max: usize,
    state: State,
    index: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    BetweenTexts,
    InArray,
    InLines,
    Ended,
}

/// What was gathered of a value.
enum Gathered {
    Whole(Vec<u8>),
    /// The stream ended first.
    Unended(Vec<u8>),
    /// The value is larger than the limit; this is its beginning, and the rest is still to come.
    TooLarge(Vec<u8>),
}

impl<R: BufRead> Records<R> {
    /// Records of at most this size are given whole.
    pub fn new(source: R, record_bytes_max: usize) -> Self {
        Self { input: Input::new(source), record_bytes_max, state: State::Start, index: 0 }
    }

    fn find(&mut self) -> io::Result<Option<Found>> {
        loop {
            self.input.skip_blank(self.state == State::InArray)?;
            let place = self.input.place();
            let body = match (self.state, self.input.peek()?) {
                (_, None) => return Ok(None),
                (State::Start, _) => {
                    self.input.skip_byte_order_mark()?;
                    self.state = State::BetweenTexts;
                    continue;
                }
                (State::BetweenTexts, Some(b'[')) => {
                    self.input.consume(1);
                    self.state = State::InArray;
                    continue;
                }
                (State::InArray, Some(b']')) => {
                    self.input.consume(1);
                    self.state = State::BetweenTexts;
                    continue;
                }
                (State::BetweenTexts, Some(_)) => self.text(place)?,
                (State::InArray, Some(_)) => self.element()?,
                (State::InLines | State::Ended, Some(_)) => self.line()?,
            };
            let index = self.index;
            self.index += 1;
            let body = body.map(|body| Bytes::copy_from_slice(trimmed(&body)));
            return Ok(Some(Found { index, line: place.line, column: place.column, body }));
        }
    }

    /// The line at hand with its line break, or `None` if it is too large.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.beginning_of_line()?;
        if line.len() == self.line_bytes_max() && !line.ends_with(b"\n") {
            self.input.skip_until(b'\n')?;
            return Ok(None);
        }
        Ok((trimmed(&line).len() <= self.record_bytes_max).then_some(line))
    }

    fn beginning_of_line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        let limit = self.line_bytes_max();
        self.input.by_ref().take(limit as u64).read_until(b'\n', &mut line)?;
        Ok(line)
    }

    fn line_bytes_max(&self) -> usize {
        self.record_bytes_max.saturating_add(b"\r\n".len())
    }

    fn element(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut element = Structure::element();
        match self.gather(&mut element)? {
            Gathered::Whole(body) | Gathered::Unended(body) => Ok(Some(body)),
            Gathered::TooLarge(_) => self.skip(&mut element),
        }
    }

    /// The first line of a text, or the whole document that begins with it.
    fn text(&mut self, place: Place) -> io::Result<Option<Vec<u8>>> {
        let Some(line) = self.line()? else {
            self.state = State::InLines;
            return Ok(None);
        };
        if !ends_too_early(&line) {
            self.state = State::InLines;
            return Ok(Some(line));
        }
        self.input.put_back(line, place);
        self.document(place)
    }

    fn document(&mut self, place: Place) -> io::Result<Option<Vec<u8>>> {
        let mut document = Structure::document();
        let text = match self.gather(&mut document)? {
            Gathered::Whole(body) if is_json(&body) => return Ok(Some(body)),
            Gathered::Whole(body) | Gathered::Unended(body) if !holds_lines(&body) => return Ok(Some(body)),
            Gathered::Whole(body) | Gathered::Unended(body) => body,
            Gathered::TooLarge(mut body) => {
                // The limit may have cut the very line that tells.
                let behind = self.input.place();
                let rest = self.beginning_of_line()?;
                body.extend_from_slice(&rest);
                if !holds_lines(&body) {
                    self.input.put_back(rest, behind);
                    return self.skip(&mut document);
                }
                body
            }
        };
        self.state = State::InLines;
        self.input.put_back(text, place);
        self.line()
    }

    /// Reads a value until it ends or turns out to be too large.
    fn gather(&mut self, structure: &mut Structure) -> io::Result<Gathered> {
        let mut body = Vec::new();
        loop {
            let room = self.record_bytes_max - body.len();
            let chunk = self.input.chunk()?;
            if chunk.is_empty() {
                return Ok(Gathered::Unended(body));
            }
            let Some(next) = chunk.get(..room.min(chunk.len())).filter(|next| !next.is_empty()) else {
                return Ok(Gathered::TooLarge(body));
            };
            let (count, has_ended) = read_value(structure, next);
            body.extend(next.iter().take(count));
            self.input.consume(count);
            if has_ended {
                return Ok(Gathered::Whole(body));
            }
        }
    }

    /// Reads the rest of a value that is too large.
    fn skip(&mut self, structure: &mut Structure) -> io::Result<Option<Vec<u8>>> {
        loop {
            let chunk = self.input.chunk()?;
            let (count, has_ended) = read_value(structure, chunk);
            let is_end = chunk.is_empty();
            self.input.consume(count);
            if has_ended || is_end {
                return Ok(None);
            }
        }
    }
}

impl<R: BufRead> Iterator for Records<R> {
    type Item = io::Result<Found>;

    fn next(&mut self) -> Option<io::Result<Found>> {
        if self.state == State::Ended {
            return None;
        }
        let found = self.find().transpose();
        if !matches!(found, Some(Ok(_))) {
            self.state = State::Ended;
        }
        found
    }
}

/// How many of the bytes belong to the value, and whether it ends there.
fn read_value(structure: &mut Structure, bytes: &[u8]) -> (usize, bool) {
    for (at, byte) in bytes.iter().enumerate() {
        match structure.read(*byte) {
            Part::Within => {}
            Part::Last => return (at + 1, true),
            Part::Behind => return (at, true),
        }
    }
    (bytes.len(), false)
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

fn ends_too_early(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_err_and(|error| error.is_eof())
}

/// Whether a line after the first is an object by itself, one that says something and is not indented: in a document
/// over many lines there is none.
fn holds_lines(text: &[u8]) -> bool {
    let is_record = |line: &[u8]| {
        let has_member = line.strip_prefix(b"{").is_some_and(|inner| !trimmed(inner).starts_with(b"}"));
        has_member && is_json(line)
    };
    text.split(|byte| *byte == b'\n').skip(1).any(is_record)
}
