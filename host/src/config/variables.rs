//! `${NAME}` and `${NAME:-default}` in values, and `$$` for a dollar sign.
//!
//! They are put into a document that has been read already, so that nothing a variable holds can add a key or end a
//! text. A plain scalar is then what its new text says, `${PORT}` a number; a quoted one stays a text, unless it is one
//! variable and nothing else and only a number or a truth value will do: JSON and TOML know no variables without quotes.

use super::document::{Format, Node, Scalar, Value};
use super::path::At;

/// A variable that is not set, or something that looks like one and is none.
pub(super) struct Fault {
    pub(super) message: String,
    /// The same file is right in another environment.
    pub(super) is_unset: bool,
}

/// Puts variables into every scalar of a tree.
pub(super) fn expand(
    node: &mut Node,
    at: At<'_>,
    format: Format,
    variable: &dyn Fn(&str) -> Option<String>,
    fault: &mut dyn FnMut(&Node, At<'_>, Fault),
) {
    let faults = match &mut node.value {
        Value::Scalar(scalar) if scalar.text.contains('$') => expand_scalar(scalar, format, variable),
        Value::Scalar(_) => Vec::new(),
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                expand(item, At::Index(&at, index), format, variable, fault);
            }
            Vec::new()
        }
        Value::Table(entries) => {
            for entry in entries {
                expand(&mut entry.node, At::Key(&at, &entry.key), format, variable, fault);
            }
            Vec::new()
        }
    };
    for found in faults {
        fault(node, at, found);
    }
}

fn expand_scalar(scalar: &mut Scalar, format: Format, variable: &dyn Fn(&str) -> Option<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut expanded = String::new();
    let mut rest = scalar.text.as_str();
    let mut is_one_variable = false;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = after.strip_prefix('{') {
            let Some((reference, after)) = after.split_once('}') else {
                faults.push(Fault {
                    message: "`${` begins a variable, and `}` does not end it; a dollar sign is written `$$`"
                        .to_owned(),
                    is_unset: false,
                });
                rest = "";
                break;
            };
            is_one_variable = after.is_empty() && scalar.text.len() == reference.len() + "${}".len();
            match look_up(reference, variable) {
                Ok((name, value)) => {
                    scalar.variables.push(name.to_owned());
                    expanded.push_str(&value);
                }
                Err(found) => {
                    scalar.is_unset = true;
                    faults.push(found);
                }
            }
            rest = after;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    if faults.is_empty() {
        scalar.text = expanded;
        scalar.is_one_variable = is_one_variable;
        scalar.is_plain |= format == Format::Toml && is_one_variable;
    } else {
        scalar.is_unset = true;
    }
    faults
}

/// What stands between the braces: a name, and perhaps what counts where it is not set or empty.
fn look_up<'r>(reference: &'r str, variable: &dyn Fn(&str) -> Option<String>) -> Result<(&'r str, String), Fault> {
    let (name, default) = match reference.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (reference, None),
    };
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
    if !is_name {
        return Err(Fault {
            message: "a variable is written `${NAME}` or `${NAME:-default}`, and a dollar sign `$$`".to_owned(),
            is_unset: false,
        });
    }
    let value = match (variable(name), default) {
        (Some(value), Some(default)) if value.is_empty() => default.to_owned(),
        (Some(value), _) => value,
        (None, Some(default)) => default.to_owned(),
        (None, None) => {
            return Err(Fault {
                message: format!("the variable {name} is not set; set it, or write ${{{name}:-default}}"),
                is_unset: true,
            });
        }
    };
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::{Kind, parse};

    fn variable(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8080".to_owned()),
            "EMPTY" => Some(String::new()),
            "EVIL" => Some("x\nadmin: { enabled: false }".to_owned()),
            _ => None,
        }
    }

    fn expanded(text: &str, format: Format) -> (Node, Vec<String>) {
        let mut root = parse(text, format).expect("a document");
        let mut messages = Vec::new();
        expand(&mut root, At::Root, format, &variable, &mut |_, at, fault| {
            messages.push(format!("{at}: {}", fault.message));
        });
        (root, messages)
    }

    fn scalar(text: &str, format: Format) -> Scalar {
        let (root, messages) = expanded(text, format);
        assert_eq!(messages, Vec::<String>::new());
        match &root.entry("a").expect("it is there").node.value {
            Value::Scalar(scalar) => scalar.clone(),
            _ => panic!("a scalar"),
        }
    }

    #[test]
    fn a_plain_scalar_is_what_its_new_text_says() {
        assert_eq!(scalar("a: ${PORT}", Format::Yaml).kind(), Kind::Integer(8080));
        assert_eq!(scalar("a: ${NONE:-true}", Format::Yaml).kind(), Kind::Boolean(true));
        let quoted = scalar("a: '${PORT}'", Format::Yaml);
        assert_eq!((quoted.kind(), quoted.unquoted_kind()), (Kind::Text, Kind::Integer(8080)));
        assert_eq!(scalar("a: '1${PORT}'", Format::Yaml).unquoted_kind(), Kind::Text);
        assert_eq!(scalar("a = '${PORT}'", Format::Toml).kind(), Kind::Integer(8080));
        assert_eq!(scalar("a = ':${PORT}'", Format::Toml).kind(), Kind::Text);
    }

    #[test]
    fn texts_are_put_together_and_two_dollars_are_one() {
        for (text, expected) in [
            ("a: 127.0.0.1:${PORT}", "127.0.0.1:8080"),
            ("a: $${PORT} $5 $", "${PORT} $5 $"),
            ("a: <${EMPTY:-empty}${NONE:-}>", "<empty>"),
            ("a: '${EMPTY}'", ""),
        ] {
            assert_eq!(scalar(text, Format::Yaml).text, expected, "{text}");
        }
    }

    #[test]
    fn a_value_cannot_change_the_structure() {
        let (root, messages) = expanded("a: ${EVIL}\n", Format::Yaml);
        assert!(messages.is_empty() && root.entry("admin").is_none());
    }

    #[test]
    fn what_is_not_set_is_named_with_its_key() {
        let (_, messages) = expanded("a: { b: ['${NONE}', '${', '${A B}'] }\n", Format::Yaml);
        assert_eq!(messages.len(), 3);
        assert!(messages.first().is_some_and(|first| first.starts_with("a.b[0]: the variable NONE is not set")));
    }
}
