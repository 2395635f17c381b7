//! `examples/callspan.yaml` and the JSON Schema: both say what there is.

use super::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) const EXAMPLE: &str = include_str!("../../../../examples/callspan.yaml");

/// The example says what the defaults are, so it plans what an empty file plans.
#[test]
fn the_example_states_the_defaults() {
    let (mut example, mut default) = (planned(EXAMPLE), planned(""));
    let options = |plan: &mut Plan| std::mem::take(&mut plan.transforms[0].plan.settings.options);
    let (stated, left_out) = (options(&mut example), options(&mut default));
    assert_eq!(callspan_tccc::Options::parse(&stated), callspan_tccc::Options::parse(&left_out));
    assert_eq!(format!("{example:#?}"), format!("{default:#?}"));
}

#[test]
fn the_example_is_right_with_every_option_taken_in() {
    let text = everything();
    let config = Config::parse(&text, Format::Yaml, &variable).unwrap_or_else(|error| panic!("{error}"));
    let plan = config.without_environment().plan(&Overrides::default(), &variable);
    let plan = plan.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((plan.sources.len(), plan.transforms.len(), plan.sinks.len()), (4, 2, 4));
}

#[test]
fn the_example_has_every_key_of_the_schema() {
    let mut keys = BTreeSet::new();
    collect(&schema(), "", &mut |_, properties| keys.extend(properties.keys().cloned()));
    assert!(keys.len() > 50, "the test found too few keys to mean anything");
    let missing: Vec<&String> = keys.iter().filter(|key| !EXAMPLE.contains(&format!("{key}:"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A decoder lists the keys it knows when it finds one that is like none of them.
#[test]
fn the_schema_has_the_keys_that_are_read() {
    let mut tables = Vec::new();
    collect(&schema(), "", &mut |path, properties| {
        tables.push((path.to_owned(), properties.keys().cloned().collect::<BTreeSet<String>>()));
    });
    assert!(tables.len() > 12, "the test found too few tables to mean anything");
    for (path, keys) in tables {
        let mut document = json!({ "qqqqqqqqqqqq": 1 });
        for step in path.split('/').rev().filter(|step| !step.is_empty()) {
            document = match step.split_once(['=', '~']) {
                // A way to show who one is, is of a strategy.
                Some((name, strategy)) if step.contains('~') => {
                    document["strategy"] = strategy.into();
                    json!({ name: document })
                }
                // A component is of a type, by which its keys are known.
                Some((name, type_name)) => {
                    document["type"] = type_name.into();
                    json!({ name: document })
                }
                None => json!({ step: document }),
            };
        }
        let found = problems(&document.to_string());
        let known = found.iter().find_map(|problem| {
            let (_, known) = problem.split_once("unknown key; there ")?;
            known.strip_prefix("are ").or(known.strip_prefix("is "))
        });
        let known: BTreeSet<String> = known
            .unwrap_or_else(|| panic!("{path}: {found:?}"))
            .replace(" and ", ", ")
            .split(", ")
            .map(str::to_owned)
            .collect();
        assert_eq!(known, keys, "{path}");
    }
}

#[test]
fn the_schema_allows_variables_where_a_scalar_is() {
    let schema = schema();
    let limit = &schema["properties"]["graceful_shutdown_limit_secs"];
    assert_eq!(limit["default"], 25);
    assert_eq!(
        limit["anyOf"],
        json!([{ "type": "integer", "minimum": 1, "maximum": 3600 }, { "type": "string", "pattern": "\\$\\{" }])
    );
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["additionalProperties"], false);
    let types: Vec<&Value> = schema["properties"]["sources"]["additionalProperties"]["oneOf"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|kind| &kind["properties"]["type"]["const"])
        .collect();
    assert_eq!(types, ["http_server", "opentelemetry", "file", "stdin"]);
}

/// What must be there is told as missing, and the schema requires it.
#[test]
fn the_schema_requires_what_is_missed() {
    let schema = schema();
    for (section, type_name, required) in [
        ("sources", "http_server", json!(["type"])),
        ("sources", "file", json!(["type", "include"])),
        ("transforms", "plugin", json!(["type"])),
        ("sinks", "opentelemetry", json!(["type"])),
        ("sinks", "file", json!(["type", "path"])),
    ] {
        let kinds = &schema["properties"][section]["additionalProperties"]["oneOf"];
        let is_kind = |kind: &&Value| kind["properties"]["type"]["const"] == type_name;
        let kind = kinds.as_array().and_then(|kinds| kinds.iter().find(is_kind)).expect("it is there");
        assert_eq!(kind["required"], required, "{type_name}");
        let found = plan(&json!({ section: { "x": { "type": type_name } } }).to_string());
        let missed = found.err().map_or(0, |error| error.to_string().matches("missing").count());
        assert_eq!(missed + 1, required.as_array().map_or(0, Vec::len), "{type_name}");
    }
}

/// The example with what its `#:` hide.
fn everything() -> String {
    EXAMPLE.lines().map(|line| line.replacen("#: ", "", 1) + "\n").collect()
}

/// Tells of every closed table: its path, with `name=type` for a component and `name~strategy` for a way to show who one
/// is, and its properties.
fn collect(schema: &Value, path: &str, tell: &mut dyn FnMut(&str, &serde_json::Map<String, Value>)) {
    if let Some(properties) = schema["properties"].as_object() {
        let path = match properties.get("type").and_then(|property| property["const"].as_str()) {
            Some(type_name) => format!("{path}={type_name}"),
            None => match properties.get("strategy").and_then(|property| property["const"].as_str()) {
                Some(strategy) => format!("{path}~{strategy}"),
                None => path.to_owned(),
            },
        };
        assert_eq!(schema["additionalProperties"], false, "{path}");
        tell(&path, properties);
        for (key, property) in properties {
            assert!(key == "type" || property["description"].is_string(), "{path}/{key} is not described");
            collect(property, &format!("{path}/{key}"), tell);
        }
    }
    let inner = &schema["additionalProperties"];
    for alternatives in [&schema["anyOf"], &schema["oneOf"]] {
        for alternative in alternatives.as_array().into_iter().flatten() {
            collect(alternative, path, tell);
        }
    }
    if inner.is_object() {
        collect(inner, &format!("{path}/x"), tell);
    }
}
