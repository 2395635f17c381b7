//! The sink `opentelemetry`: a backend that speaks OTLP. What the file leaves out comes from the standard variables.

mod auth;
mod request;
mod tls;

use crate::config::decode::{Decode, Options, Table, text};
use crate::config::document::{Node, Value};
use crate::config::path::At;
use crate::config::plan::{BackendPlan, SinkKind};
use crate::config::planning::Planning;
use crate::config::problem::{Problem, Report};
use crate::config::value::{Choice, Whole, Word};
use crate::delivery::Concurrency;
use crate::export::{Compression, EndpointSettings, Protocol, UnusableSettings};
use crate::secret::{Secret, SecretSource};
use auth::Auth;
use request::Request;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tls::Tls;

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
    /// Headers to send with every request. Their values are shown nowhere; those in files are read again on change.
    headers: Option<BTreeMap<String, HeaderText>>,
    /// Who this service shows that it is; nobody, if this is left out.
    auth: Option<Auth>,
    /// How connections are secured, where the address begins with https://.
    tls: Tls,
    /// How requests are compressed, by default none.
    compression: Option<Choice<Compression>>,
    /// What requests are held to.
    request: Request,
    /// What is looked at when the service starts.
    healthcheck: Healthcheck,
}

#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Healthcheck {
    /// Whether it is looked if the backend can be reached; the service starts in any case, and nothing is sent.
    enabled: bool,
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
        vec![("none", Compression::None), ("gzip", Compression::Gzip), ("zstd", Compression::Zstd)]
    }
}

impl Options for Opentelemetry {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Opentelemetry {
            endpoint: table.take("endpoint", None),
            protocol: table.take("protocol", None),
            headers: table.take("headers", None),
            auth: table.take("auth", None),
            tls: table.take("tls", Tls::default()),
            compression: table.take("compression", None),
            request: table.take("request", Request::default()),
            healthcheck: table.take("healthcheck", Healthcheck::default()),
        }
    }
}

impl Default for Healthcheck {
    fn default() -> Self {
        Healthcheck { enabled: true }
    }
}

impl Options for Healthcheck {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Healthcheck { enabled: table.take("enabled", Self::default().enabled) }
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
    pub(super) fn concurrency(&self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Concurrency {
        self.request.concurrency(at.key("request"), planning)
    }

    /// None where something is wrong with it, which is then reported.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<SinkKind> {
        let token = self.auth.and_then(|auth| auth.plan(at.key("auth"), planning));
        let settings = EndpointSettings {
            endpoint: self.endpoint,
            protocol: self.protocol.map(|Choice(protocol)| protocol),
            headers: self
                .headers
                .map(|headers| headers.into_iter().map(|(name, text)| (name, text.source())).collect()),
            token,
            tls: self.tls.settings(),
            timeout: self.request.timeout_secs.map(Whole::seconds),
            compression: self.compression.map(|Choice(compression)| compression),
        };
        let endpoint = settings.resolve(planning.variable).and_then(|endpoint| {
            if planning.report.checks_environment {
                endpoint.check_files()?;
            }
            Ok(endpoint)
        });
        let endpoint = endpoint.map_err(|unusable| report(unusable, at, planning)).ok()?;
        Some(SinkKind::Opentelemetry(Box::new(BackendPlan {
            endpoint,
            request_bytes_max: self.request.max_bytes.size(),
            has_healthcheck: self.healthcheck.enabled,
        })))
    }
}

impl HeaderText {
    fn source(self) -> SecretSource {
        match self {
            HeaderText::Here(secret) => SecretSource::Text(secret),
            HeaderText::InFile(HeaderFile { file }) => SecretSource::File(file),
        }
    }
}

/// Where each of them stands in the file, or under the name of its variable.
fn report(unusable: UnusableSettings, at: At<'_>, planning: &mut Planning<'_, '_>) {
    for unusable in unusable.0 {
        let (name, problem) = (unusable.name.as_str(), unusable.problem);
        let in_headers = name.strip_prefix("headers.").and_then(|rest| rest.strip_suffix(".file"));
        match (name.split_once('.'), in_headers) {
            // A header's name may have dots in it.
            (_, Some(header)) => planning.report.add(at.key("headers").key(header).key("file"), problem),
            (Some((table, key)), None) => planning.report.add(at.key(table).key(key), problem),
            (None, None) if name.starts_with("OTEL_") => planning.report.extend([Problem::new(name, problem)]),
            (None, None) => planning.report.add(at.key(name), problem),
        }
    }
}
