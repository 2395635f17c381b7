//! The configuration file: YAML in the shape of Vector's, with a source, a transform and a sink joined by `inputs`.
//!
//! Every part may be left out, and has defaults that serve. This version runs one source, one transform and one sink.

pub mod plan;
mod privacy;

use crate::export::{Endpoint, Protocol, Unusable};
use crate::span::{Attribute, Value};
use crate::transform::{Settings, Source};
use privacy::PrivacyConfig;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Where a source listens unless it is told otherwise: on this machine alone.
pub const ADDRESS_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// The file, as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    sources: BTreeMap<String, SourceConfig>,
    transforms: BTreeMap<String, TransformConfig>,
    sinks: BTreeMap<String, SinkConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum SourceConfig {
    /// Takes the vendor's push over HTTP.
    HttpServer {
        #[serde(default)]
        address: Option<String>,
        #[serde(default)]
        path: Option<String>,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum TransformConfig {
    /// Maps records with a plugin.
    Plugin {
        #[serde(default)]
        inputs: Vec<String>,
        #[serde(default)]
        plugin: Option<String>,
        #[serde(default)]
        options: Option<serde_json::Value>,
        #[serde(default)]
        resource: BTreeMap<String, String>,
        #[serde(default)]
        privacy: PrivacyConfig,
    },
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum SinkConfig {
    /// Sends traces to a backend that speaks OTLP.
    Opentelemetry {
        #[serde(default)]
        inputs: Vec<String>,
        #[serde(default)]
        endpoint: Option<String>,
        #[serde(default)]
        protocol: Option<String>,
        #[serde(default)]
        headers: BTreeMap<String, String>,
        #[serde(default)]
        timeout_secs: Option<u64>,
    },
    /// Draws each trace on the standard output.
    Console {
        #[serde(default)]
        inputs: Vec<String>,
    },
}

/// What a command line says over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    pub address: Option<SocketAddr>,
    pub plugin: Option<String>,
    /// JSON.
    pub options: Option<String>,
    /// A choice for every class that can be that.
    pub privacy: Option<String>,
}

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub address: SocketAddr,
    pub path: String,
    pub source: Source,
    pub settings: Settings,
    pub sink: Sink,
}

impl Plan {
    pub fn adapted(self) -> plan::Plan {
        use plan::{Part, SinkPlan, SourcePlan, TransformPlan};
        plan::Plan {
            admin: None,
            graceful_shutdown_limit: Duration::from_secs(25),
            sources: vec![Part {
                name: "tccc".into(),
                inputs: vec![],
                plan: SourcePlan::HttpServer {
                    address: self.address,
                    settings: crate::intake::http_server::Settings { path: self.path, ..Default::default() },
                    connections: Default::default(),
                },
            }],
            transforms: vec![Part {
                name: "calls".into(),
                inputs: vec!["tccc".into()],
                plan: TransformPlan { plugin: self.source, settings: self.settings },
            }],
            sinks: vec![Part {
                name: "backend".into(),
                inputs: vec!["calls".into()],
                plan: match self.sink {
                    Sink::Backend(e) => SinkPlan::Opentelemetry(e),
                    Sink::Console => SinkPlan::Console { target: Default::default(), codec: Default::default() },
                },
            }],
        }
    }
}

/// Where traces go.
#[derive(Clone, Debug)]
pub enum Sink {
    Backend(Box<Endpoint>),
    Console,
}

/// Everything that is wrong with a configuration.
#[derive(Debug)]
pub struct ConfigError(Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is not of this shape.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| ConfigError(vec![format!("read {}: {error}", path.display())]))?;
        Config::parse(&text).map_err(|ConfigError(problems)| {
            ConfigError(problems.into_iter().map(|problem| format!("{}: {problem}", path.display())).collect())
        })
    }

    /// Reads YAML; an empty text stands for a file that leaves everything out.
    ///
    /// # Errors
    /// When the text is not of this shape.
    pub fn parse(text: &str) -> Result<Config, ConfigError> {
        if text.trim().is_empty() {
            return Ok(Config::default());
        }
        serde_saphyr::from_str(text).map_err(|error| ConfigError(vec![error.to_string()]))
    }

    /// What this configuration wants, under what the command line and the environment say.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn plan(self, overrides: &Overrides, variable: impl Fn(&str) -> Option<String>) -> Result<Plan, ConfigError> {
        let mut problems = Vec::new();
        let (source_name, source) = only("sources", self.sources, &mut problems).unzip();
        let (transform_name, transform) = only("transforms", self.transforms, &mut problems).unzip();
        let (_, sink) = only("sinks", self.sinks, &mut problems).unzip();
        let (address, path) = plan_source(source, overrides, &mut problems);
        let (source, settings) = plan_transform(transform, source_name, overrides, &variable, &mut problems);
        let sink = plan_sink(sink, transform_name, &variable, &mut problems);
        match sink {
            Some(sink) if problems.is_empty() => Ok(Plan { address, path, source, settings, sink }),
            _ => Err(ConfigError(problems)),
        }
    }

    /// The transform alone, for commands that have no source and no sink.
    ///
    /// # Errors
    /// Everything that is wrong with it, at once.
    pub fn plan_transform(
        self,
        overrides: &Overrides,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<(Source, Settings), ConfigError> {
        let mut problems = Vec::new();
        let (source_name, _) = only("sources", self.sources, &mut problems).unzip();
        let (_, transform) = only("transforms", self.transforms, &mut problems).unzip();
        let planned = plan_transform(transform, source_name, overrides, &variable, &mut problems);
        if problems.is_empty() { Ok(planned) } else { Err(ConfigError(problems)) }
    }
}

