//! A section of components: each has a name, a `type`, what that type has for options and, downstream, `inputs`.

use super::decode::{Decode, Table};
use super::document::{Node, Value};
use super::path::At;
use super::problem::Report;
use super::suggestion::suggestion;
use super::value::word;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value as Json, json};
use std::borrow::Cow;

/// What stands in a section: the components of one stage.
pub(super) struct Section<K> {
    pub(super) components: Vec<Component<K>>,
}

pub(super) struct Component<K> {
    pub(super) name: String,
    pub(super) inputs: Inputs,
    /// None where it is not known of what type it is.
    pub(super) kind: Option<K>,
}

/// The names of what a component takes from.
pub(super) enum Inputs {
    LeftOut,
    /// Whatever there is, for a component that runs by default.
    All,
    /// They are there and wrong.
    Unusable,
    Named(Vec<String>),
}

/// The types of a stage.
pub(super) trait Kind: Sized {
    /// The key of its section.
    const SECTION: &'static str;
    /// What its components are for.
    const PURPOSE: &'static str;
    /// Whether its components take from others.
    const HAS_INPUTS: bool;
    /// The names of its types.
    const TYPES: &'static [&'static str];

    /// Reads the options of a type.
    fn read(type_name: &str, table: &mut Table<'_, '_>) -> Option<Self>;

    /// The JSON Schema of a type's options.
    fn schema(type_name: &str, generator: &mut SchemaGenerator) -> Schema;
}

/// What a component is called.
const NAME_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";
const NAME_CHARACTERS_MAX: usize = 64;

impl<K> Default for Section<K> {
    fn default() -> Self {
        Section { components: Vec::new() }
    }
}

impl<K: Kind> Section<K> {
    /// Reads the section from the table of the whole file.
    pub(super) fn read(root: &mut Table<'_, '_>) -> Self {
        let Some(node) = root.find(K::SECTION) else { return Self::default() };
        let at = root.at.key(K::SECTION);
        let Value::Table(entries) = &node.value else {
            root.report.add(at, format!("expected a table of {}, each under a name of its own", K::SECTION));
            return Self::default();
        };
        let mut section = Self::default();
        for entry in entries {
            let at = at.key(&entry.key);
            if !is_name(&entry.key) {
                let message = format!("a name is 1 to {NAME_CHARACTERS_MAX} letters, digits, dashes and underscores");
                root.report.add_key(at, message);
            }
            section.components.push(read_component(&entry.key, &entry.node, at, root.report));
        }
        section
    }
}

fn is_name(name: &str) -> bool {
    (1..=NAME_CHARACTERS_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn read_component<K: Kind>(name: &str, node: &Node, at: At<'_>, report: &mut Report<'_>) -> Component<K> {
    let mut component = Component { name: name.to_owned(), inputs: Inputs::LeftOut, kind: None };
    let Some(mut table) = Table::open(node, at, report) else {
        component.inputs = Inputs::Unusable;
        return component;
    };
    let type_name = read_type::<K>(&mut table);
    if K::HAS_INPUTS
        && let Some(node) = table.find("inputs")
    {
        let inputs = Vec::<String>::decode(node, table.at.key("inputs"), table.report);
        component.inputs = inputs.map_or(Inputs::Unusable, Inputs::Named);
    }
    // Which keys are unknown is only known where the type is.
    if let Some(type_name) = type_name {
        component.kind = K::read(type_name, &mut table);
        table.finish();
    }
    component
}

fn read_type<K: Kind>(table: &mut Table<'_, '_>) -> Option<&'static str> {
    let Some(node) = table.find("type") else {
        table.report.add(table.at.key("type"), format!("missing{}", suggestion("", K::TYPES)));
        return None;
    };
    word(node, table.at.key("type"), table.report, K::TYPES)
}

impl<K: Kind> JsonSchema for Section<K> {
    fn schema_name() -> Cow<'static, str> {
        K::SECTION.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let types: Vec<Schema> = K::TYPES.iter().map(|type_name| component_schema::<K>(type_name, generator)).collect();
        json_schema!({
            "type": ["object", "null"],
            "propertyNames": { "pattern": NAME_PATTERN },
            "additionalProperties": { "oneOf": types },
        })
    }
}

/// The options of a type, and what every component of its stage has.
fn component_schema<K: Kind>(type_name: &str, generator: &mut SchemaGenerator) -> Schema {
    let mut schema = K::schema(type_name, generator);
    let mut common = vec![("type", json!({ "const": type_name, "description": "What kind of component this is." }))];
    if K::HAS_INPUTS {
        common.push((
            "inputs",
            json!({
                "type": "array",
                "items": { "type": "string" },
                "minItems": 1,
                "uniqueItems": true,
                "description": "The names of the components to take from; may be left out where there is only one.",
            }),
        ));
    }
    let object = schema.ensure_object();
    if let Json::Object(properties) = object.entry("properties").or_insert_with(|| json!({})) {
        for (key, property) in common {
            properties.insert(key.to_owned(), property);
        }
    }
    if let Json::Array(required) = object.entry("required").or_insert_with(|| json!([])) {
        required.insert(0, json!("type"));
    }
    object.insert("title".to_owned(), json!(format!("{type_name}: {}", K::PURPOSE)));
    schema
}
