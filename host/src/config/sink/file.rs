//! The sink `file`: OTLP/JSON, a line for each request.

use crate::config::decode::{Options, Table};
use crate::config::plan::SinkKind;
use schemars::JsonSchema;
use std::path::PathBuf;

/// Appends traces to a file: OTLP/JSON, a line for each request.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::config) struct File {
    /// The file to append to.
    path: PathBuf,
}

impl Options for File {
    fn read(table: &mut Table<'_, '_>) -> Self {
        File { path: table.required("path", "the path of a file") }
    }
}

impl File {
    pub(super) fn plan(self) -> SinkKind {
        SinkKind::File { path: self.path }
    }
}