/// The one entry of a section, if it has one.
fn only<T>(section: &str, entries: BTreeMap<String, T>, problems: &mut Vec<String>) -> Option<(String, T)> {
    if entries.len() > 1 {
        let names: Vec<&str> = entries.keys().map(String::as_str).collect();
        problems.push(format!("{section}: this version runs one, and there are {}: {}", names.len(), names.join(", ")));
    }
    entries.into_iter().next()
}

/// A part that names its inputs names the part before it.
fn check_inputs(path: &str, inputs: &[String], before: Option<&String>, problems: &mut Vec<String>) {
    for input in inputs.iter().filter(|input| Some(*input) != before) {
        let known = before
            .map_or_else(|| "there is nothing it could name".to_owned(), |name| format!("it can only name {name}"));
        problems.push(format!("{path}.inputs: `{input}` does not come before it; {known}"));
    }
}

fn plan_source(
    source: Option<SourceConfig>,
    overrides: &Overrides,
    problems: &mut Vec<String>,
) -> (SocketAddr, String) {
    let (address, path) = match source {
        Some(SourceConfig::HttpServer { address, path }) => (address, path),
        None => (None, None),
    };
    let configured = address.and_then(|address| match address.parse() {
        Ok(address) => Some(address),
        Err(_) => {
            problems.push(format!(
                "sources: address: expected an address and a port like {ADDRESS_DEFAULT}, not `{address}`"
            ));
            None
        }
    });
    let path = path.unwrap_or_else(|| "/".to_owned());
    if !path.starts_with('/') {
        problems.push(format!("sources: path: expected a path that starts with a slash, not `{path}`"));
    }
    (overrides.address.or(configured).unwrap_or(ADDRESS_DEFAULT), path)
}

