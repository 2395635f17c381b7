//! A pull reader for JSON (RFC 8259): one pass, nothing copied but text that holds escapes.
//!
//! Why not a general library: the mapping needs the spelling of numbers byte for byte, numbers that fit no machine
//! type, lone surrogates as U+FFFD, every repetition of a name, a limit of depth that also holds inside what is
//! skipped, and the position of an error. A property test holds this reader against `serde_json`: both accept the same
//! texts.

use crate::options::Limits;
use bumpalo::Bump;

/// Where and why a text is not the JSON that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Byte offset into the text.
    pub(crate) at: usize,
    pub(crate) problem: Problem,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// What would have been right.
    Expected(&'static str),
    /// Arrays and objects inside each other, more than are allowed.
    TooDeep,
}

/// The next piece of a text. After `Array` or `Object` the caller goes on with [`Reader::element`] or
/// [`Reader::member`] until they say that it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    Null,
    Boolean(bool),
    /// As spelled.
    Number(&'a str),
    /// Without quotation marks, escapes resolved.
    Text(&'a str),
    Array,
    Object,
}

/// Reads one text. Decoded strings live in the arena, all others in the text itself.
pub(crate) struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// How many more arrays and objects may be opened here.
    depth_left: usize,
    limits: &'a Limits,
    arena: &'a Bump,
}

