//! A configuration file as one tree of nodes, each with its place, whatever it was written in.
//!
//! A scalar keeps its text and how it was written. What it is, a number or a word, is decided only when somebody asks:
//! by then the variables in it have been put in.

mod toml;
mod yaml;

/// How a file is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2, and with it JSON.
    #[default]
    Yaml,
    /// TOML 1.0.
    Toml,
}

/// A line and a column, both counted from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

/// A value and where it begins. Holds secrets: never shown.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    /// Of the key.
    pub(super) place: Place,
    pub(super) node: Node,
}

/// A text, a number, a truth value or nothing.
#[derive(Clone, Default)]
pub(super) struct Scalar {
    pub(super) text: String,
    /// Written without quotes, so that its text decides what it is.
    pub(super) is_plain: bool,
    /// The variables that were put into it.
    pub(super) variables: Vec<String>,
    /// It is what a variable holds, and nothing else.
    pub(super) is_one_variable: bool,
    /// One of its variables is not set, so that there is no value.
    pub(super) is_unset: bool,
}

/// What a scalar is (YAML 1.2.2, section 10.3, "Core Schema").
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    Text,
}

/// Why a text is no document.
#[derive(Debug)]
pub(super) struct Malformed {
    pub(super) place: Option<Place>,
    pub(super) message: String,
}

/// A larger file is a mistake.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
/// Tables and lists within each other. The deepest option is at six.
const DEPTH_MAX: usize = 64;
/// Values, also those that stand for an alias.
const NODES_MAX: usize = 100_000;

/// Reads a text. An empty one is an empty table.
pub(super) fn parse(text: &str, format: Format) -> Result<Node, Malformed> {
    if text.len() > BYTES_MAX {
        return Err(Malformed { place: None, message: format!("larger than {BYTES_MAX} bytes") });
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let node = match format {
        Format::Yaml => yaml::parse(text)?,
        Format::Toml => toml::parse(text)?,
    };
    match node {
        Some(node) if !node.is_null() => Ok(node),
        _ => Ok(Node::empty_table()),
    }
}

impl Node {
    /// What an empty file is.
    pub(super) fn empty_table() -> Self {
        Node { place: Place { line: 1, column: 1 }, value: Value::Table(Vec::new()) }
    }

    /// Nothing was written: the same as if the key had been left out.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.variables.is_empty() && scalar.kind() == Kind::Null)
    }

    /// The value of a key of a table.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// What stands there, for a message; never what a variable holds.
    pub(super) fn shown(&self) -> String {
        match &self.value {
            Value::List(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            Value::Scalar(scalar) if !scalar.variables.is_empty() => scalar.shown(),
            Value::Scalar(scalar) => match scalar.kind() {
                Kind::Null => "nothing".to_owned(),
                Kind::Boolean(_) | Kind::Text => scalar.shown(),
                Kind::Integer(_) | Kind::Float(_) => format!("the number {}", scalar.shown()),
            },
        }
    }
}

impl Scalar {
    pub(super) fn kind(&self) -> Kind {
        if self.is_plain { resolve(&self.text) } else { Kind::Text }
    }

    /// The same where only a number or a truth value will do: JSON and TOML have no way to write a variable but in
    /// quotes.
    pub(super) fn unquoted_kind(&self) -> Kind {
        if self.is_plain || self.is_one_variable { resolve(&self.text) } else { Kind::Text }
    }

    /// The text, or else the variable that it comes from.
    pub(super) fn shown(&self) -> String {
        const CHARACTERS_MAX: usize = 60;
        if let Some(variable) = self.variables.first() {
            return format!("the value of ${{{variable}}}");
        }
        let mut shown = String::from("`");
        for (index, character) in self.text.chars().enumerate() {
            match character {
                _ if index == CHARACTERS_MAX => {
                    shown.push('…');
                    break;
                }
                // Nothing that ends a line or moves a cursor.
                _ if character.is_control() => shown.extend(character.escape_default()),
                _ => shown.push(character),
            }
        }
        shown.push('`');
        shown
    }
}

fn resolve(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Boolean(true),
        "false" | "False" | "FALSE" => return Kind::Boolean(false),
        _ => {}
    }
    let integer = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(digits), _) => unsigned(digits, 16),
        (_, Some(digits)) => unsigned(digits, 8),
        _ => text.parse().ok(),
    };
    if let Some(integer) = integer {
        return Kind::Integer(integer);
    }
    let is_number = text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte))
        && !text.starts_with(['e', 'E']);
    match text.parse() {
        Ok(number) if is_number => Kind::Float(number),
        _ => Kind::Text,
    }
}

/// Digits alone, since a sign is only allowed in front of decimal ones.
fn unsigned(digits: &str, radix: u32) -> Option<i128> {
    digits.chars().all(|digit| digit.is_digit(radix)).then(|| i128::from_str_radix(digits, radix).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_scalar_is_what_the_core_schema_says() {
        for (text, kind) in [
            ("", Kind::Null),
            ("~", Kind::Null),
            ("null", Kind::Null),
            ("True", Kind::Boolean(true)),
            ("no", Kind::Text),
            ("0", Kind::Integer(0)),
            ("+7", Kind::Integer(7)),
            ("-7", Kind::Integer(-7)),
            ("0x1F", Kind::Integer(31)),
            ("0o17", Kind::Integer(15)),
            ("0x+1", Kind::Text),
            ("1.5", Kind::Float(1.5)),
            ("1e3", Kind::Float(1000.0)),
            ("e3", Kind::Text),
            ("127.0.0.1", Kind::Text),
            ("inf", Kind::Text),
        ] {
            assert_eq!(resolve(text), kind, "{text}");
        }
    }

    #[test]
    fn a_file_that_is_too_large_is_refused() {
        assert!(parse(&" ".repeat(BYTES_MAX), Format::Yaml).is_ok());
        assert!(parse(&" ".repeat(BYTES_MAX + 1), Format::Yaml).is_err());
    }
}
