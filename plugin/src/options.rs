//! What an operator can choose, read from JSON. All that is wrong with it is reported at once.

use crate::bindings::Diagnostic;
use serde_json::Value;

/// The choices, with the defaults of the mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `service.name` of the session, and the first part of a team's.
    pub(crate) service_name: String,
    /// Whether a participant's `service.name` ends in its skill group.
    pub(crate) service_per_skill_group: bool,
    /// A constant `host.name`: Jaeger wants one on spans that leave their parent.
    pub(crate) host_name: Option<String>,
    /// Whether the IVR and the queue get spans of their own.
    pub(crate) phases: bool,
    pub(crate) errors: Errors,
    pub(crate) limits: Limits,
}

/// Which outcomes set the span status to error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errors {
    /// Faults of a machine, and agents that missed a call.
    Faults,
    /// Those, and calls in which the two sides never spoke.
    NotConnected,
    None,
}

/// How much of a record is read and kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A larger body is refused.
    pub(crate) body_bytes_max: usize,
    /// A body with more arrays and objects inside each other is refused.
    pub(crate) depth_max: usize,
    /// Further elements of the list of participants are counted, not mapped.
    pub(crate) participants_max: usize,
    /// Further keys of a list of pressed keys are counted, not mapped.
    pub(crate) ivr_keys_max: usize,
    /// Longer text is cut.
    pub(crate) text_bytes_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            service_name: "tccc".to_owned(),
            service_per_skill_group: true,
            host_name: None,
            phases: true,
            errors: Errors::Faults,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes_max: 1024 * 1024,
            depth_max: 64,
            participants_max: 256,
            ivr_keys_max: 64,
            text_bytes_max: 1024,
        }
    }
}

/// JSON Schema of the options; [`Options::parse`] holds the same bounds, and a test holds the two together.
pub(crate) const SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Options of the Tencent Cloud Contact Center mapping",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "service_name": { "type": "string", "minLength": 1, "maxLength": 255, "default": "tccc", "description": "service.name of the session, and the first part of a team's" },
    "service_per_skill_group": { "type": "boolean", "default": true, "description": "whether a participant's service.name ends in its skill group" },
    "host_name": { "type": "string", "minLength": 1, "maxLength": 255, "description": "a constant host.name: Jaeger wants one on spans that leave their parent" },
    "phases": { "type": "boolean", "default": true, "description": "whether the IVR and the queue get spans of their own" },
    "errors": { "enum": ["faults", "not_connected", "none"], "default": "faults", "description": "which outcomes set the span status to error: faults of a machine and missed calls, those and calls in which the two sides never spoke, or none" },
    "limits": {
      "type": "object",
      "additionalProperties": false,
      "properties": {
        "body_bytes_max": { "type": "integer", "minimum": 1, "maximum": 8388608, "default": 1048576, "description": "a larger record is refused" },
        "depth_max": { "type": "integer", "minimum": 1, "maximum": 128, "default": 64, "description": "a record with more arrays and objects inside each other is refused" },
        "participants_max": { "type": "integer", "minimum": 0, "maximum": 4096, "default": 256, "description": "further participants are counted, not mapped" },
        "ivr_keys_max": { "type": "integer", "minimum": 0, "maximum": 4096, "default": 64, "description": "further pressed keys are counted, not mapped" },
        "text_bytes_max": { "type": "integer", "minimum": 16, "maximum": 65536, "default": 1024, "description": "longer text is cut between two characters" }
      }
    }
  }
}"#;

impl Options {
    /// Reads options from JSON; empty text stands for none.
    ///
    /// # Errors
    /// Everything that is wrong, each with the JSON Pointer of its place.
    pub fn parse(text: &str) -> Result<Options, Vec<Diagnostic>> {
        let mut options = Options::default();
        if text.trim().is_empty() {
            return Ok(options);
        }
        let given = serde_json::from_str::<Value>(text)
            .map_err(|error| vec![Diagnostic { path: String::new(), message: format!("not JSON: {error}") }])?;
        let mut reading = Reading::default();
        reading.object(
            "",
            &given,
            &["service_name", "service_per_skill_group", "host_name", "phases", "errors", "limits"],
            |reading, name, path, value| match name {
                "service_name" => reading.text(path, value, |name| options.service_name = name),
                "service_per_skill_group" => reading.boolean(path, value, &mut options.service_per_skill_group),
                "host_name" => reading.text(path, value, |name| options.host_name = Some(name)),
                "phases" => reading.boolean(path, value, &mut options.phases),
                "errors" => match value.as_str() {
                    Some("faults") => options.errors = Errors::Faults,
                    Some("not_connected") => options.errors = Errors::NotConnected,
                    Some("none") => options.errors = Errors::None,
                    _ => reading.wrong(path, "expected `faults`, `not_connected` or `none`"),
                },
                _ => reading.limits(path, value, &mut options.limits),
            },
        );
        if reading.diagnostics.is_empty() { Ok(options) } else { Err(reading.diagnostics) }
    }
}

