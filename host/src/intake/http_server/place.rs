//! Where in a body a record is wrong, told from where it is wrong in the record.

use crate::intake::split::Found;
use crate::record::Position;

/// A place in the record, in characters, as a place in the body, in bytes. A column beyond the end of its line is where
/// the line ends.
pub(super) fn in_body(found: &Found, Position { line, column }: Position) -> Position {
    let lines_before = line.saturating_sub(1);
    let record = found.body.as_deref().unwrap_or_default();
    let nth = usize::try_from(lines_before).unwrap_or(usize::MAX);
    let text = record.split(|byte| *byte == b'\n').nth(nth).unwrap_or_default();
    let start = if lines_before == 0 { found.column } else { 1 };
    Position { line: found.line.saturating_add(lines_before), column: start + bytes_before(text, column) }
}

/// The bytes of a line that stand before this character; what is no character counts as one.
fn bytes_before(line: &[u8], column: u64) -> u64 {
    let characters = line.utf8_chunks().flat_map(|chunk| {
        let broken = Some(chunk.invalid().len()).filter(|bytes| *bytes > 0);
        chunk.valid().chars().map(char::len_utf8).chain(broken)
    });
    let before = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    characters.take(before).map(|bytes| bytes as u64).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_place_in_a_record_becomes_one_in_the_body() {
        let body = Bytes::from_static("{\"\u{e9}\u{20ac}\":1}\n\u{e9}x".as_bytes());
        let found = Found { index: 0, line: 3, column: 5, body: Some(body) };
        let place = |line, column| {
            let Position { line, column } = in_body(&found, Position { line, column });
            (line, column)
        };
        assert_eq!(place(1, 1), (3, 5));
        assert_eq!(place(1, 5), (3, 12), "behind two characters of two and three bytes");
        assert_eq!(place(2, 2), (4, 3));
        assert_eq!(place(2, 3), (4, 4), "the end");
        assert_eq!(place(2, 99), (4, 4), "beyond the end");
        assert_eq!(place(u64::MAX, u64::MAX), (u64::MAX, 1));
        assert_eq!(bytes_before(b"a\xff\xffb", 4), 3);
    }
}
