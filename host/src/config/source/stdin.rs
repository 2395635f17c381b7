//! The source `stdin`: the standard input, until it ends.

use crate::config::decode::{Options, Table};
use crate::config::plan::SourcePlan;
use crate::config::value::Whole;
use crate::intake::stdin::Settings;
use schemars::JsonSchema;

/// Reads records from the standard input: NDJSON, an array or documents, also gzipped, until it ends.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(in crate::config) struct Stdin {
    /// The largest record that is taken, in bytes.
    max_length: Whole<1, 67_108_864>,
}

impl Default for Stdin {
    fn default() -> Self {
        Stdin { max_length: Whole(1_048_576) }
    }
}

impl Options for Stdin {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Stdin { max_length: table.take("max_length", Self::default().max_length) }
    }
}

impl Stdin {
    pub(super) fn plan(self) -> SourcePlan {
        SourcePlan::Stdin(Settings { record_bytes_max: self.max_length.size() })
    }
}
