//! The `OTEL_EXPORTER_OTLP_*` variables.

use super::{
    Compression, GRPC_URL_DEFAULT, HTTP_URL_DEFAULT, Protocol, TIMEOUT_DEFAULT, Unusable, header_map, parse_url,
    unusable,
};
use crate::setting_file::SettingFile;
use reqwest::Url;
use reqwest::header::HeaderMap;
use std::time::Duration;

const TIMEOUT_MS_MAX: u64 = 600_000;
/// What OTLP adds to a base address for traces.
const HTTP_PATH: &str = "/v1/traces";

/// The variables, of which those for traces win over those for all signals, and an empty one counts as unset. Names of
/// protocols and compressions are known in any case (OpenTelemetry specification, "Environment Variable Specification").
/// A value that is not known is an error and not passed over with a warning, as libraries do it: a service that starts
/// and sends nothing where it should is worse than one that says why it does not start.
pub(super) struct Environment<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
}

impl<'a> Environment<'a> {
    pub(super) fn new(variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { variable }
    }

    pub(super) fn protocol(&self) -> Result<Protocol, Unusable> {
        let Some((name, value)) = self.either("PROTOCOL") else {
            return Ok(Protocol::default());
        };
        match value.to_ascii_lowercase().as_str() {
            "grpc" => Ok(Protocol::Grpc),
            "http/protobuf" => Ok(Protocol::HttpProtobuf),
            "http/json" => Ok(Protocol::HttpJson),
            _ => Err(unusable(&name, "no such protocol; there are grpc, http/protobuf and http/json")),
        }
    }

    /// The address for traces is taken as it is; the one for all signals is a base that HTTP's path is added to.
    pub(super) fn url(&self, protocol: Protocol) -> Result<Url, Unusable> {
        let for_traces = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        if let Some(value) = self.value(for_traces) {
            return parse_url(for_traces, &value, protocol);
        }
        let name = "OTEL_EXPORTER_OTLP_ENDPOINT";
        let default = if protocol.is_http() { HTTP_URL_DEFAULT } else { GRPC_URL_DEFAULT };
        let mut url = parse_url(name, self.value(name).as_deref().unwrap_or(default), protocol)?;
        if protocol.is_http() {
            url.set_path(&format!("{}{HTTP_PATH}", url.path().trim_end_matches('/')));
        }
        Ok(url)
    }

    pub(super) fn headers(&self, protocol: Protocol) -> Result<HeaderMap, Unusable> {
        let Some((name, value)) = self.either("HEADERS") else {
            return Ok(HeaderMap::new());
        };
        let mut pairs = Vec::new();
        for member in value.split(',').map(str::trim).filter(|member| !member.is_empty()) {
            let pair = member
                .split_once('=')
                .and_then(|(key, value)| Some((key.trim().to_owned(), percent_decoded(value.trim())?)));
            pairs.push(pair.ok_or_else(|| {
                unusable(&name, "expected key=value pairs between commas, the values percent-encoded")
            })?);
        }
        header_map(&name, pairs.iter().map(|(key, value)| (key.as_str(), value.as_str())), protocol)
    }

    pub(super) fn timeout(&self) -> Result<Duration, Unusable> {
        let Some((name, value)) = self.either("TIMEOUT") else {
            return Ok(TIMEOUT_DEFAULT);
        };
        match value.parse() {
            Ok(milliseconds @ 1..=TIMEOUT_MS_MAX) => Ok(Duration::from_millis(milliseconds)),
            _ => Err(unusable(&name, &format!("expected a number of milliseconds from 1 to {TIMEOUT_MS_MAX}"))),
        }
    }

    pub(super) fn compression(&self) -> Result<Compression, Unusable> {
        let Some((name, value)) = self.either("COMPRESSION") else {
            return Ok(Compression::default());
        };
        match value.to_ascii_lowercase().as_str() {
            "none" => Ok(Compression::None),
            "gzip" => Ok(Compression::Gzip),
            "zstd" => Ok(Compression::Zstd),
            _ => Err(unusable(&name, "no such compression; there are none, gzip and zstd")),
        }
    }

    /// Of the certificates that the backend's has to be signed by.
    pub(super) fn ca_file(&self) -> Option<SettingFile> {
        self.file("CERTIFICATE")
    }

    /// Of our own certificate.
    pub(super) fn crt_file(&self) -> Option<SettingFile> {
        self.file("CLIENT_CERTIFICATE")
    }

