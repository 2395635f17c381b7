//! What a plugin declares, checked once when it is loaded. All that it emits later is an index into this.

use crate::span::Name;
use std::collections::BTreeSet;

/// The host's side of `wit/callspan.wit`.
pub(super) mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "transform",
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

use bindings::exports::callspan::transform::plugin as guest;

/// The name under which a component exports the contract.
pub(super) const EXPORT: &str = "callspan:transform/plugin@0.1.0";

/// Entries that each list of a description may have.
const LIST_MAX: usize = 1024;
/// Bytes of a name in a description.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a wrong name that a message quotes.
const QUOTED_BYTES_MAX: usize = 64;

/// A checked description.
#[derive(Clone, Debug)]
pub struct Contract {
    pub name: String,
    pub version: String,
    /// OpenTelemetry schema URL of what is emitted.
    pub schema_url: Option<String>,
    pub attributes: Vec<AttributeDefinition>,
    pub span_names: Vec<Name>,
    pub events: Vec<Name>,
    pub metrics: Vec<MetricDefinition>,
    /// JSON Schema of the options.
    pub options_schema: String,
}

/// An attribute the plugin may emit.
#[derive(Clone, Debug)]
pub struct AttributeDefinition {
    pub key: Name,
    /// Says how long a text is that is not shown itself.
    pub length_key: Name,
    pub value_type: ValueType,
    pub sensitivity: Sensitivity,
    pub brief: String,
    pub examples: Vec<String>,
}

impl AttributeDefinition {
    pub(super) fn length_key(key: &str) -> String {
        format!("{key}.length")
    }
}

/// The one case of the contract's `value` that an attribute has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueType {
    Text,
    Boolean,
    Integer,
    Double,
    Texts,
    Booleans,
    Integers,
    Doubles,
    /// A sender's own keys.
    Entries,
}

/// What an attribute holds, which decides how privacy treats it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sensitivity {
    None,
    Phone,
    Email,
    Name,
    /// A user id, a staff number: sometimes a mail address or a number.
    Account,
    Place,
    FreeText,
    /// What somebody typed on a telephone: a choice, or a PIN.
    Keypad,
    /// Something that this host does not know, and therefore never lets out.
    Unknown,
}

/// A metric that can be derived from the spans.
#[derive(Clone, Debug)]
pub struct MetricDefinition {
    pub name: String,
    /// In UCUM.
    pub unit: String,
    pub brief: String,
    /// `count`, `span-duration` or `attribute`.
    pub measure: String,
    /// Indices into [`Contract::span_names`].
    pub spans: Vec<u32>,
    /// Index into [`Contract::attributes`].
    pub attribute: Option<u32>,
    /// Indices into [`Contract::attributes`].
    pub dimensions: Vec<u32>,
}

impl ValueType {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "text" => ValueType::Text,
            "boolean" => ValueType::Boolean,
            "int" => ValueType::Integer,
            "double" => ValueType::Double,
            "texts" => ValueType::Texts,
            "booleans" => ValueType::Booleans,
            "ints" => ValueType::Integers,
            "doubles" => ValueType::Doubles,
            "entries" => ValueType::Entries,
            _ => return None,
        })
    }

    /// As the contract spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            ValueType::Text => "text",
            ValueType::Boolean => "boolean",
            ValueType::Integer => "int",
            ValueType::Double => "double",
            ValueType::Texts => "texts",
            ValueType::Booleans => "booleans",
            ValueType::Integers => "ints",
            ValueType::Doubles => "doubles",
            ValueType::Entries => "entries",
        }
    }
}

impl Sensitivity {
    fn parse(name: &str) -> Self {
        match name {
            "none" => Sensitivity::None,
            "phone" => Sensitivity::Phone,
            "email" => Sensitivity::Email,
            "name" => Sensitivity::Name,
            "account" => Sensitivity::Account,
            "place" => Sensitivity::Place,
            "free-text" => Sensitivity::FreeText,
            "keypad" => Sensitivity::Keypad,
            _ => Sensitivity::Unknown,
        }
    }

    /// As the contract spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Sensitivity::None => "none",
            Sensitivity::Phone => "phone",
            Sensitivity::Email => "email",
            Sensitivity::Name => "name",
            Sensitivity::Account => "account",
            Sensitivity::Place => "place",
            Sensitivity::FreeText => "free-text",
            Sensitivity::Keypad => "keypad",
            Sensitivity::Unknown => "unknown",
        }
    }
}