fn plan_transform(
    transform: Option<TransformConfig>,
    source_name: Option<String>,
    overrides: &Overrides,
    variable: &impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> (Source, Settings) {
    let (plugin, options, resource, privacy) = match transform {
        Some(TransformConfig::Plugin { inputs, plugin, options, resource, privacy }) => {
            check_inputs("transforms", &inputs, source_name.as_ref(), problems);
            (plugin, options, resource, privacy)
        }
        None => (None, None, BTreeMap::new(), PrivacyConfig::default()),
    };
    let plugin = overrides.plugin.clone().or(plugin);
    let settings = Settings {
        options: overrides.options.clone().or_else(|| options.map(|options| options.to_string())).unwrap_or_default(),
        policy: privacy.plan(overrides.privacy.as_deref(), variable, problems),
        resource: resource
            .into_iter()
            .map(|(key, value)| Attribute { key: key.into(), value: Value::Text(value) })
            .collect(),
        ..Settings::default()
    };
    (plugin.map_or(Source::Builtin, |plugin| Source::parse(&plugin)), settings)
}

fn plan_sink(
    sink: Option<SinkConfig>,
    transform_name: Option<String>,
    variable: &impl Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Option<Sink> {
    match sink {
        None => match Endpoint::from_env(variable) {
            Ok(endpoint) => Some(Sink::Backend(Box::new(endpoint))),
            Err(unusable) => {
                problems.extend(unusable.0.iter().map(Unusable::to_string));
                None
            }
        },
        Some(SinkConfig::Console { inputs }) => {
            check_inputs("sinks", &inputs, transform_name.as_ref(), problems);
            Some(Sink::Console)
        }
        Some(SinkConfig::Opentelemetry { inputs, endpoint, protocol, headers, timeout_secs }) => {
            check_inputs("sinks", &inputs, transform_name.as_ref(), problems);
            match plan_endpoint(endpoint, protocol, &headers, timeout_secs) {
                Ok(endpoint) => Some(Sink::Backend(Box::new(endpoint))),
                Err(problem) => {
                    problems.push(format!("sinks: {problem}"));
                    None
                }
            }
        }
    }
}

fn plan_endpoint(
    endpoint: Option<String>,
    protocol: Option<String>,
    headers: &BTreeMap<String, String>,
    timeout_secs: Option<u64>,
) -> Result<Endpoint, String> {
    let protocol = match protocol.as_deref() {
        None | Some("grpc") => Protocol::Grpc,
        Some("http/protobuf") => Protocol::HttpProtobuf,
        Some("http/json") => Protocol::HttpJson,
        Some(other) => return Err(format!("protocol: expected grpc, http/protobuf or http/json, not `{other}`")),
    };
    let url = match (protocol, endpoint) {
        (Protocol::Grpc, endpoint) => endpoint.unwrap_or_else(|| "http://127.0.0.1:4317".to_owned()),
        (_, endpoint) => with_traces_path(&endpoint.unwrap_or_else(|| "http://127.0.0.1:4318".to_owned())),
    };
    let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let endpoint = Endpoint::new(protocol, &url)
        .and_then(|endpoint| endpoint.with_headers(headers))
        .map_err(|unusable| unusable.to_string())?;
    Ok(timeout_secs.map_or(endpoint.clone(), |seconds| endpoint.with_timeout(Duration::from_secs(seconds))))
}

/// A URL without a path is a base, to which OTLP adds its own (OTLP specification, "OTLP/HTTP Request").
fn with_traces_path(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    match after_scheme.split_once('/') {
        None => format!("{url}/v1/traces"),
        Some((_, "")) => format!("{url}v1/traces"),
        Some(_) => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::privacy::HMAC_KEY;
    use super::*;

    fn plan(text: &str, variables: &[(&str, &str)]) -> Result<Plan, ConfigError> {
        let variable =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Config::parse(text)?.plan(&Overrides::default(), variable)
    }

    #[test]
    fn an_empty_file_serves() {
        let plan = plan("", &[]).expect("the defaults serve");
        assert_eq!((plan.address, plan.path.as_str(), plan.source), (ADDRESS_DEFAULT, "/", Source::Builtin));
        assert!(matches!(plan.sink, Sink::Backend(_)));
    }

    #[test]
    fn every_part_can_be_configured() {
        let text = "
sources: { tccc: { type: http_server, address: '127.0.0.1:9000', path: /cdr } }
transforms:
  calls:
    type: plugin
    inputs: [tccc]
    plugin: /a/plugin.wasm
    options: { phases: false }
    resource: { deployment.environment.name: test }
    privacy: { phone: hmac, place: drop, default_country: '86' }
sinks: { jaeger: { type: opentelemetry, inputs: [calls], endpoint: 'http://jaeger:4318', protocol: http/protobuf, timeout_secs: 3 } }
";
        let plan = plan(text, &[(HMAC_KEY, "sixteen bytes or more")]).expect("nothing is wrong with it");
        assert_eq!((plan.address.port(), plan.path.as_str()), (9000, "/cdr"));
        assert_eq!(plan.source, Source::File("/a/plugin.wasm".into()));
        assert_eq!(plan.settings.options, "{\"phases\":false}");
        assert_eq!(plan.settings.resource.len(), 1);
    }

    /// The example in the documentation says what the defaults are, and adds one resource attribute.
    #[test]
    fn the_example_states_the_defaults() {
        let plan = plan(include_str!("../../examples/callspan.yaml"), &[]).expect("nothing is wrong with it");
        let default = Settings::default();
        assert_eq!((plan.address, plan.path.as_str(), plan.source), (ADDRESS_DEFAULT, "/", Source::Builtin));
        assert_eq!(format!("{:?}", plan.settings.policy), format!("{:?}", default.policy));
        assert_eq!(callspan_tccc::Options::parse(&plan.settings.options), Ok(callspan_tccc::Options::default()));
        assert_eq!(plan.settings.resource.len(), 1);
    }

    #[test]
    fn everything_wrong_is_reported_at_once() {
        let text = "
sources: { tccc: { type: http_server, address: here, path: cdr } }
transforms: { calls: { type: plugin, inputs: [vendor], privacy: { phone: hide, email: hmac, default_country: china } } }
sinks: { jaeger: { type: opentelemetry, inputs: [tccc], protocol: thrift } }
";
        let ConfigError(problems) = plan(text, &[]).expect_err("much is wrong with it");
        assert_eq!(problems.len(), 8, "{problems:#?}");
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line() {
        let error = Config::parse("sources:\n  tccc:\n    type: http_server\n    adress: 127.0.0.1:1\n")
            .expect_err("there is no such key");
        assert!(error.to_string().contains("adress") && error.to_string().contains("line"), "{error}");
    }

    #[test]
    fn a_second_sink_is_refused_for_now() {
        let error = plan("sinks: { a: { type: console }, b: { type: console } }", &[]).expect_err("one is the limit");
        assert!(error.to_string().contains("a, b"), "{error}");
    }

    #[test]
    fn a_base_url_gets_the_path_of_otlp() {
        assert_eq!(with_traces_path("http://tempo:4318"), "http://tempo:4318/v1/traces");
        assert_eq!(with_traces_path("http://tempo:4318/"), "http://tempo:4318/v1/traces");
        assert_eq!(with_traces_path("http://tempo/otlp/v1/traces"), "http://tempo/otlp/v1/traces");
    }
}
