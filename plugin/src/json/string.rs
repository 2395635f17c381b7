//! Strings (RFC 8259, section 7): a slice of the text while they are plain, in the arena once they hold an escape.

use super::{Read, Reader};

impl<'a> Reader<'a> {
    /// A string, from its opening quotation mark on.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Read<&'a str> {
        let start = self.at + 1;
        self.at = self.plain_until(start);
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(self.slice(start, self.at - 1));
        }
        self.escaped_string(start)
    }

    /// A string whose text up to here is plain and goes on with something that is not.
    #[cold]
    #[inline(never)]
    fn escaped_string(&mut self, start: usize) -> Read<&'a str> {
        let mut decoded = bumpalo::collections::String::new_in(self.arena);
        let mut plain = start;
        loop {
            decoded.push_str(self.slice(plain, self.at));
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(decoded.into_bump_str());
                }
                Some(b'\\') => {
                    self.at += 1;
                    let character = self.escape()?;
                    decoded.push(character);
                }
                Some(_) => return self.expected("no raw control character inside a string"),
                None => return self.expected("the quotation mark that ends the string"),
            }
            plain = self.at;
            self.at = self.plain_until(plain);
        }
    }

    /// What stands after a backslash.
    fn escape(&mut self) -> Read<char> {
        let character = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode_escape();
            }
            _ => return self.expected("an escape sequence"),
        };
        self.at += 1;
        Ok(character)
    }

    /// Four hexadecimal digits, or two such escapes that are a surrogate pair. A surrogate without its other half is
    /// U+FFFD.
    fn unicode_escape(&mut self) -> Read<char> {
        let high = self.four_hex_digits()?;
        if let 0xD800..=0xDBFF = high {
            let after_high = self.at;
            if self.text.as_bytes().get(self.at..self.at + 2) == Some(b"\\u".as_slice()) {
                self.at += 2;
                let low = self.four_hex_digits()?;
                if let 0xDC00..=0xDFFF = low {
                    let scalar = 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00);
                    return Ok(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                self.at = after_high;
            }
        }
        Ok(char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER))
    }

    fn four_hex_digits(&mut self) -> Read<u32> {
        let mut number = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => number = number * 16 + digit,
                None => return self.expected("four hexadecimal digits"),
            }
            self.at += 1;
        }
        Ok(number)
    }

    /// The offset of the first byte from `start` on that is a quotation mark, a backslash or a control character, or
    /// the end of the text. Eight bytes at a time, four times in a turn of the loop: in a guest each turn looks at the clock.
    #[inline]
    fn plain_until(&self, start: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = 0x8080_8080_8080_8080;
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let (turns, tail) = rest.as_chunks::<32>();
        let mut at = start;
        for turn in turns {
            for word in turn.as_chunks::<8>().0 {
                let word = u64::from_le_bytes(*word);
                let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
                // A borrow can only mark bytes above a true hit, so the lowest mark is always true.
                let marks = control | zero_bytes(word ^ (ONES * 0x22)) | zero_bytes(word ^ (ONES * 0x5C));
                if marks != 0 {
                    return at + (marks.trailing_zeros() / 8) as usize;
                }
                at += 8;
            }
        }
        at + tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(tail.len())
    }
}