impl Contract {
    /// What the plugin is called in messages: its name and its version.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// Checks a description. The error is a fragment that names the first thing that is wrong.
    pub(super) fn check(description: guest::Description) -> Result<Self, String> {
        let is_plugin_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if !(1..=64).contains(&description.name.len()) || !description.name.bytes().all(is_plugin_name) {
            return Err("its name is not made of 1 to 64 lower-case letters, digits and dashes".to_owned());
        }
        if description.version.is_empty() || !is_name(&description.version) {
            return Err("its version is empty, too long or holds control characters".to_owned());
        }
        if description.attributes.len() > LIST_MAX || description.metrics.len() > LIST_MAX {
            return Err(format!("it declares more than {LIST_MAX} attributes or metrics"));
        }
        if !is_schema(&description.options_schema) {
            return Err("the schema of its options is no JSON Schema: neither an object nor a truth value".to_owned());
        }
        if !description.schema_url.as_ref().is_none_or(|url| is_name(url)) {
            return Err("its schema URL is empty, too long or holds control characters".to_owned());
        }
        let attributes = attributes(description.attributes)?;
        let span_names = names("span names", description.span_names)?;
        let metrics = metrics(description.metrics, attributes.len(), span_names.len())?;
        Ok(Contract {
            name: description.name,
            version: description.version,
            schema_url: description.schema_url,
            attributes,
            span_names,
            events: names("events", description.events)?,
            metrics,
            options_schema: description.options_schema,
        })
    }
}

fn attributes(declared: Vec<guest::AttributeDefinition>) -> Result<Vec<AttributeDefinition>, String> {
    let mut keys = BTreeSet::new();
    let mut attributes = Vec::with_capacity(declared.len());
    for attribute in declared {
        if !is_name(&attribute.key) || !keys.insert(attribute.key.clone()) {
            return Err(format!(
                "attribute {} is empty, too long, holds control characters or is declared twice",
                quoted(&attribute.key)
            ));
        }
        let value_type = ValueType::parse(&attribute.value_type).ok_or_else(|| {
            format!("attribute {} has the unknown value type {}", attribute.key, quoted(&attribute.value_type))
        })?;
        attributes.push(AttributeDefinition {
            key: Name::declared(&attribute.key),
            length_key: Name::declared(&AttributeDefinition::length_key(&attribute.key)),
            value_type,
            sensitivity: Sensitivity::parse(&attribute.sensitivity),
            brief: printable(attribute.brief),
            examples: attribute.examples.into_iter().map(printable).collect(),
        });
    }
    Ok(attributes)
}

fn names(what: &str, declared: Vec<String>) -> Result<Vec<Name>, String> {
    let distinct: BTreeSet<&String> = declared.iter().collect();
    if declared.len() > LIST_MAX || distinct.len() != declared.len() || !declared.iter().all(|name| is_name(name)) {
        return Err(format!(
            "its {what} are too many or too long, or one is empty, holds control characters or stands twice"
        ));
    }
    Ok(declared.into_iter().map(|name| Name::declared(&name)).collect())
}

fn metrics(
    declared: Vec<guest::MetricDefinition>,
    attributes: usize,
    span_names: usize,
) -> Result<Vec<MetricDefinition>, String> {
    let leads_into = |list: usize| move |index: &u32| usize::try_from(*index).is_ok_and(|index| index < list);
    let mut names = BTreeSet::new();
    let check = |metric: guest::MetricDefinition| {
        if !is_name(&metric.name) || !names.insert(metric.name.clone()) {
            return Err(format!(
                "metric {} is empty, too long, holds control characters or is declared twice",
                quoted(&metric.name)
            ));
        }
        let mut indices = metric.dimensions.iter().chain(&metric.attribute);
        if !metric.spans.iter().all(leads_into(span_names)) || !indices.all(leads_into(attributes)) {
            return Err(format!("metric {:?} refers to something that is not declared", metric.name));
        }
        if !matches!(metric.measure.as_str(), "count" | "span-duration" | "attribute")
            || (metric.measure == "attribute") != metric.attribute.is_some()
        {
            return Err(format!("metric {:?} does not say how it is measured", metric.name));
        }
        let guest::MetricDefinition { name, unit, brief, measure, spans, attribute, dimensions } = metric;
        let (unit, brief) = (printable(unit), printable(brief));
        Ok(MetricDefinition { name, unit, brief, measure, spans, attribute, dimensions })
    };
    declared.into_iter().map(check).collect()
}

/// Names reach backends and terminals as they are.
fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

/// The beginning of a name that may be anything.
fn quoted(name: &str) -> String {
    let beginning = name.get(..name.floor_char_boundary(QUOTED_BYTES_MAX)).unwrap_or_default();
    format!("{beginning:?}{}", if beginning.len() < name.len() { "…" } else { "" })
}

/// What is shown to people cannot command their terminals.
pub(super) fn printable(text: String) -> String {
    if text.chars().any(char::is_control) { text.replace(char::is_control, " ") } else { text }
}

/// A JSON Schema is an object, or a truth value (draft 2020-12, section 4.3).
fn is_schema(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|schema: serde_json::Value| schema.is_object() || schema.is_boolean())
}
