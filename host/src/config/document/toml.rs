//! TOML, whose values are of one kind each: all but its strings are kept as plain scalars.

use super::{DEPTH_MAX, Entry, Malformed, Node, Place, Scalar, Value};
use toml::Spanned;
use toml::de::{DeInteger, DeString, DeTable, DeValue};

/// The table that a text is.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Malformed> {
    let lines = Lines::new(text);
    let table = DeTable::parse(text).map_err(|error| Malformed {
        place: error.span().map(|span| lines.place(span.start)),
        message: format!("this is no TOML: {}", error.message().lines().next().unwrap_or_default()),
    })?;
    let place = Place { line: 1, column: 1 };
    Ok(Some(Node { place, value: entries(table.into_inner(), &lines, 0)? }))
}

fn entries(table: DeTable<'_>, lines: &Lines<'_>, depth: usize) -> Result<Value, Malformed> {
    let mut entries = Vec::new();
    for (key, value) in table {
        let place = lines.place(key.span().start);
        entries.push(Entry { key: key.into_inner().into_owned(), place, node: node(value, lines, depth + 1)? });
    }
    entries.sort_by_key(|entry| entry.place);
    Ok(Value::Table(entries))
}

fn node(value: Spanned<DeValue<'_>>, lines: &Lines<'_>, depth: usize) -> Result<Node, Malformed> {
    let place = lines.place(value.span().start);
    if depth > DEPTH_MAX {
        let message = format!("more than {DEPTH_MAX} tables and lists within each other");
        return Err(Malformed { place: Some(place), message });
    }
    let value = match value.into_inner() {
        DeValue::String(text) => Value::Scalar(text_scalar(text)),
        DeValue::Integer(integer) => plain(decimal(&integer)),
        DeValue::Float(float) => plain(float.as_str().to_owned()),
        DeValue::Boolean(boolean) => plain(boolean.to_string()),
        DeValue::Datetime(datetime) => Value::Scalar(text_scalar(datetime.to_string().into())),
        DeValue::Array(items) => {
            Value::List(items.into_iter().map(|item| node(item, lines, depth + 1)).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => entries(table, lines, depth)?,
    };
    Ok(Node { place, value })
}

fn text_scalar(text: DeString<'_>) -> Scalar {
    Scalar { text: text.into_owned(), ..Scalar::default() }
}

fn plain(text: String) -> Value {
    Value::Scalar(Scalar { text, is_plain: true, ..Scalar::default() })
}

fn decimal(integer: &DeInteger<'_>) -> String {
    i128::from_str_radix(integer.as_str(), integer.radix())
        .map_or_else(|_| integer.as_str().to_owned(), |integer| integer.to_string())
}

/// Where each line begins, to find the place of a byte.
struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        let starts = std::iter::once(0).chain(text.match_indices('\n').map(|(index, _)| index + 1)).collect();
        Lines { text, starts }
    }

    fn place(&self, byte: usize) -> Place {
        let line = self.starts.partition_point(|start| *start <= byte);
        let start = self.starts.get(line.saturating_sub(1)).copied().unwrap_or_default();
        let column = self.text.get(start..byte).map_or(0, |before| before.chars().count());
        Place { line, column: column + 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Kind;

    #[test]
    fn keys_and_values_know_their_places() {
        let root = parse("a = 1\n\n[b.c]\nd = 'é'\ne = [0x1F, true, '5']\n").ok().flatten().expect("a document");
        let table = root.entry("b").and_then(|entry| entry.node.entry("c")).expect("it is there");
        assert_eq!(table.place, Place { line: 3, column: 4 });
        assert_eq!(table.node.entry("d").map(|entry| entry.node.place), Some(Place { line: 4, column: 5 }));
        let Some(Entry { node: Node { value: Value::List(items), .. }, .. }) = table.node.entry("e") else {
            panic!("a list")
        };
        let kinds: Vec<Kind> = items
            .iter()
            .filter_map(|item| if let Value::Scalar(scalar) = &item.value { Some(scalar.kind()) } else { None })
            .collect();
        assert_eq!(kinds, [Kind::Integer(31), Kind::Boolean(true), Kind::Text]);
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        for (text, line) in [("a = 1\na = 2\n", 2), ("a = \n", 1), ("\n[a\n", 2)] {
            let error = parse(text).err().expect("it is refused");
            assert_eq!(error.place.map(|place| place.line), Some(line), "{text}");
        }
    }

    #[test]
    fn no_document_can_grow_without_end() {
        let nested = |depth: usize| format!("a = {}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
        assert!(parse(&nested(100_000)).is_err());
        let dotted = vec!["a"; 70].join(".");
        assert!(parse(&format!("[{dotted}]\n{dotted} = 1\n")).is_err());
    }
}
