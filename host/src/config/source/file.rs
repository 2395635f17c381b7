//! The source `file`: lines of files that are followed as they grow.

use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::plan::SourcePlan;
use crate::config::planning::Planning;
use crate::config::value::{Choice, Pattern, Whole, Word};
use crate::intake::file::{ReadFrom, Settings};
use schemars::JsonSchema;

/// Reads records from files, one on each line, follows the files as they grow, and remembers how far it has come.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields, extend("required" = ["include"]))]
pub(in crate::config) struct File {
    /// Patterns of the files to read, such as `/var/log/calls/*.ndjson`.
    #[schemars(required, length(min = 1))]
    include: Option<Vec<Pattern>>,
    /// Patterns of files to leave alone.
    exclude: Vec<Pattern>,
    /// Where to begin in a file that is seen for the first time.
    read_from: Choice<ReadFrom>,
    /// Whether positions of earlier runs count for nothing.
    ignore_checkpoints: bool,
    /// The longest line that is taken, in bytes.
    max_line_bytes: Whole<1, 67_108_864>,
    /// How often files are looked for and looked at, in milliseconds.
    glob_minimum_cooldown_ms: Whole<10, 3_600_000>,
}

impl Word for ReadFrom {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("beginning", ReadFrom::Beginning), ("end", ReadFrom::End)]
    }
}

impl Default for File {
    fn default() -> Self {
        File {
            include: None,
            exclude: Vec::new(),
            read_from: Choice(ReadFrom::Beginning),
            ignore_checkpoints: false,
            max_line_bytes: Whole(1_048_576),
            glob_minimum_cooldown_ms: Whole(1000),
        }
    }
}

impl Options for File {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        File {
            include: table.required("include", "a list of file names or patterns like [/var/log/calls/*.ndjson]"),
            exclude: table.take("exclude", default.exclude),
            read_from: table.take("read_from", default.read_from),
            ignore_checkpoints: table.take("ignore_checkpoints", default.ignore_checkpoints),
            max_line_bytes: table.take("max_line_bytes", default.max_line_bytes),
            glob_minimum_cooldown_ms: table.take("glob_minimum_cooldown_ms", default.glob_minimum_cooldown_ms),
        }
    }
}

impl File {
    pub(super) fn plan(self, name: &str, at: At<'_>, planning: &mut Planning<'_, '_>) -> SourcePlan {
        if self.include.as_ref().is_some_and(Vec::is_empty) {
            planning.report.add(at.key("include"), "expected at least one file name or pattern");
        }
        let texts = |patterns: Vec<Pattern>| patterns.into_iter().map(|Pattern(text)| text).collect();
        SourcePlan::File(Settings {
            include: self.include.map(texts).unwrap_or_default(),
            exclude: texts(self.exclude),
            read_from: self.read_from.0,
            ignore_checkpoints: self.ignore_checkpoints,
            line_bytes_max: self.max_line_bytes.size(),
            poll_interval: self.glob_minimum_cooldown_ms.milliseconds(),
            checkpoints: planning.data_dir(at).join(name).join("checkpoints.json"),
        })
    }
}
