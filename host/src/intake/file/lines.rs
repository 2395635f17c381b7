//! Finds the complete lines of a file, from a position on.
//!
//! Nothing is kept between two readings but the position: the beginning of a line that is not complete yet is read
//! again. Of a line that is too long only its place is told, and what is read of it is forgotten at once.

use bytes::Bytes;
use std::fs;
use std::io;
use std::os::unix::fs::FileExt as _;

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
const CHUNK_BYTES: usize = 64 * 1024;

/// One line, with the place of its first byte and of the first byte behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Without its line break and the blanks around it.
    Record(Bytes),
    Blank,
    TooLong,
}

/// How much may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    pub(super) records: usize,
    /// A single line may take more.
    pub(super) bytes: usize,
}

impl Room {
    /// What there is in both.
    pub(super) fn min(self, other: Self) -> Self {
        Self { records: self.records.min(other.records), bytes: self.bytes.min(other.bytes) }
    }
}

/// How far a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    position: u64,
    /// Where the line began that is too long, if the position is within one.
    long_line: Option<u64>,
    is_at_end: bool,
}

impl Lines {
    pub(super) fn from(position: u64) -> Self {
        Self { position, ..Self::default() }
    }

    /// Behind the last line that was read, or within a line that is too long.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether there was no further complete line when the file was last read.
    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// The next lines, as many as there is room for.
    pub(super) fn read(&mut self, file: &fs::File, room: Room, line_bytes_max: usize) -> io::Result<Vec<Line>> {
        let (mut lines, mut records, mut bytes) = (Vec::new(), 0, 0);
        // What was read behind the position: of it, how much became lines, and how much behind those holds no line break.
        let (mut ahead, mut taken, mut searched) = (Vec::new(), 0, 0);
        self.is_at_end = false;
        while records < room.records && bytes < room.bytes {
            let rest: &[u8] = ahead.get(taken..).unwrap_or_default();
            let line_break = rest.iter().skip(searched).position(|byte| *byte == b'\n').map(|at| searched + at);
            if let Some(found) = line_break.and_then(|at| rest.get(..=at)) {
                let line = self.line(found, line_bytes_max);
                if let Content::Record(body) = &line.content {
                    (records, bytes) = (records + 1, bytes + body.len());
                }
                lines.push(line);
                (taken, searched) = (taken + found.len(), 0);
                continue;
            }
            ahead.drain(..taken);
            taken = 0;
            searched = ahead.len();
            // One byte more for the carriage return, three for the byte order mark.
            if ahead.len() > line_bytes_max.saturating_add(1 + BYTE_ORDER_MARK.len()) || self.long_line.is_some() {
                self.long_line.get_or_insert(self.position);
                self.position += ahead.len() as u64;
                (ahead, searched) = (Vec::new(), 0);
            }
            if !self.read_ahead(file, &mut ahead)? {
                self.is_at_end = true;
                break;
            }
        }
        Ok(lines)
    }

    /// What is behind the last line break, taken as a line, if nothing will follow it.
    ///
    /// To be called at the end of the file.
    pub(super) fn rest(&mut self, file: &fs::File, line_bytes_max: usize) -> io::Result<Option<Line>> {
        let mut rest = Vec::new();
        loop {
            let length = rest.len();
            if !self.read_ahead(file, &mut rest)? {
                break;
            }
            // It was appended to since, and is to be read as ever.
            if rest.get(length..).is_some_and(|chunk| chunk.contains(&b'\n')) {
                self.is_at_end = false;
                return Ok(None);
            }
            if rest.len() > line_bytes_max.saturating_add(1 + BYTE_ORDER_MARK.len()) || self.long_line.is_some() {
                self.long_line.get_or_insert(self.position);
                self.position += rest.len() as u64;
                rest.clear();
            }
        }
        let is_there = !rest.is_empty() || self.long_line.is_some();
        Ok(is_there.then(|| self.line(&rest, line_bytes_max)))
    }

    /// Whether the position is within a line that is not complete yet.
    pub(super) fn has_rest(&self, length: u64) -> bool {
        length > self.position || self.long_line.is_some()
    }

    fn read_ahead(&self, file: &fs::File, ahead: &mut Vec<u8>) -> io::Result<bool> {
        let length = ahead.len();
        ahead.resize(length + CHUNK_BYTES, 0);
        let chunk = ahead.get_mut(length..).unwrap_or_default();
        let read = file.read_at(chunk, self.position + length as u64);
        ahead.truncate(length + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(count) => Ok(count > 0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The line at the position, whose bytes these are, or the last of these if it is too long.
    fn line(&mut self, bytes: &[u8], line_bytes_max: usize) -> Line {
        let start = self.long_line.unwrap_or(self.position);
        let body = if start == 0 { bytes.strip_prefix(&BYTE_ORDER_MARK).unwrap_or(bytes) } else { bytes };
        let body = body.trim_ascii();
        let content = match body.len() {
            _ if self.long_line.take().is_some() => Content::TooLong,
            0 => Content::Blank,
            length if length > line_bytes_max => Content::TooLong,
            _ => Content::Record(Bytes::copy_from_slice(body)),
        };
        self.position += bytes.len() as u64;
        Line { start, end: self.position, content }
    }
}
