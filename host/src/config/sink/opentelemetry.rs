//! The sink `opentelemetry`: a backend that speaks OTLP. What the file leaves out comes from the standard variables.

use crate::config::decode::{Decode, Options, Table, text};
use crate::config::document::{Node, Value};
use crate::config::path::At;
use crate::config::plan::SinkKind;
use crate::config::planning::Planning;
use crate::config::problem::{Problem, Report};
use crate::config::secret_file;
use crate::config::value::{Choice, Whole, Word};
use crate::export::{Compression, EndpointSettings, Protocol};
use crate::secret::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Sends traces to a backend that speaks OTLP. What is left out comes from the variables OTEL_EXPORTER_OTLP_TRACES_…
/// and OTEL_EXPORTER_OTLP_….
#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(in crate::config) struct Opentelemetry {
    /// The backend's address, by default http://localhost:4317 for gRPC and http://localhost:4318 for HTTP. For HTTP,
    /// an address without a path gets `/v1/traces`.
    endpoint: Option<String>,
    /// The protocol to speak, by default grpc.
    protocol: Option<Choice<Protocol>>,
    /// Headers to send with every request. Their values are shown nowhere.
    headers: Option<BTreeMap<String, HeaderText>>,
    /// How requests are compressed, by default none.
    compression: Option<Choice<Compression>>,
    /// What one request is held to.
    request: Request,
}

#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Request {
    /// How long the backend may take to answer, in seconds, by default 10.
    timeout_secs: Option<Whole<1, 600>>,
}

/// The value of a header.
enum HeaderText {
    Here(Secret),
    InFile(HeaderFile),
}

/// A value that stands in a file.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HeaderFile {
    /// The file that holds the value.
    file: PathBuf,
}

impl Word for Protocol {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("grpc", Protocol::Grpc), ("http/protobuf", Protocol::HttpProtobuf), ("http/json", Protocol::HttpJson)]
    }
}

impl Word for Compression {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("none", Compression::None), ("gzip", Compression::Gzip)]
    }
}

impl Options for Opentelemetry {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Opentelemetry {
            endpoint: table.take("endpoint", None),
            protocol: table.take("protocol", None),
            headers: table.take("headers", None),
            compression: table.take("compression", None),
            request: table.take("request", Request::default()),
        }
    }
}

impl Options for Request {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Request { timeout_secs: table.take("timeout_secs", None) }
    }
}

impl Options for HeaderFile {
    fn read(table: &mut Table<'_, '_>) -> Self {
        HeaderFile { file: table.required("file", "the path of a file") }
    }
}

impl Decode for HeaderText {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        match node.value {
            Value::Table(_) => HeaderFile::decode(node, at, report).map(HeaderText::InFile),
            Value::Scalar(_) => Secret::decode(node, at, report).map(HeaderText::Here),
            Value::List(_) => {
                let _none = text(node, at, report, "a text or `{ file: … }`");
                None
            }
        }
    }
}

impl JsonSchema for HeaderText {
    fn schema_name() -> Cow<'static, str> {
        "HeaderText".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "string" }, HeaderFile::json_schema(generator)] })
    }
}

impl Opentelemetry {
    /// None where something is wrong with it, which is then reported.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<SinkKind> {
        let headers_at = at.key("headers");
        let headers = self.headers.map(|headers| {
            let read = |(name, value): (String, HeaderText)| {
                let secret = match value {
                    HeaderText::Here(secret) => Some(secret),
                    HeaderText::InFile(HeaderFile { file }) => {
                        secret_file::read_text(&file, headers_at.key(&name).key("file"), planning.report)
                    }
                };
                secret.map(|secret| (name, secret))
            };
            headers.into_iter().filter_map(read).collect()
        });
        let settings = EndpointSettings {
            endpoint: self.endpoint,
            protocol: self.protocol.map(|Choice(protocol)| protocol),
            headers,
            timeout: self.request.timeout_secs.map(Whole::seconds),
            compression: self.compression.map(|Choice(compression)| compression),
        };
        match settings.resolve(planning.variable) {
            Ok(endpoint) => Some(SinkKind::Opentelemetry(Box::new(endpoint))),
            Err(unusable) => {
                for unusable in unusable.0 {
                    match unusable.name.as_str() {
                        key @ ("endpoint" | "headers") => planning.report.add(at.key(key), unusable.problem),
                        variable => planning.report.extend([Problem::new(variable, unusable.problem)]),
                    }
                }
                None
            }
        }
    }
}
