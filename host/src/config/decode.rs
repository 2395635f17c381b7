//! From nodes to types, so that everything that is wrong is found at once.
//!
//! Decoding never stops. A key that is left out takes the default of its table; a value that is wrong is reported and
//! replaced by the empty value of its type, which nobody checks further; a key that nobody asked for is unknown. So the
//! keys a table knows are those that are asked for, and are written down once.

use super::document::{Entry, Kind, Node, Scalar, Value};
use super::path::At;
use super::problem::Report;
use super::suggestion::suggestion;
use crate::secret::Secret;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A type that can be read from a node.
pub(super) trait Decode: Sized {
    /// None where it is wrong, which is then reported, or where a variable is not set.
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self>;
}

/// A type that is a table with certain keys.
pub(super) trait Options: Sized {
    fn read(table: &mut Table<'_, '_>) -> Self;
}

/// A table that is being read.
pub(super) struct Table<'t, 'd> {
    entries: &'t [Entry],
    pub(super) at: At<'t>,
    pub(super) report: &'t mut Report<'d>,
    known: Vec<&'static str>,
}

impl<'t, 'd> Table<'t, 'd> {
    /// None when it is no table.
    pub(super) fn open(node: &'t Node, at: At<'t>, report: &'t mut Report<'d>) -> Option<Self> {
        let entries = match &node.value {
            Value::Table(entries) => entries.as_slice(),
            _ if node.is_null() => &[],
            _ => {
                misshapen(node, at, report, "a table of options");
                return None;
            }
        };
        Some(Table { entries, at, report, known: Vec::new() })
    }

    /// The value of a key. A key without a value counts as left out.
    pub(super) fn take<T: Decode + Default>(&mut self, key: &'static str, default: T) -> T {
        match self.find(key) {
            Some(node) => T::decode(node, self.at.key(key), self.report).unwrap_or_default(),
            None => default,
        }
    }

    /// The value of a key that must be there.
    pub(super) fn required<T: Decode + Default>(&mut self, key: &'static str, expected: &str) -> T {
        match self.find(key) {
            Some(node) => T::decode(node, self.at.key(key), self.report).unwrap_or_default(),
            None => {
                self.report.add(self.at.key(key), format!("missing; expected {expected}"));
                T::default()
            }
        }
    }

    /// The node of a key that is decoded elsewhere.
    pub(super) fn find(&mut self, key: &'static str) -> Option<&'t Node> {
        self.known.push(key);
        self.entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node).filter(|node| !node.is_null())
    }

    /// Learns the keys that these options have, and says nothing of their values.
    pub(super) fn learn<T>(&mut self, read: impl FnOnce(&mut Table<'_, '_>) -> T) {
        let mut unheard = self.report.silenced();
        let known = std::mem::take(&mut self.known);
        let mut table = Table { entries: self.entries, at: self.at, report: &mut unheard, known };
        read(&mut table);
        self.known = table.known;
    }

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(self) {
        for entry in self.entries.iter().filter(|entry| !self.known.contains(&entry.key.as_str())) {
            let message = format!("unknown key{}", suggestion(&entry.key, &self.known));
            self.report.add_key(self.at.key(&entry.key), message);
        }
    }
}

impl<T: Options> Decode for T {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let mut table = Table::open(node, at, report)?;
        let options = T::read(&mut table);
        table.finish();
        Some(options)
    }
}

/// A scalar whose variables are all set. `expected` tells what would be right.
pub(super) fn scalar<'n>(node: &'n Node, at: At<'_>, report: &mut Report<'_>, expected: &str) -> Option<&'n Scalar> {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_unset => None,
        Value::Scalar(scalar) => Some(scalar),
        _ => {
            mismatch(node, at, report, expected);
            None
        }
    }
}

/// A text. What a variable holds is one, whatever it looks like.
pub(super) fn text<'n>(node: &'n Node, at: At<'_>, report: &mut Report<'_>, expected: &str) -> Option<&'n str> {
    let scalar = scalar(node, at, report, expected)?;
    if scalar.kind() == Kind::Text || !scalar.variables.is_empty() {
        return Some(&scalar.text);
    }
    let quotes = if node.is_null() { "" } else { "; put it in quotes to make it a text" };
    report.add(at, format!("expected {expected}, not {}{quotes}", node.shown()));
    None
}

