//! A pull reader for JSON (RFC 8259): one pass, nothing copied but text that holds escapes.
//!
//! Why not a general library: the mapping needs the spelling of numbers byte for byte, numbers that fit no machine
//! type, lone surrogates as U+FFFD, every repetition of a name, a limit of depth that also holds inside what is
//! skipped, and the position of an error. A property test holds this reader against `serde_json`: both accept the same
//! texts.

mod string;
#[cfg(test)]
mod tests;

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

    fn skip_blank(&mut self) {
        let is_blank = |byte: Option<u8>| matches!(byte, Some(b' ' | b'\n' | b'\r' | b'\t'));
        // Most often there is one or none, which needs no loop: in a guest each turn of one looks at the clock.
        if is_blank(self.peek()) {
            self.at += 1;
            while is_blank(self.peek()) {
                self.at += 1;
            }
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
