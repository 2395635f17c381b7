//! Where a JSON value ends, told by its brackets and strings alone, so that it can be told of broken JSON too.
//!
//! What is broken should cost as little as possible: a string ends with its line, since no line break may stand in one;
//! a closing bracket closes what was forgotten to be closed within; and one that has nothing to close is passed over.

/// Deeper brackets are counted, but which they are is not remembered: memory stays flat, and no mapping takes a record
/// as deep as that.
const REMEMBERED_DEPTH_MAX: usize = 1024;

/// What a byte means for the value that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The byte belongs to the value, and the value goes on.
    Within,
    /// The byte is the last of the value.
    Last,
    /// The value has ended before this byte.
    Behind,
}

/// One value being read, byte by byte.
#[derive(Debug, Default)]
pub(super) struct Structure {
    /// Whether the value is an element of an array, which ends it with a comma or its own bracket.
    is_element: bool,
    /// The brackets that will close what is open.
    closers: Vec<u8>,
    /// What is open beyond the remembered depth.
    deeper: u64,
    string: InString,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum InString {
    #[default]
    No,
    Yes,
    AfterBackslash,
}

impl Structure {
    pub(super) fn document() -> Self {
        Self::default()
    }

    pub(super) fn element() -> Self {
        Self { is_element: true, ..Self::default() }
    }

    pub(super) fn read(&mut self, byte: u8) -> Part {
        match (self.string, byte) {
            (InString::AfterBackslash, _) if byte != b'\n' => self.string = InString::Yes,
            (InString::Yes, b'\\') => self.string = InString::AfterBackslash,
            (InString::Yes | InString::AfterBackslash, b'"' | b'\n') => self.string = InString::No,
            (InString::Yes | InString::AfterBackslash, _) => {}
            (InString::No, b'"') => self.string = InString::Yes,
            (InString::No, b'{') => self.open(b'}'),
            (InString::No, b'[') => self.open(b']'),
            (InString::No, b'}' | b']') => return self.close(byte),
            (InString::No, b',') if self.is_element && self.depth_is_zero() => return Part::Behind,
            (InString::No, _) => {}
        }
        Part::Within
    }

    fn depth_is_zero(&self) -> bool {
        self.closers.is_empty()
    }

    fn open(&mut self, closer: u8) {
        if self.closers.len() < REMEMBERED_DEPTH_MAX {
            self.closers.push(closer);
        } else {
            self.deeper += 1;
        }
    }

    fn close(&mut self, closer: u8) -> Part {
        if self.deeper > 0 {
            self.deeper -= 1;
            return Part::Within;
        }
        match self.closers.iter().rposition(|open| *open == closer) {
            Some(depth) => {
                self.closers.truncate(depth);
                if depth == 0 { Part::Last } else { Part::Within }
            }
            None if self.is_element && closer == b']' => Part::Behind,
            None => Part::Within,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The value that the text begins with.
    fn value(mut structure: Structure, text: &str) -> Option<&str> {
        for (at, byte) in text.bytes().enumerate() {
            match structure.read(byte) {
                Part::Within => {}
                Part::Last => return text.get(..=at),
                Part::Behind => return text.get(..at),
            }
        }
        None
    }

    #[test]
    fn a_document_ends_with_the_bracket_that_closes_it() {
        assert_eq!(value(Structure::document(), r#"{"a":[{}]} {}"#), Some(r#"{"a":[{}]}"#));
        assert_eq!(value(Structure::document(), r#"{"}\"}":"[\\"}]"#), Some(r#"{"}\"}":"[\\"}"#));
        assert_eq!(value(Structure::document(), r#"{"a":1"#), None);
        assert_eq!(value(Structure::document(), "1,2"), None);
    }

    #[test]
    fn an_element_ends_with_its_bracket_or_before_a_comma_or_the_array_does() {
        assert_eq!(value(Structure::element(), r#"{"a":[1,2]},{}"#), Some(r#"{"a":[1,2]}"#));
        assert_eq!(value(Structure::element(), r#""a,]",2"#), Some(r#""a,]""#));
        assert_eq!(value(Structure::element(), "12]"), Some("12"));
    }

    #[test]
    fn what_is_broken_costs_little() {
        assert_eq!(value(Structure::element(), r#"{"a":[1},{}]"#), Some(r#"{"a":[1}"#));
        assert_eq!(value(Structure::element(), r#"{"a":{"b":1},{}]"#), Some(r#"{"a":{"b":1},{}"#));
        assert_eq!(value(Structure::element(), "{\"a\":\"x}\n},{}]"), Some("{\"a\":\"x}\n}"));
        assert_eq!(value(Structure::document(), r#"{"a":1]}"#), Some(r#"{"a":1]}"#));
    }

    #[test]
    fn depth_beyond_what_is_remembered_is_counted() {
        for depth in [REMEMBERED_DEPTH_MAX, REMEMBERED_DEPTH_MAX + 1, 100_000] {
            let text = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
            assert_eq!(value(Structure::document(), &format!("{text}]")), Some(text.as_str()));
        }
    }
}
