//! The JSON Schema of a configuration, from the same types that it is read into.

use super::layout::Layout;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The schema (draft 2020-12), for editors and for `callspan schema`.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<Layout>().to_value();
    finish(&mut schema);
    schema
}

/// Allows variables where a scalar is expected, and leaves out defaults that say nothing.
fn finish(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(finish),
        Value::Object(object) => {
            object.retain(|key, value| !(key == "default" && value.is_null()));
            let required = object.get("required").cloned().unwrap_or_default();
            let is_required = |key: &str| required.as_array().is_some_and(|keys| keys.iter().any(|known| known == key));
            // What stands under the names of properties are schemas, whatever the names are.
            for (key, value) in object.iter_mut().filter(|(key, _)| *key != "default" && *key != "enum") {
                match (key.as_str(), value) {
                    ("properties", Value::Object(properties)) => {
                        for (key, property) in properties {
                            finish(property);
                            if !is_required(key) {
                                allow_nothing(property);
                            }
                        }
                    }
                    (_, value) => finish(value),
                }
            }
            allow_variable(object);
            // Doc comments are wrapped for people who read the source.
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace('\n', " ");
            }
        }
        _ => {}
    }
}

/// A key whose value is left out, as where all of a table is commented out, counts as left out itself.
fn allow_nothing(property: &mut Value) {
    let name = property.get("type").and_then(Value::as_str).filter(|name| matches!(*name, "object" | "array"));
    if let Some(name) = name.map(str::to_owned)
        && let Some(object) = property.as_object_mut()
    {
        object.insert("type".to_owned(), json!([name, "null"]));
    }
}

/// A number, a truth value, a word of a few or a text of a certain form may also be a text with a variable in it.
fn allow_variable(object: &mut Map<String, Value>) {
    let is_number = ["integer", "number", "boolean"].iter().any(|name| has_type(object, name));
    let is_restricted = has_type(object, "string") && (object.contains_key("enum") || object.contains_key("pattern"));
    if !is_number && !is_restricted {
        return;
    }
    let mut restricted = Map::new();
    for key in ["type", "enum", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"] {
        if let Some(value) = object.remove(key) {
            restricted.insert(key.to_owned(), value);
        }
    }
    object.insert("anyOf".to_owned(), json!([restricted, { "type": "string", "pattern": r"\$\{" }]));
}

fn has_type(object: &Map<String, Value>, name: &str) -> bool {
    match object.get("type") {
        Some(Value::String(one)) => one == name,
        Some(Value::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    }
}
