//! What a record asks for.

use crate::exports::callspan::transform::plugin::Input;
use serde_json::Value;

#[derive(Default)]
pub(crate) struct Record {
    pub(crate) command: String,
    /// Names the trace, so that neighbours can be told apart.
    pub(crate) id: String,
    /// How much of it: each command has its own default.
    pub(crate) count: Option<usize>,
    pub(crate) metadata: Vec<(String, String)>,
}

impl Record {
    /// Bytes that are no JSON ask for nothing, and get the default.
    pub(crate) fn read(input: &Input) -> Self {
        let fields: Value = serde_json::from_slice(&input.body).unwrap_or_default();
        let text = |name: &str| match &fields[name] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        Self {
            command: text("do"),
            id: text("id"),
            count: fields["count"].as_u64().and_then(|count| usize::try_from(count).ok()),
            metadata: input.metadata.clone(),
        }
    }

    pub(crate) fn is(&self, command: &str) -> bool {
        self.command == command
    }

    pub(crate) fn count_or(&self, default: usize) -> usize {
        self.count.unwrap_or(default)
    }
}
