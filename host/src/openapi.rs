//! Descriptions of what is answered over HTTP, by the OpenAPI specification, version 3.1. Each listener describes its own
//! paths with its own answers, which it gives here as it gives them to its clients: status, headers and body are read off
//! them, so that nothing is described that is answered otherwise.

mod answer;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

pub use answer::{Answer, responses};

/// What a listener says of itself.
#[derive(Clone, Debug, Default)]
pub struct Description {
    /// What can be asked, by path.
    pub paths: Map<String, Value>,
    /// What bodies look like, by name.
    pub schemas: Map<String, Value>,
    /// How clients show who they are, by name.
    pub security_schemes: Map<String, Value>,
}

impl Description {
    /// The schema of what is written as this type, to be referred to by this name.
    pub fn schema<T: JsonSchema>(&mut self, name: &str) -> Value {
        let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
        unwrap_lines(&mut schema);
        schema.as_object_mut().map(|schema| schema.remove("title"));
        self.add_schema(name, schema)
    }

    /// The same of a schema.
    pub fn add_schema(&mut self, name: &str, schema: Value) -> Value {
        self.schemas.insert(name.to_owned(), schema);
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    /// Says of each path that it is served at this address only.
    #[must_use]
    pub fn served_at(mut self, url: &str, description: &str) -> Self {
        for path in self.paths.values_mut() {
            if let Some(item) = path.as_object_mut() {
                item.insert("servers".to_owned(), json!([{ "url": url, "description": description }]));
            }
        }
        self
    }

    /// Adds another's. Where both have a path, this one's stays.
    pub fn join(&mut self, other: Self) {
        for (ours, theirs) in [
            (&mut self.paths, other.paths),
            (&mut self.schemas, other.schemas),
            (&mut self.security_schemes, other.security_schemes),
        ] {
            for (name, value) in theirs {
                ours.entry(name).or_insert(value);
            }
        }
    }

    /// The whole document.
    #[must_use]
    pub fn document(self, title: &str, version: &str, description: &str) -> Value {
        let Self { paths, schemas, security_schemes } = self;
        json!({
            "openapi": "3.1.0",
            "info": { "title": title, "version": version, "description": description },
            "paths": paths,
            "components": { "schemas": schemas, "securitySchemes": security_schemes },
        })
    }
}

/// Doc comments are wrapped for people who read the source.
fn unwrap_lines(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(unwrap_lines),
        Value::Object(object) => {
            object.values_mut().for_each(unwrap_lines);
            if let Some(Value::String(description)) = object.get_mut("description") {
                *description = description.replace('\n', " ");
            }
        }
        _ => {}
    }
}
