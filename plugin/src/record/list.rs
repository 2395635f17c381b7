//! Lists: participants, texts, pressed keys. An element of the wrong kind is left out and noted.

use super::field::{Field, Structure, Value};
use super::{Key, Participant};
use crate::json::{Malformed, Reader, Token};
use crate::scalar::{Scalar, is_blank};

type Read<T> = Result<T, Malformed>;

/// The participants, as far as the limit goes.
#[derive(Debug, Default)]
pub(crate) struct Participants<'a> {
    /// Each with its index in the array, where elements that are no objects count too.
    pub(crate) list: Vec<(usize, Participant<'a>)>,
    /// Objects in the array, those beyond the limit included.
    pub(crate) object_count: usize,
    pub(crate) is_truncated: bool,
    pub(crate) has_wrong_element: bool,
}

/// A list of text.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a> {
    pub(crate) list: Vec<&'a str>,
    pub(crate) has_wrong_element: bool,
}

/// A list of keys, each a text or an object.
#[derive(Debug, Default)]
pub(crate) struct Keys<'a> {
    pub(crate) list: Vec<Key<'a>>,
    pub(crate) has_wrong_element: bool,
}

impl<'a> Structure<'a> for Participants<'a> {
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>> {
        let mut participants = Participants::default();
        match opening {
            Token::Object => {
                participants.push(0, opening, reader)?;
                Ok(Some(participants))
            }
            Token::Array => {
                let (mut first, mut index) = (true, 0);
                while reader.element(&mut first)? {
                    let token = reader.token()?;
                    participants.push(index, token, reader)?;
                    index += 1;
                }
                Ok(Some(participants))
            }
            _ => Ok(None),
        }
    }
}

impl<'a> Participants<'a> {
    fn push(&mut self, index: usize, token: Token<'a>, reader: &mut Reader<'a>) -> Read<()> {
        self.object_count += usize::from(token == Token::Object);
        if index >= reader.limits().participants_max {
            self.is_truncated = true;
            return reader.skip_rest(token);
        }
        match Participant::read(token, reader)? {
            Some(participant) => self.list.push((index, participant)),
            None => self.has_wrong_element = true,
        }
        Ok(())
    }
}

impl<'a> Structure<'a> for Texts<'a> {
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>> {
        if opening != Token::Array {
            reader.skip_rest(opening)?;
            return Ok(None);
        }
        let mut texts = Texts::default();
        let mut first = true;
        while reader.element(&mut first)? {
            match Scalar::read(reader)? {
                Scalar::Text(text) if !is_blank(text) => texts.list.push(text),
                Scalar::Number(spelling) => texts.list.push(spelling),
                Scalar::Boolean(truth) => texts.list.push(if truth { "true" } else { "false" }),
                Scalar::Text(_) | Scalar::Absent => {}
                Scalar::Structure => texts.has_wrong_element = true,
            }
        }
        Ok(Some(texts))
    }
}

impl<'a> Structure<'a> for Keys<'a> {
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>> {
        if opening != Token::Array {
            reader.skip_rest(opening)?;
            return Ok(None);
        }
        let mut keys = Keys::default();
        let mut first = true;
        while reader.element(&mut first)? {
            match reader.token()? {
                Token::Object => keys.list.extend(Key::read(Token::Object, reader)?),
                token @ (Token::Array | Token::Boolean(_)) => {
                    reader.skip_rest(token)?;
                    keys.has_wrong_element = true;
                }
                token => keys.list.push(Key { key: Field::exact(Scalar::of(token, reader)?), ..Key::default() }),
            }
        }
        Ok(Some(keys))
    }
}
