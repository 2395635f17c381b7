//! The values that options have: each knows what it allows, how it is read, and how its JSON Schema says so.

use super::decode::{Decode, mismatch, scalar, text};
use super::document::{Kind, Node};
use super::path::At;
use super::problem::Report;
use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// A whole number within limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Whole<const MIN: u64, const MAX: u64>(pub(super) u64);

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Listen(pub(super) SocketAddr);

/// A network of addresses, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Network(#[serde(serialize_with = "as_text")] pub(super) IpNet);

/// The path of a URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct UrlPath(pub(super) String);

/// A pattern of file names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(super) struct Pattern(pub(super) String);

/// One of a few words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Choice<T>(pub(super) T);

/// A type with a word for each of its values.
pub(super) trait Word: Clone + PartialEq + 'static {
    /// Its values, as they are written.
    fn words() -> Vec<(&'static str, Self)>;
}

impl<const MIN: u64, const MAX: u64> Whole<MIN, MAX> {
    /// As a number of things in memory.
    pub(super) fn size(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// As a number of seconds.
    pub(super) fn seconds(self) -> Duration {
        Duration::from_secs(self.0)
    }

    /// As a number of milliseconds.
    pub(super) fn milliseconds(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl<const MIN: u64, const MAX: u64> Default for Whole<MIN, MAX> {
    fn default() -> Self {
        Whole(MIN)
    }
}

/// Any port: an address that is in nobody's way.
impl Default for Listen {
    fn default() -> Self {
        Listen(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0))
    }
}

impl<const MIN: u64, const MAX: u64> Decode for Whole<MIN, MAX> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = format!("a whole number from {MIN} to {MAX}");
        let number = match scalar(node, at, report, &expected)?.unquoted_kind() {
            Kind::Integer(integer) => u64::try_from(integer).ok().filter(|number| (MIN..=MAX).contains(number)),
            _ => None,
        };
        if number.is_none() {
            mismatch(node, at, report, &expected);
        }
        number.map(Whole)
    }
}

impl Decode for Listen {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = "an address and a port like 127.0.0.1:8080";
        let address = text(node, at, report, expected)?.parse().ok();
        if address.is_none() {
            mismatch(node, at, report, expected);
        }
        address.map(Listen)
    }
}

impl Decode for Network {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = "a network like 192.0.2.0/24 or 2001:db8::/32, or an address";
        let text = text(node, at, report, expected)?;
        // A network of IPv4 in the form of IPv6 would have no address: those are told as what they are.
        let network = text.parse().or_else(|_| text.parse::<IpAddr>().map(|it| IpNet::from(it.to_canonical()))).ok();
        let is_mapped = |network: &IpNet| matches!(network.addr(), IpAddr::V6(it) if it.to_ipv4_mapped().is_some());
        let network = network.filter(|network| !is_mapped(network));
        if network.is_none() {
            mismatch(node, at, report, expected);
        }
        network.map(Network)
    }
}

impl Decode for UrlPath {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = "a path that begins with a slash and has no query";
        let path = text(node, at, report, expected)?;
        if !path.starts_with('/') || path.contains(['?', '#']) || path.contains(char::is_whitespace) {
            mismatch(node, at, report, expected);
            return None;
        }
        Some(UrlPath(path.to_owned()))
    }
}

impl Decode for Pattern {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let pattern = text(node, at, report, "a pattern of file names like /var/log/calls/*.ndjson")?;
        if let Err(error) = glob::Pattern::new(pattern) {
            report.add(at, format!("this is no pattern of file names: {}", error.msg));
            return None;
        }
        if pattern.is_empty() {
            mismatch(node, at, report, "a pattern of file names like /var/log/calls/*.ndjson");
            return None;
        }
        Some(Pattern(pattern.to_owned()))
    }
}

impl<T: Word> Decode for Choice<T> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let words = T::words();
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let word = word(node, at, report, &names)?;
        words.into_iter().find(|(known, _)| *known == word).map(|(_, value)| Choice(value))
    }
}

/// One of these words. A plain `none` or `off` is what it is written as.
pub(super) fn word<'w>(node: &Node, at: At<'_>, report: &mut Report<'_>, words: &[&'w str]) -> Option<&'w str> {
    let expected = alternatives(words);
    let written = scalar(node, at, report, &expected)?;
    let found = words.iter().find(|word| **word == written.text).copied();
    if found.is_none() {
        mismatch(node, at, report, &expected);
    }
    found
}

/// `a, b or c`.
fn alternatives(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [word] => (*word).to_owned(),
        [words @ .., last] => format!("{} or {last}", words.join(", ")),
    }
}

fn as_text<S: Serializer>(network: &IpNet, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(network)
}

impl<T: Word> Serialize for Choice<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let word = T::words().into_iter().find(|(_, value)| *value == self.0).map(|(word, _)| word);
        word.serialize(serializer)
    }
}

impl<const MIN: u64, const MAX: u64> JsonSchema for Whole<MIN, MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }
}

impl JsonSchema for Listen {
    fn schema_name() -> Cow<'static, str> {
        "Listen".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$" })
    }
}

impl JsonSchema for UrlPath {
    fn schema_name() -> Cow<'static, str> {
        "UrlPath".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^/[^?#\s]*$" })
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

impl<T: Word> JsonSchema for Choice<T> {
    fn schema_name() -> Cow<'static, str> {
        T::words().iter().map(|(word, _)| *word).collect::<Vec<_>>().join("Or").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::words().into_iter().map(|(word, _)| word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}