/// Reports that a node is not what was expected.
pub(super) fn mismatch(node: &Node, at: At<'_>, report: &mut Report<'_>, expected: &str) {
    // A variable that is not set has been told already.
    if !matches!(&node.value, Value::Scalar(scalar) if scalar.is_unset) {
        report.add(at, format!("expected {expected}, not {}", node.shown()));
    }
}

/// The same for a table or a list, in whose stead a secret may stand.
fn misshapen(node: &Node, at: At<'_>, report: &mut Report<'_>, expected: &str) {
    match &node.value {
        Value::Scalar(scalar) if scalar.is_unset => {}
        Value::Scalar(_) => report.add(at, format!("expected {expected}, not a single value")),
        Value::List(_) | Value::Table(_) => mismatch(node, at, report, expected),
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        T::decode(node, at, report).map(Some)
    }
}

impl Decode for bool {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        match scalar(node, at, report, "true or false")?.unquoted_kind() {
            Kind::Boolean(boolean) => Some(boolean),
            _ => {
                mismatch(node, at, report, "true or false");
                None
            }
        }
    }
}

impl Decode for String {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        text(node, at, report, "a text").map(str::to_owned)
    }
}

impl Decode for Secret {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let scalar = scalar(node, at, report, "a text")?;
        if scalar.text.is_empty() {
            report.add(at, "it is empty");
            return None;
        }
        // What stands there is not shown, whatever it is.
        if scalar.kind() == Kind::Text || !scalar.variables.is_empty() {
            return Some(Secret::new(scalar.text.as_str()));
        }
        report.add(at, "expected a text; put it in quotes to make it one");
        None
    }
}

impl Decode for PathBuf {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let text = text(node, at, report, "the path of a file")?;
        if text.is_empty() || text.contains('\0') {
            mismatch(node, at, report, "the path of a file");
            return None;
        }
        Some(PathBuf::from(text))
    }
}

/// All items, or none where one of them is wrong.
impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let Value::List(items) = &node.value else {
            misshapen(node, at, report, "a list");
            return None;
        };
        let decoded: Vec<Option<T>> =
            items.iter().enumerate().map(|(index, item)| T::decode(item, at.index(index), report)).collect();
        decoded.into_iter().collect()
    }
}

/// All entries, or none where one of them is wrong.
impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let Value::Table(entries) = &node.value else {
            misshapen(node, at, report, "a table");
            return None;
        };
        let decoded: Vec<Option<(String, T)>> = entries
            .iter()
            .map(|entry| T::decode(&entry.node, at.key(&entry.key), report).map(|value| (entry.key.clone(), value)))
            .collect();
        decoded.into_iter().collect()
    }
}

/// Anything, as JSON.
impl Decode for serde_json::Value {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        use serde_json::{Number, Value as Json};
        match &node.value {
            Value::List(_) => Vec::<Json>::decode(node, at, report).map(Json::Array),
            Value::Table(_) => {
                BTreeMap::<String, Json>::decode(node, at, report).map(|map| Json::Object(map.into_iter().collect()))
            }
            Value::Scalar(scalar) if scalar.is_unset => None,
            Value::Scalar(scalar) => Some(match scalar.kind() {
                // An empty variable is an empty text.
                Kind::Null if scalar.text.is_empty() && !scalar.variables.is_empty() => Json::String(String::new()),
                Kind::Null => Json::Null,
                Kind::Boolean(boolean) => Json::Bool(boolean),
                Kind::Text => Json::String(scalar.text.clone()),
                kind @ (Kind::Integer(_) | Kind::Float(_)) => {
                    let number = match kind {
                        Kind::Integer(integer) => Number::from_i128(integer),
                        Kind::Float(float) => Number::from_f64(float),
                        _ => None,
                    };
                    let Some(number) = number else {
                        mismatch(node, at, report, "a number that JSON can hold");
                        return None;
                    };
                    Json::Number(number)
                }
            }),
        }
    }
}
