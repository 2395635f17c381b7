//! What the guest declares, and the indices by which the rest of it refers to the declarations.

use crate::exports::callspan::transform::plugin::{AttributeDefinition, Description, MetricDefinition};
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const SERVICE_NAME: u32 = 0;
pub(crate) const TEXT: u32 = 1;
pub(crate) const INT: u32 = 2;
pub(crate) const ENTRIES: u32 = 3;
pub(crate) const PHONE: u32 = 4;
/// Declared with a sensitivity no host knows, so it must never be seen outside.
pub(crate) const SECRET: u32 = 5;
pub(crate) const TEXTS: u32 = 6;
pub(crate) const DOUBLE: u32 = 7;
/// The first of many that differ in their number only.
pub(crate) const NUMBERED: u32 = 8;
/// One past the last: refers to nothing.
pub(crate) const UNDECLARED: u32 = NUMBERED + 1_000;

pub(crate) const WORK: u32 = 0;
pub(crate) const PART: u32 = 1;
pub(crate) const UNDECLARED_NAME: u32 = 2;

pub(crate) const TICK: u32 = 0;
pub(crate) const UNDECLARED_EVENT: u32 = 1;

/// How often it was asked.
static CALLS: AtomicU32 = AtomicU32::new(0);

const OPTIONS_SCHEMA: &str = r#"{"type":"object","properties":{"refuse":{"type":"boolean"},"obey":{"type":"boolean"}},"additionalProperties":false}"#;

/// The description, with this wrong in it.
pub(crate) fn description(fault: &str) -> Description {
    let mut description = faultless();
    let first = description.attributes[0].clone();
    match fault {
        "no-name" => description.name.clear(),
        "bad-name" => description.name = "Obedient\u{1b}[2J".into(),
        "long-name" => description.name = "o".repeat(65),
        "no-version" => description.version.clear(),
        "bad-version" => description.version = "0.1\n0".into(),
        "repeated-attribute" => description.attributes.push(first),
        "empty-attribute" => description.attributes[1].key.clear(),
        "long-attribute" => description.attributes[1].key = "a".repeat(257),
        "unknown-value-type" => description.attributes[1].value_type = "timestamp".into(),
        "too-many-attributes" => {
            description.attributes.extend((0..1_024).map(|number| attribute(&format!("a{number}"), "int", "none")));
        }
        "repeated-span-name" => description.span_names.push("work".into()),
        "bad-span-name" => description.span_names.push("work\n".into()),
        "too-many-span-names" => description.span_names = (0..1_025).map(|number| format!("work {number}")).collect(),
        "repeated-event" => description.events.push("tick".into()),
        "metric-of-nothing" => description.metrics[0].spans = vec![UNDECLARED_NAME],
        "metric-without-measure" => description.metrics[0].measure = "guess".into(),
        "repeated-metric" => description.metrics.push(description.metrics[0].clone()),
        "schema-no-json" => description.options_schema = "{".into(),
        "schema-no-schema" => description.options_schema = "7".into(),
        "huge-schema" => description.options_schema = " ".repeat(64 << 20),
        "version-2" | "other-values" | "traps" | "refuses" => description.version = "0.2.0".into(),
        "changing" if CALLS.fetch_add(1, Ordering::Relaxed) > 0 => {
            description.version = "0.2.0".into();
            description.attributes.truncate(1);
        }
        "not-printable" => description.attributes[1].brief = "\u{1b}[2J".into(),
        _ => {}
    }
    description
}

fn faultless() -> Description {
    let mut attributes = vec![
        attribute("service.name", "text", "none"),
        attribute("obedient.text", "text", "none"),
        attribute("obedient.int", "int", "none"),
        attribute("obedient.entries", "entries", "none"),
        attribute("obedient.phone", "text", "phone"),
        attribute("obedient.secret", "text", "not-a-sensitivity"),
        attribute("obedient.texts", "texts", "none"),
        attribute("obedient.double", "double", "none"),
    ];
    let numbered = (NUMBERED..UNDECLARED).map(|number| attribute(&format!("obedient.number.{number}"), "int", "none"));
    attributes.extend(numbered);
    Description {
        name: "obedient".into(),
        version: "0.1.0".into(),
        schema_url: None,
        attributes,
        span_names: vec!["work".into(), "part".into()],
        events: vec!["tick".into()],
        metrics: vec![MetricDefinition {
            name: "obedient.work".into(),
            unit: "{work}".into(),
            brief: "Work done.".into(),
            measure: "count".into(),
            spans: vec![WORK],
            attribute: None,
            dimensions: vec![],
        }],
        options_schema: OPTIONS_SCHEMA.into(),
        extensions: vec![],
    }
}

fn attribute(key: &str, value_type: &str, sensitivity: &str) -> AttributeDefinition {
    AttributeDefinition {
        key: key.into(),
        value_type: value_type.into(),
        sensitivity: sensitivity.into(),
        brief: "For tests.".into(),
        examples: vec![],
    }
}
