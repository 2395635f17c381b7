//! The `sinks` section: where traces go.

mod console;
mod consumer;
mod file;
mod opentelemetry;

use super::component::Kind;
use super::decode::{Options as _, Table};
use super::path::At;
use super::plan::{SinkKind, SinkPlan};
use super::planning::Planning;
use crate::delivery::{Concurrency, Settings as DeliverySettings};
use console::Console;
use consumer::Consumer;
use file::File;
use opentelemetry::Opentelemetry;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use serde_json::Value as Json;

#[derive(Default)]
pub(super) struct Sink {
    backend: Backend,
    consumer: Consumer,
}

enum Backend {
    Opentelemetry(Box<Opentelemetry>),
    File(File),
    Console(Console),
}

impl Kind for Sink {
    const SECTION: &'static str = "sinks";
    const PURPOSE: &'static str = "a place that traces go to";
    const HAS_INPUTS: bool = true;
    const TYPES: &'static [&'static str] = &["opentelemetry", "file", "console"];

    fn read(type_name: &str, table: &mut Table<'_, '_>) -> Option<Self> {
        let backend = match type_name {
            "opentelemetry" => Backend::Opentelemetry(Box::new(Opentelemetry::read(table))),
            "file" => Backend::File(File::read(table)),
            "console" => Backend::Console(Console::read(table)),
            _ => return None,
        };
        Some(Sink { backend, consumer: Consumer::read(table) })
    }

    /// The options of the type, and those of every sink.
    fn schema(type_name: &str, generator: &mut SchemaGenerator) -> Schema {
        let mut schema = match type_name {
            "opentelemetry" => Opentelemetry::json_schema(generator),
            "file" => File::json_schema(generator),
            _ => Console::json_schema(generator),
        };
        let mut consumer = Consumer::json_schema(generator);
        if let (Some(Json::Object(properties)), Some(Json::Object(common))) =
            (schema.ensure_object().get_mut("properties"), consumer.ensure_object().get_mut("properties"))
        {
            properties.append(common);
        }
        schema
    }
}

/// What runs where nothing is configured.
impl Default for Backend {
    fn default() -> Self {
        Backend::Opentelemetry(Box::default())
    }
}

impl Sink {
    /// None where it cannot be planned, which is then reported.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<SinkPlan> {
        let (consumer, delivery) = self.consumer.plan();
        let delivery = DeliverySettings { concurrency: self.backend.concurrency(at, planning), ..delivery };
        Some(SinkPlan { kind: self.backend.plan(at, planning)?, consumer, delivery })
    }
}

/// Batches for a file or a console: there is nobody to be spared.
const LOCAL_CONCURRENCY: Concurrency = Concurrency::Fixed(8);

impl Backend {
    fn concurrency(&self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Concurrency {
        match self {
            Backend::Opentelemetry(sink) => sink.concurrency(at, planning),
            Backend::File(_) | Backend::Console(_) => LOCAL_CONCURRENCY,
        }
    }

    /// None where it cannot be planned, which is then reported.
    fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<SinkKind> {
        match self {
            Backend::Opentelemetry(sink) => sink.plan(at, planning),
            Backend::File(sink) => Some(sink.plan()),
            Backend::Console(sink) => Some(sink.plan()),
        }
    }
}
