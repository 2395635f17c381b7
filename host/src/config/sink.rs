//! The `sinks` section: where traces go.

mod console;
mod file;
mod opentelemetry;

use super::component::Kind;
use super::decode::{Options as _, Table};
use super::path::At;
use super::plan::SinkPlan;
use super::planning::Planning;
use console::Console;
use file::File;
use opentelemetry::Opentelemetry;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};

pub(super) enum Sink {
    Opentelemetry(Opentelemetry),
    File(File),
    Console(Console),
}

impl Kind for Sink {
    const SECTION: &'static str = "sinks";
    const PURPOSE: &'static str = "a place that traces go to";
    const HAS_INPUTS: bool = true;
    const TYPES: &'static [&'static str] = &["opentelemetry", "file", "console"];

    fn read(type_name: &str, table: &mut Table<'_, '_>) -> Option<Self> {
        Some(match type_name {
            "opentelemetry" => Sink::Opentelemetry(Opentelemetry::read(table)),
            "file" => Sink::File(File::read(table)),
            "console" => Sink::Console(Console::read(table)),
            _ => return None,
        })
    }

    fn schema(type_name: &str, generator: &mut SchemaGenerator) -> Schema {
        match type_name {
            "opentelemetry" => Opentelemetry::json_schema(generator),
            "file" => File::json_schema(generator),
            _ => Console::json_schema(generator),
        }
    }
}

/// What runs where nothing is configured.
impl Default for Sink {
    fn default() -> Self {
        Sink::Opentelemetry(Opentelemetry::default())
    }
}

impl Sink {
    /// None where it cannot be planned, which is then reported.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<SinkPlan> {
        match self {
            Sink::Opentelemetry(sink) => sink.plan(at, planning),
            Sink::File(sink) => Some(sink.plan()),
            Sink::Console(sink) => Some(sink.plan()),
        }
    }
}