type Read<T> = Result<T, Malformed>;

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, limits: &'a Limits, arena: &'a Bump) -> Self {
        Reader { text, at: 0, depth_left: limits.depth_max, limits, arena }
    }

    /// A reader of the JSON that a JSON string holds.
    pub(crate) fn nested(&self, text: &'a str) -> Self {
        Reader::new(text, self.limits, self.arena)
    }

    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// The next value, or the opening of it.
    pub(crate) fn token(&mut self) -> Read<Token<'a>> {
        self.skip_blank();
        match self.peek() {
            Some(b'"') => Ok(Token::Text(self.string()?)),
            Some(b'{') => self.open(Token::Object),
            Some(b'[') => self.open(Token::Array),
            Some(b'-' | b'0'..=b'9') => Ok(Token::Number(self.number()?)),
            Some(b't') => self.literal("true", Token::Boolean(true)),
            Some(b'f') => self.literal("false", Token::Boolean(false)),
            Some(b'n') => self.literal("null", Token::Null),
            _ => self.expected("a value"),
        }
    }

    /// Moves to the next element of the array that is open; false once it has ended. `first` is true before the first
    /// element.
    pub(crate) fn element(&mut self, first: &mut bool) -> Read<bool> {
        self.skip_blank();
        match self.peek() {
            Some(b']') => {
                self.close();
                Ok(false)
            }
            Some(_) if std::mem::take(first) => Ok(true),
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            _ if *first => self.expected("a value or `]`"),
            _ => self.expected("`,` or `]`"),
        }
    }

    /// Moves to the next member of the object that is open and gives its name; none once it has ended.
    pub(crate) fn member(&mut self, first: &mut bool) -> Read<Option<&'a str>> {
        self.skip_blank();
        match self.peek() {
            Some(b'}') => {
                self.close();
                return Ok(None);
            }
            Some(_) if std::mem::take(first) => {}
            Some(b',') => {
                self.at += 1;
                self.skip_blank();
            }
            _ if *first => return self.expected("a name in quotation marks or `}`"),
            _ => return self.expected("`,` or `}`"),
        }
        if self.peek() != Some(b'"') {
            return self.expected("a name in quotation marks");
        }
        let name = self.string()?;
        self.skip_blank();
        if self.peek() != Some(b':') {
            return self.expected("`:`");
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Reads over the next value.
    pub(crate) fn skip(&mut self) -> Read<()> {
        let opening = self.token()?;
        self.skip_rest(opening)
    }

    /// Reads over what is left of a value whose opening has been taken.
    pub(crate) fn skip_rest(&mut self, opening: Token<'a>) -> Read<()> {
        let mut first = true;
        match opening {
            Token::Array => {
                while self.element(&mut first)? {
                    self.skip()?;
                }
            }
            Token::Object => {
                while self.member(&mut first)?.is_some() {
                    self.skip()?;
                }
            }
            Token::Null | Token::Boolean(_) | Token::Number(_) | Token::Text(_) => {}
        }
        Ok(())
    }

    /// Holds that nothing but white space follows.
    pub(crate) fn finish(&mut self) -> Read<()> {
        self.skip_blank();
        if self.at < self.text.len() { self.expected("the end of the record") } else { Ok(()) }
    }

    fn open(&mut self, token: Token<'a>) -> Read<Token<'a>> {
        match self.depth_left.checked_sub(1) {
            Some(left) => self.depth_left = left,
            None => return Err(Malformed { at: self.at, problem: Problem::TooDeep }),
        }
        self.at += 1;
        Ok(token)
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth_left += 1;
    }

    fn literal(&mut self, spelling: &'static str, token: Token<'a>) -> Read<Token<'a>> {
        for byte in spelling.bytes() {
            if self.peek() != Some(byte) {
                return self.expected(match spelling {
                    "true" => "`true`",
                    "false" => "`false`",
                    _ => "`null`",
                });
            }
            self.at += 1;
        }
        Ok(token)
    }

    fn number(&mut self) -> Read<&'a str> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.slice(start, self.at))
    }

    /// One digit or more.
    fn digits(&mut self) -> Read<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.expected("a digit");
        }
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        Ok(())
    }

    /// A string, from its opening quotation mark on.
    fn string(&mut self) -> Read<&'a str> {
        let start = self.at + 1;
        self.at = self.plain_until(start);
        if self.peek() == Some(b'"') {
            self.at += 1;
            return Ok(self.slice(start, self.at - 1));
        }
        self.escaped_string(start)
    }

    /// A string whose text up to here is plain and goes on with something that is not.
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
    /// the end of the text. Eight bytes at a time.
    fn plain_until(&self, start: usize) -> usize {
        const ONES: u64 = 0x0101_0101_0101_0101;
        const TOPS: u64 = 0x8080_8080_8080_8080;
        let zero_bytes = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
        let rest = self.text.as_bytes().get(start..).unwrap_or_default();
        let (words, tail) = rest.as_chunks::<8>();
        let mut at = start;
        for word in words {
            let word = u64::from_le_bytes(*word);
            let control = word.wrapping_sub(ONES * 0x20) & !word & TOPS;
            // A borrow can only mark bytes above a true hit, so the lowest mark is always true.
            let marks = control | zero_bytes(word ^ (ONES * 0x22)) | zero_bytes(word ^ (ONES * 0x5C));
            if marks != 0 {
                return at + (marks.trailing_zeros() / 8) as usize;
            }
            at += 8;
        }
        at + tail.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1F)).unwrap_or(tail.len())
    }

    fn skip_blank(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Both offsets stand beside ASCII bytes or at an end, so they are boundaries of characters.
    fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    fn expected<T>(&self, what: &'static str) -> Read<T> {
        Err(Malformed { at: self.at, problem: Problem::Expected(what) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn accepts(text: &str) -> bool {
        let (arena, limits) = (Bump::new(), Limits::default());
        let mut reader = Reader::new(text, &limits, &arena);
        reader.skip().and_then(|()| reader.finish()).is_ok()
    }

    fn string(text: &str) -> String {
        let (arena, limits) = (Bump::new(), Limits::default());
        match Reader::new(text, &limits, &arena).token() {
            Ok(Token::Text(text)) => text.to_owned(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn escapes_are_resolved() {
        assert_eq!(string(r#""a\n\u00e9\ud83d\ude00\/\"""#), "a\né😀/\"");
    }

    #[test]
    fn a_lone_surrogate_becomes_the_replacement_character() {
        assert_eq!(string(r#""\ud800""#), "\u{fffd}");
        assert_eq!(string(r#""\ud800x\udc00""#), "\u{fffd}x\u{fffd}");
        assert_eq!(string(r#""\ud800\ud83d\ude00""#), "\u{fffd}😀");
        assert_eq!(string(r#""\ud800\u0041""#), "\u{fffd}A");
    }

    #[test]
    fn depth_is_limited_inside_what_is_skipped() {
        let (arena, limits) = (Bump::new(), Limits::default());
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert_eq!(Reader::new(&nested(64), &limits, &arena).skip(), Ok(()));
        assert_eq!(
            Reader::new(&nested(65), &limits, &arena).skip(),
            Err(Malformed { at: 64, problem: Problem::TooDeep })
        );
    }

    #[test]
    fn a_number_keeps_its_spelling() {
        let (arena, limits) = (Bump::new(), Limits::default());
        for spelling in ["-0", "1.50", "1e400", "18446744073709551616", "0.0E-7"] {
            assert_eq!(Reader::new(spelling, &limits, &arena).token(), Ok(Token::Number(spelling)));
        }
    }

    /// Texts that are nearly JSON.
    fn nearly_json() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"\\u00e9\"",
            "\"\\x\"",
            "\"",
            "\\",
            "1",
            "-",
            "0",
            ".5",
            "e3",
            "true",
            "fals",
            "null",
            " ",
            "\n",
            "\u{1}",
            "é",
        ]);
        prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn it_accepts_what_serde_json_accepts(text in nearly_json()) {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(accepts(&text), theirs, "{}", text);
        }

        #[test]
        fn it_reads_back_what_serde_json_writes(text in any::<String>()) {
            let written = serde_json::to_string(&text).expect("a string can be written");
            prop_assert_eq!(string(&written), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in any::<String>()) {
            accepts(&text);
        }
    }
}
