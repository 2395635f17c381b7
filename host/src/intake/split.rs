//! Finds the records in a stream of bytes: an array of records, one record on each line (NDJSON), or JSON documents
//! over many lines. Which of them it is, is told by the content.
//!
//! - A text that begins with `[` is an array, and each of its elements a record, whatever it is: the mapping refuses
//!   what is no object. An array that lacks a comma or its end, or has a comma too many, may lack records too: where the
//!   first such fault is, there is one more record, which is no JSON, and the records around it are found all the same.
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

mod concatenated;
mod input;
mod structure;
mod whole;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use input::{Input, Place, trimmed};
use serde::de::IgnoredAny;
use std::io::{self, BufRead, Read};
use std::ops::Range;
use structure::{Part, Structure};

pub use concatenated::concatenated;
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
    /// The record without the blanks around it, or `None` if it is larger than the limit. Of a fault between the
    /// elements of an array it is the byte that should not stand there, or empty where something is missing.
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
    InArray(Array),
    InLines,
    Ended,
}

/// Where in an array the reading is, between its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Array {
    behind: Behind,
    /// Whether a fault was found. One is enough to refuse the array, so an array of nothing but commas is one record.
    is_faulty: bool,
}

/// What comes before the next byte that is not blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    Bracket,
    Element,
    Comma,
}

/// What the next byte means for an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Element,
    Comma,
    End,
    /// The stream ends before the array does.
    Cut,
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
            self.input.skip_blank()?;
            let place = self.input.place();
            let body = match (self.state, self.input.peek()?) {
                (State::InArray(array), next) => match self.in_array(array, next)? {
                    None => continue,
                    Some(body) => body,
                },
                (_, None) => return Ok(None),
                (State::Start, _) => {
                    self.input.skip_byte_order_mark()?;
                    self.state = State::BetweenTexts;
                    continue;
                }
                (State::BetweenTexts, Some(b'[')) => {
                    self.input.consume(1);
                    self.state = State::InArray(Array { behind: Behind::Bracket, is_faulty: false });
                    continue;
                }
                (State::BetweenTexts, Some(_)) => self.text(place)?,
                (State::InLines | State::Ended, Some(_)) => self.line()?,
            };
            let index = self.index;
            self.index += 1;
            let body = body.map(|body| Bytes::copy_from_slice(trimmed(&body)));
            return Ok(Some(Found { index, line: place.line, column: place.column, body }));
        }
    }

    /// Goes one step on in an array; `None` if nothing was found on it.
    fn in_array(&mut self, array: Array, next: Option<u8>) -> io::Result<Option<Option<Vec<u8>>>> {
        let step = Step::at(next);
        if array.is_faulty || step.may_follow(array.behind) {
            return self.step(array, step);
        }
        let wrong = match step {
            Step::Element | Step::Cut => Vec::new(),
            Step::Comma | Step::End => Vec::from_iter(next),
        };
        // An element is still to be read behind the comma that it lacks.
        if step == Step::Element {
            self.state = State::InArray(Array { behind: Behind::Comma, is_faulty: true });
        } else {
            self.step(Array { is_faulty: true, ..array }, step)?;
        }
        Ok(Some((wrong.len() <= self.record_bytes_max).then_some(wrong)))
    }

    fn step(&mut self, array: Array, step: Step) -> io::Result<Option<Option<Vec<u8>>>> {
        match step {
            Step::Element => return self.element(array).map(Some),
            Step::Comma => {
                self.input.consume(1);
                self.state = State::InArray(Array { behind: Behind::Comma, ..array });
            }
            Step::End => {
                self.input.consume(1);
                self.state = State::BetweenTexts;
            }
            Step::Cut => self.state = State::BetweenTexts,
        }
        Ok(None)
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

    fn element(&mut self, array: Array) -> io::Result<Option<Vec<u8>>> {
        self.state = State::InArray(Array { behind: Behind::Element, ..array });
        let mut element = Structure::element();
        match self.gather(&mut element)? {
            Gathered::Whole(body) => Ok(Some(body)),
            Gathered::Unended(body) => {
                if !is_json(&body) {
                    // That the array is cut is told by the element that is.
                    self.state = State::BetweenTexts;
                }
                Ok(Some(body))
            }
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

impl Step {
    fn at(next: Option<u8>) -> Self {
        match next {
            Some(b',') => Self::Comma,
            Some(b']') => Self::End,
            Some(_) => Self::Element,
            None => Self::Cut,
        }
    }

    fn may_follow(self, behind: Behind) -> bool {
        match self {
            Self::Element => behind != Behind::Element,
            Self::Comma => behind == Behind::Element,
            Self::End => behind != Behind::Comma,
            Self::Cut => false,
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

/// A part of a text, which shares its memory; but one that is small beside it gets its own, so that nothing that waits
/// takes far more memory than it counts for.
fn part_of(text: &Bytes, range: Range<usize>) -> Bytes {
    let part = text.slice(range);
    if part.len() < text.len() / 2 { Bytes::copy_from_slice(&part) } else { part }
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
