//! Where traces go: address, protocol, headers, TLS, timeout and compression, also from the standard `OTEL_EXPORTER_OTLP_*` variables
//! (OpenTelemetry specification, "OpenTelemetry Protocol Exporter"). What is wrong is told all at once and by the
//! variable's name; a header's value is never shown.

mod environment;
mod headers;
mod settings;

pub use settings::{EndpointSettings, TlsSettings};

use super::tls::Tls;
use crate::setting_file::Unusable;
use headers::Headers;

use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// A backend's address and how to speak to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    protocol: Protocol,
    headers: Headers,
    tls: Tls,
    timeout: Duration,
    compression: Compression,
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all, the default.
    #[default]
    None,
    /// RFC 1952.
    Gzip,
    /// RFC 8878. The specification does not name it, but receivers know it.
    Zstd,
}

/// The protocols of OTLP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC, the default.
    #[default]
    Grpc,
    /// Protocol buffers over HTTP.
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
}

/// All settings that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct UnusableSettings(pub Vec<Unusable>);

/// How long a backend may take to answer.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);

const GRPC_URL_DEFAULT: &str = "http://localhost:4317";
const HTTP_URL_DEFAULT: &str = "http://localhost:4318";

impl Endpoint {
    /// An address to which traces are sent as it stands, without headers.
    ///
    /// # Errors
    /// When the address is no `http://` or `https://` one, holds credentials, or has a path that gRPC cannot reach.
    pub fn new(protocol: Protocol, url: &str) -> Result<Self, Unusable> {
        let url = parse_url("endpoint", url, protocol)?;
        Ok(Self {
            url,
            protocol,
            headers: Headers::default(),
            tls: Tls::default(),
            timeout: TIMEOUT_DEFAULT,
            compression: Compression::None,
        })
    }

    /// The endpoint that the environment names; without any variable, gRPC on this machine.
    ///
    /// # Errors
    /// Every variable whose value cannot be used.
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, UnusableSettings> {
        EndpointSettings::default().resolve(variable)
    }

    /// Headers to send with every request, in place of those set before.
    ///
    /// # Errors
    /// Names and values that HTTP does not allow, and binary metadata (`…-bin`).
    pub fn with_headers<'a>(mut self, headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Unusable> {
        self.headers = Headers::written(header_map("headers", headers, self.protocol)?);
        Ok(self)
    }

    /// How long a backend may take to answer.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// How requests are compressed.
    #[must_use]
    pub fn with_compression(self, compression: Compression) -> Self {
        Self { compression, ..self }
    }

    /// The protocol to speak.
    #[must_use]
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// What to do when nobody answers there, for people.
    #[must_use]
    pub fn advice(&self) -> String {
        let usual = match self.protocol {
            Protocol::Grpc => "4317 is usually gRPC's port, 4318 that of HTTP",
            Protocol::HttpProtobuf | Protocol::HttpJson => "4318 is usually the port for HTTP, 4317 that of gRPC",
        };
        format!("start the backend, or correct `endpoint` and `protocol`: {usual}")
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// Reads the files of this endpoint, certificates, keys and tokens, as an exporter does when it is made.
    ///
    /// # Errors
    /// Everything that is wrong with them, under the names of the settings: `tls.ca_file`, `headers.NAME.file`, or a
    /// variable's. What a file holds is not shown.
    pub fn check_files(&self) -> Result<(), UnusableSettings> {
        let headers = self.headers.read().err();
        let tls = if self.has_tls() { self.tls.client_config(&[]).err() } else { None };
        match headers.into_iter().chain(tls).flatten().collect::<Vec<_>>() {
            wrong if wrong.is_empty() => Ok(()),
            wrong => Err(UnusableSettings(wrong)),
        }
    }

    pub(super) fn has_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(super) fn tls(&self) -> &Tls {
        &self.tls
    }

    /// The address under the name that the backend's certificate has to be for.
    pub(super) fn named_url(&self) -> Url {
        let mut url = self.url.clone();
        if let Some(name) = self.tls.server_name.as_ref().filter(|_| self.has_tls()) {
            url.set_host(Some(&name.to_str())).expect("a DNS name can stand in an address");
        }
        url
    }

    /// With what their files hold now.
    pub(super) fn headers(&self) -> Result<HeaderMap, UnusableSettings> {
        self.headers.read().map_err(UnusableSettings)
    }

    /// Those that are read again when they change.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let tls = self.tls.files().filter(|_| self.has_tls());
        self.headers.files().chain(tls).map(|file| file.path().to_owned()).collect()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn compression(&self) -> Compression {
        self.compression
    }
}

/// The address without its query, in which some backends want a key.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        url.set_query(None);
        f.write_str(url.as_str())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header_names: Vec<_> = self.headers.names().collect();
        f.debug_struct("Endpoint")
            .field("url", &format_args!("{self}"))
            .field("protocol", &self.protocol)
            .field("header_names", &header_names)
            .field("tls", &self.tls)
            .field("timeout", &self.timeout)
            .field("compression", &self.compression)
            .finish()
    }
}

impl Protocol {
    fn is_http(self) -> bool {
        self != Self::Grpc
    }
}

/// The value itself is not shown: it may hold credentials just where it is wrong.
fn parse_url(name: &str, value: &str, protocol: Protocol) -> Result<Url, Unusable> {
    let url = Url::parse(value).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let default = if protocol.is_http() { HTTP_URL_DEFAULT } else { GRPC_URL_DEFAULT };
    let Some(mut url) = url else {
        return Err(unusable(
            name,
            &format!("expected an address that begins with http:// or https://, such as {default}"),
        ));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(unusable(name, "credentials do not belong into an address; send them as a header"));
    }
    if !protocol.is_http() && (url.path() != "/" || url.query().is_some()) {
        return Err(unusable(
            name,
            "gRPC takes an address without a path; leave it out, or set the protocol to http/protobuf",
        ));
    }
    url.set_fragment(None);
    Ok(url)
}

fn header_map<'a>(
    name: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    protocol: Protocol,
) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::new();
    for (key, value) in pairs {
        let key: HeaderName =
            key.parse().map_err(|_| unusable(name, "the name of a header is not one that HTTP allows"))?;
        if !protocol.is_http() && key.as_str().ends_with("-bin") {
            return Err(unusable(name, &format!("{key} would be binary metadata, which is not supported")));
        }
        let mut value: HeaderValue = value
            .parse()
            .map_err(|_| unusable(name, &format!("the value of {key} holds characters that HTTP does not allow")))?;
        value.set_sensitive(true);
        headers.append(key, value);
    }
    Ok(headers)
}

fn unusable(name: &str, problem: &str) -> Unusable {
    Unusable { name: name.to_owned(), problem: problem.to_owned() }
}
