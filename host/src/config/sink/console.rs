//! The sink `console`: traces on the standard output or error, for people.

use crate::config::decode::{Options, Table};
use crate::config::plan::{ConsoleCodec, ConsoleTarget, SinkKind};
use crate::config::value::{Choice, Word};
use schemars::JsonSchema;

/// Writes traces to the standard output or error.
#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(in crate::config) struct Console {
    /// The stream to write to.
    target: Choice<ConsoleTarget>,
    /// How a trace is written.
    encoding: Encoding,
}

#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Encoding {
    /// `waterfall` is drawn for people; `json` is OTLP/JSON on one line.
    codec: Choice<ConsoleCodec>,
}

impl Word for ConsoleTarget {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("stdout", ConsoleTarget::Stdout), ("stderr", ConsoleTarget::Stderr)]
    }
}

impl Word for ConsoleCodec {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("waterfall", ConsoleCodec::Waterfall), ("json", ConsoleCodec::Json)]
    }
}

impl Options for Console {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Console { target: table.take("target", default.target), encoding: table.take("encoding", default.encoding) }
    }
}

impl Options for Encoding {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Encoding { codec: table.take("codec", Choice::default()) }
    }
}

impl Console {
    pub(super) fn plan(self) -> SinkKind {
        SinkKind::Console { target: self.target.0, codec: self.encoding.codec.0 }
    }
}