    /// Of its key.
    pub(super) fn key_file(&self) -> Option<SettingFile> {
        self.file("CLIENT_KEY")
    }

    fn file(&self, suffix: &str) -> Option<SettingFile> {
        self.either(suffix).map(|(name, path)| SettingFile::new(&name, path))
    }

    fn either(&self, suffix: &str) -> Option<(String, String)> {
        ["OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_"].into_iter().find_map(|prefix| {
            let name = format!("{prefix}{suffix}");
            let value = self.value(&name)?;
            Some((name, value))
        })
    }

    fn value(&self, name: &str) -> Option<String> {
        (self.variable)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }
}

fn percent_decoded(value: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, after @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                decoded.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = after;
            }
            (b'%', _) => return None,
            _ => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::endpoint::{Endpoint, UnusableSettings};
    use reqwest::header::{HeaderName, HeaderValue};

    fn from(variables: &[(&str, &str)]) -> Result<Endpoint, UnusableSettings> {
        Endpoint::from_env(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn url_of(variables: &[(&str, &str)]) -> String {
        from(variables).expect("an endpoint").url.to_string()
    }

    #[test]
    fn without_variables_it_is_grpc_on_this_machine() {
        let endpoint = from(&[]).expect("an endpoint");
        assert_eq!(
            (endpoint.protocol, endpoint.url.as_str(), endpoint.timeout),
            (Protocol::Grpc, "http://localhost:4317/", TIMEOUT_DEFAULT)
        );
        assert_eq!(url_of(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]), "http://localhost:4318/v1/traces");
        assert_eq!(url_of(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "HTTP/JSON")]), "http://localhost:4318/v1/traces");
        assert_eq!(url_of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]), "http://localhost:4317/");
    }

    #[test]
    fn a_base_gets_the_path_and_the_address_for_traces_is_taken_as_it_is() {
        let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
        let base = |value| url_of(&[http, ("OTEL_EXPORTER_OTLP_ENDPOINT", value)]);
        assert_eq!(base("https://otlp.example"), "https://otlp.example/v1/traces");
        assert_eq!(base("https://otlp.example/tenant/"), "https://otlp.example/tenant/v1/traces");
        let both = |value| {
            url_of(&[
                http,
                ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://base"),
                ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", value),
            ])
        };
        assert_eq!(both("http://traces"), "http://traces/");
        assert_eq!(both("http://traces/in?key=1"), "http://traces/in?key=1");
    }

    #[test]
    fn what_is_for_traces_wins() {
        let endpoint = from(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "250"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=1"),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "b=2"),
        ])
        .expect("an endpoint");
        assert_eq!((endpoint.protocol, endpoint.timeout), (Protocol::HttpJson, Duration::from_millis(250)));
        assert_eq!(endpoint.headers.names().map(HeaderName::as_str).collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn headers_are_pairs_with_percent_encoded_values_that_are_never_shown() {
        let endpoint = from(&[("OTEL_EXPORTER_OTLP_HEADERS", "Authorization = Basic%20czNjcmV0 ,, x-key=a=b")])
            .expect("an endpoint");
        let headers = endpoint.headers().expect("no files");
        assert_eq!(headers.get("authorization"), Some(&HeaderValue::from_static("Basic czNjcmV0")));
        assert_eq!(headers.get("x-key"), Some(&HeaderValue::from_static("a=b")));
        let shown = format!("{endpoint:?} {endpoint}");
        assert!(shown.contains("authorization") && !shown.contains("czNjcmV0"), "{shown}");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once_without_the_values() {
        let error = from(&[
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "s3cret"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "s3cret:4317"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "s3cret"),
        ])
        .expect_err("all are wrong");
        let names: Vec<_> = error.0.iter().map(|unusable| unusable.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                "OTEL_EXPORTER_OTLP_HEADERS",
                "OTEL_EXPORTER_OTLP_TIMEOUT"
            ]
        );
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }

    #[test]
    fn values_that_cannot_work_are_refused() {
        for (name, value) in [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://host"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:word@host"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host/v1/traces"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a b=1"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=%0a"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a-bin=1"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "brotli"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "600001"),
        ] {
            let error = from(&[(name, value)]).expect_err(value);
            assert_eq!(error.0.iter().map(|unusable| unusable.name.as_str()).collect::<Vec<_>>(), [name]);
        }
        assert!(from(&[("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")]).is_ok());
    }
}
