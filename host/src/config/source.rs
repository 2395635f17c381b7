//! The `sources` section: where records come from.

mod file;
mod http_server;
mod keepalive;
mod limits;
mod opentelemetry;
mod stdin;
mod tls;

use super::component::Kind;
use super::decode::{Options as _, Table};
use super::path::At;
use super::plan::SourcePlan;
use super::planning::Planning;
use file::File;
use http_server::HttpServer;
use opentelemetry::Opentelemetry;
use schemars::{JsonSchema as _, Schema, SchemaGenerator};
use stdin::Stdin;

pub(super) enum Source {
    HttpServer(Box<HttpServer>),
    Opentelemetry(Box<Opentelemetry>),
    File(File),
    Stdin(Stdin),
}

impl Kind for Source {
    const SECTION: &'static str = "sources";
    const PURPOSE: &'static str = "a source of records";
    const HAS_INPUTS: bool = false;
    const TYPES: &'static [&'static str] = &["http_server", "opentelemetry", "file", "stdin"];

    fn read(type_name: &str, table: &mut Table<'_, '_>) -> Option<Self> {
        Some(match type_name {
            "http_server" => Source::HttpServer(Box::new(HttpServer::read(table))),
            "opentelemetry" => Source::Opentelemetry(Box::new(Opentelemetry::read(table))),
            "file" => Source::File(File::read(table)),
            "stdin" => Source::Stdin(Stdin::read(table)),
            _ => return None,
        })
    }

    fn schema(type_name: &str, generator: &mut SchemaGenerator) -> Schema {
        match type_name {
            "http_server" => HttpServer::json_schema(generator),
            "opentelemetry" => Opentelemetry::json_schema(generator),
            "file" => File::json_schema(generator),
            _ => Stdin::json_schema(generator),
        }
    }
}

/// What runs where nothing is configured.
impl Default for Source {
    fn default() -> Self {
        Source::HttpServer(Box::default())
    }
}

impl Source {
    pub(super) fn plan(self, name: &str, at: At<'_>, planning: &mut Planning<'_, '_>) -> SourcePlan {
        match self {
            Source::HttpServer(source) => source.plan(at, planning),
            Source::Opentelemetry(source) => source.plan(at, planning),
            Source::File(source) => source.plan(name, at, planning),
            Source::Stdin(source) => source.plan(),
        }
    }
}
