//! Bytes that can be put back, with the place they are at.

use flate2::bufread::MultiGzDecoder;
use std::io::{self, BufRead, BufReader, Cursor, Read};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
pub(super) const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];
/// What JSON takes for blank.
const BLANK: [u8; 4] = *b" \t\r\n";

/// Reads what is plain as it is, and what is compressed with gzip as what it was before, told by its first bytes.
///
/// # Errors
/// When the first bytes cannot be read.
pub fn open<'a>(mut source: impl Read + 'a) -> io::Result<Box<dyn BufRead + 'a>> {
    let mut head = Vec::with_capacity(GZIP_MAGIC.len());
    source.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut head)?;
    let is_compressed = head == GZIP_MAGIC;
    let whole = BufReader::new(Cursor::new(head).chain(source));
    Ok(if is_compressed { Box::new(BufReader::new(MultiGzDecoder::new(whole))) } else { Box::new(whole) })
}

pub(super) struct Input<R> {
    /// What was put back; it comes first.
    again: Cursor<Vec<u8>>,
    source: R,
    /// Of the next byte.
    place: Place,
}

/// A place in the stream, both counted from 1; a column is a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Place {
    const BEGINNING: Self = Self { line: 1, column: 1 };

    /// Of what comes behind these bytes.
    pub(super) fn behind(bytes: &[u8]) -> Self {
        let mut place = Self::BEGINNING;
        place.pass(bytes);
        place
    }

    fn pass(&mut self, bytes: &[u8]) {
        if let Some(last) = bytes.iter().rposition(|byte| *byte == b'\n') {
            self.line += line_breaks(bytes);
            self.column = (bytes.len() - last) as u64;
        } else {
            self.column += bytes.len() as u64;
        }
    }
}

impl<R: BufRead> Input<R> {
    pub(super) fn new(source: R) -> Self {
        Self { again: Cursor::default(), source, place: Place::BEGINNING }
    }

    /// Of the next byte.
    pub(super) fn place(&self) -> Place {
        self.place
    }

    /// The next byte, which stays the next.
    pub(super) fn peek(&mut self) -> io::Result<Option<u8>> {
        Ok(self.chunk()?.first().copied())
    }

    /// The bytes at hand; none at the end.
    pub(super) fn chunk(&mut self) -> io::Result<&[u8]> {
        // A borrow that is returned out of a loop would last through it, so the loop only waits.
        while let Err(error) = self.fill_buf() {
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
        self.fill_buf()
    }

    /// The bytes come again before all others. They must be the last that were taken, and this the place of the first.
    pub(super) fn put_back(&mut self, mut bytes: Vec<u8>, place: Place) {
        self.place = place;
        let at = usize::try_from(self.again.position()).unwrap_or(usize::MAX);
        bytes.extend_from_slice(self.again.get_ref().get(at..).unwrap_or_default());
        self.again = Cursor::new(bytes);
    }

    pub(super) fn skip_byte_order_mark(&mut self) -> io::Result<()> {
        let place = self.place;
        let mut seen = Vec::new();
        for expected in BYTE_ORDER_MARK {
            if self.peek()? != Some(expected) {
                self.put_back(seen, place);
                break;
            }
            self.consume(1);
            seen.push(expected);
        }
        Ok(())
    }

    pub(super) fn skip_blank(&mut self) -> io::Result<()> {
        loop {
            let chunk = self.chunk()?;
            let blank = chunk.iter().take_while(|byte| BLANK.contains(byte)).count();
            let is_all = blank == chunk.len();
            let is_end = chunk.is_empty();
            self.consume(blank);
            if !is_all || is_end {
                return Ok(());
            }
        }
    }
}

impl<R: BufRead> Read for Input<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Input<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.again.fill_buf()?.is_empty() { self.source.fill_buf() } else { self.again.fill_buf() }
    }

    /// The caller has seen these bytes, so asking for them once more is not a read.
    fn consume(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        let mut place = self.place;
        if let Some(passed) = self.fill_buf().ok().and_then(|chunk| chunk.get(..count)) {
            place.pass(passed);
        }
        self.place = place;
        if self.again.fill_buf().is_ok_and(|again| !again.is_empty()) {
            self.again.consume(count);
        } else {
            self.source.consume(count);
        }
    }
}

fn line_breaks(bytes: &[u8]) -> u64 {
    bytes.iter().map(|byte| u64::from(*byte == b'\n')).sum()
}

pub(super) fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| BLANK.contains(byte);
    let start = bytes.iter().take_while(|byte| is_blank(byte)).count();
    let end = bytes.iter().rposition(|byte| !is_blank(byte)).map_or(start, |last| last + 1);
    bytes.get(start..end).unwrap_or_default()
}
