//! Fields: how a value is taken from JSON, whatever its shape, and which of several spellings counts.

use crate::anomalies::{Anomalies, Anomaly};
use crate::json::{Malformed, Reader, Token};
use crate::scalar::{Scalar, is_blank};

type Read<T> = Result<T, Malformed>;

/// Something that can be read from a value, whatever its shape.
pub(crate) trait Value<'a>: Sized + Default {
    fn read(reader: &mut Reader<'a>) -> Read<Self>;
}

/// Something that needs an array or an object.
pub(crate) trait Structure<'a>: Sized {
    /// Reads on after the opening. None, with the value read over, if it needs the other kind of opening.
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>>;
}

/// A field of an object: its value, and whether it came under the exact name.
#[derive(Debug, Default)]
pub(crate) struct Field<V> {
    value: V,
    is_exact: bool,
}

/// A field for a structure. An absent one may also be null or blank text; a present one may also be JSON inside a text.
#[derive(Debug, Default)]
pub(crate) enum Nested<T> {
    #[default]
    Absent,
    WrongShape,
    Present(T),
}

/// A field that is known and deliberately not looked at.
#[derive(Debug, Default)]
pub(crate) struct Ignored;

/// What was noticed about the fields of one object.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    unknown_count: u32,
    has_duplicate: bool,
    /// Known names in other than their exact spelling, as they came.
    inexact: Vec<&'a str>,
}

impl<'a, V: Value<'a>> Field<V> {
    /// Takes a value that came under the exact name.
    pub(super) fn set_exact(&mut self, reader: &mut Reader<'a>, names: &mut Names<'a>) -> Read<()> {
        names.has_duplicate |= self.is_exact;
        self.is_exact = true;
        self.value = V::read(reader)?;
        Ok(())
    }

    /// Takes a value that came under another spelling of the name.
    pub(super) fn set_inexact(&mut self, name: &'a str, reader: &mut Reader<'a>, names: &mut Names<'a>) -> Read<()> {
        let first_spelling = names.inexact.iter().find(|seen| seen.eq_ignore_ascii_case(name)).copied();
        if names.inexact.contains(&name) {
            names.has_duplicate = true;
        } else {
            names.inexact.push(name);
        }
        let value = V::read(reader)?;
        if !self.is_exact && first_spelling.is_none_or(|first| first == name) {
            self.value = value;
        }
        Ok(())
    }
}

impl<'a> Field<Scalar<'a>> {
    /// A field of this value, as if under its exact name.
    pub(super) fn exact(value: Scalar<'a>) -> Self {
        Field { value, is_exact: true }
    }

    /// The value, not yet interpreted.
    pub(crate) fn get(&self) -> Scalar<'a> {
        self.value
    }

    /// Whether the field came under its exact name.
    pub(crate) fn is_exact(&self) -> bool {
        self.is_exact
    }
}

impl<T> Field<Nested<T>> {
    /// The structure, if there is one; an anomaly if there is something else.
    pub(crate) fn present(&self, field: &'static str, anomalies: &mut Anomalies) -> Option<&T> {
        match &self.value {
            Nested::Absent => None,
            Nested::WrongShape => {
                anomalies.type_mismatch(field);
                None
            }
            Nested::Present(structure) => Some(structure),
        }
    }
}

impl Names<'_> {
    pub(super) fn count_unknown(&mut self) {
        self.unknown_count = self.unknown_count.saturating_add(1);
    }

    /// Adds what was noticed about this object's names to what is known of the record.
    pub(crate) fn report(&self, anomalies: &mut Anomalies) {
        anomalies.unknown_fields(self.unknown_count);
        if self.has_duplicate {
            anomalies.add(Anomaly::DuplicateKey);
        }
    }
}

impl<'a> Value<'a> for Ignored {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        reader.skip()?;
        Ok(Ignored)
    }
}

impl<'a> Value<'a> for Scalar<'a> {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let token = reader.token()?;
        Scalar::of(token, reader)
    }
}

impl<'a> Scalar<'a> {
    /// What is left to read after this token.
    pub(super) fn of(token: Token<'a>, reader: &mut Reader<'a>) -> Read<Self> {
        Ok(match token {
            Token::Null => Scalar::Absent,
            Token::Boolean(truth) => Scalar::Boolean(truth),
            Token::Number(spelling) => Scalar::Number(spelling),
            Token::Text(text) => Scalar::Text(text),
            Token::Array | Token::Object => {
                reader.skip_rest(token)?;
                Scalar::Structure
            }
        })
    }
}

impl<'a, T: Structure<'a>> Value<'a> for Nested<T> {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let present = |structure: Option<T>| structure.map_or(Nested::WrongShape, Nested::Present);
        Ok(match reader.token()? {
            Token::Null => Nested::Absent,
            Token::Text(text) if is_blank(text) => Nested::Absent,
            Token::Text(text) => present(from_json_text(text, reader)),
            Token::Boolean(_) | Token::Number(_) => Nested::WrongShape,
            opening @ (Token::Array | Token::Object) => present(T::read(opening, reader)?),
        })
    }
}

/// The structure that a text holds as JSON, if it does.
fn from_json_text<'a, T: Structure<'a>>(text: &'a str, reader: &Reader<'a>) -> Option<T> {
    let mut inner = reader.nested(text);
    let opening = inner.token().ok()?;
    let structure = T::read(opening, &mut inner).ok()??;
    inner.finish().ok()?;
    Some(structure)
}