/// The reading of one set of options, with what was found wrong so far.
#[derive(Default)]
struct Reading {
    diagnostics: Vec<Diagnostic>,
}

impl Reading {
    fn limits(&mut self, path: &str, value: &Value, limits: &mut Limits) {
        self.object(
            path,
            value,
            &["body_bytes_max", "depth_max", "participants_max", "ivr_keys_max", "text_bytes_max"],
            |reading, name, path, value| match name {
                "body_bytes_max" => reading.number(path, value, 1, 8 * 1024 * 1024, &mut limits.body_bytes_max),
                "depth_max" => reading.number(path, value, 1, 128, &mut limits.depth_max),
                "participants_max" => reading.number(path, value, 0, 4096, &mut limits.participants_max),
                "ivr_keys_max" => reading.number(path, value, 0, 4096, &mut limits.ivr_keys_max),
                _ => reading.number(path, value, 16, 65536, &mut limits.text_bytes_max),
            },
        );
    }

    /// Hands each member of an object that has one of these names to `read`.
    fn object(
        &mut self,
        path: &str,
        value: &Value,
        names: &[&str],
        mut read: impl FnMut(&mut Reading, &str, &str, &Value),
    ) {
        let Some(members) = value.as_object() else {
            return self.wrong(path, "expected an object");
        };
        for (name, value) in members {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            if names.contains(&name.as_str()) {
                read(self, name, &path, value);
            } else {
                self.wrong(&path, &format!("unknown option; the options here are {}", names.join(", ")));
            }
        }
    }

    fn text(&mut self, path: &str, value: &Value, set: impl FnOnce(String)) {
        match value.as_str() {
            Some(text) if (1..=255).contains(&text.chars().count()) => set(text.to_owned()),
            _ => self.wrong(path, "expected text of 1 to 255 characters"),
        }
    }

    fn boolean(&mut self, path: &str, value: &Value, target: &mut bool) {
        match value.as_bool() {
            Some(truth) => *target = truth,
            None => self.wrong(path, "expected true or false"),
        }
    }

    fn number(&mut self, path: &str, value: &Value, min: usize, max: usize, target: &mut usize) {
        match value.as_u64().and_then(|number| usize::try_from(number).ok()) {
            Some(number) if (min..=max).contains(&number) => *target = number,
            _ => self.wrong(path, &format!("expected a whole number from {min} to {max}")),
        }
    }

    fn wrong(&mut self, path: &str, message: &str) {
        self.diagnostics.push(Diagnostic { path: path.to_owned(), message: message.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(text: &str) -> Vec<String> {
        Options::parse(text).err().unwrap_or_default().into_iter().map(|diagnostic| diagnostic.path).collect()
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        assert_eq!(Options::parse(""), Ok(Options::default()));
        assert_eq!(Options::parse("{}"), Ok(Options::default()));
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let text = r#"{"service_name": "", "phases": 1, "errors": "all", "fases": true, "a/b": 1, "limits": {"depth_max": 129, "text_bytes_max": 15, "body_bytes_max": -1, "keys": 1}}"#;
        let mut found = paths(text);
        found.sort();
        assert_eq!(
            found,
            [
                "/a~1b",
                "/errors",
                "/fases",
                "/limits/body_bytes_max",
                "/limits/depth_max",
                "/limits/keys",
                "/limits/text_bytes_max",
                "/phases",
                "/service_name"
            ]
        );
    }

    #[test]
    fn text_that_is_no_json_has_the_empty_path() {
        assert_eq!(paths("{"), [""]);
        assert_eq!(paths("[]"), [""]);
    }

    /// Follows the schema: each property with its bounds is tried on both sides.
    #[test]
    fn the_schema_and_the_reading_agree() {
        let schema: Value = serde_json::from_str(SCHEMA).expect("the schema is JSON");
        let properties = |schema: &Value| schema["properties"].as_object().expect("an object has properties").clone();
        let mut tried = 0;
        for (name, property) in properties(&schema) {
            if let Some(default) = property.get("default") {
                assert_eq!(Options::parse(&format!("{{\"{name}\": {default}}}")), Ok(Options::default()), "{name}");
            }
            assert_eq!(paths(&format!("{{\"{name}\": []}}")), [format!("/{name}")]);
            if name == "limits" {
                for (name, limit) in properties(&property) {
                    let is_accepted =
                        |number: i64| paths(&format!("{{\"limits\": {{\"{name}\": {number}}}}}")).is_empty();
                    let bound = |bound: &str| limit[bound].as_i64().expect("a limit has bounds");
                    assert!(is_accepted(bound("minimum")) && is_accepted(bound("maximum")), "{name}");
                    assert!(!is_accepted(bound("minimum") - 1) && !is_accepted(bound("maximum") + 1), "{name}");
                    let default = format!("{{\"limits\": {{\"{name}\": {}}}}}", bound("default"));
                    assert_eq!(Options::parse(&default), Ok(Options::default()), "{name}");
                    tried += 1;
                }
            }
        }
        assert_eq!(tried, 5);
    }
}
