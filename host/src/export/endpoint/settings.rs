//! What a configuration says of a backend, and the environment for what it leaves out.

use super::environment::Environment;
use super::{Compression, Endpoint, Protocol, TIMEOUT_DEFAULT, UnusableSettings, header_map, parse_url};
use crate::secret::Secret;
use std::time::Duration;

/// Each setting wins over the variables that stand for it.
#[derive(Clone, Default)]
pub struct EndpointSettings {
    /// For HTTP, an address without a path is a base, to which OTLP adds its own.
    pub endpoint: Option<String>,
    pub protocol: Option<Protocol>,
    /// All headers there are: those of the environment do not add to them.
    pub headers: Option<Vec<(String, Secret)>>,
    pub timeout: Option<Duration>,
    pub compression: Option<Compression>,
}

impl EndpointSettings {
    /// The endpoint of these settings and the environment; where neither says anything, gRPC on this machine.
    ///
    /// # Errors
    /// Every setting and every variable whose value cannot be used: settings are named `endpoint` and `headers`.
    pub fn resolve(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Endpoint, UnusableSettings> {
        let environment = Environment::new(&variable);
        let mut unusable = Vec::new();
        let mut keep = |error| unusable.push(error);
        // Where the protocol is not known, the others are held against the one that allows more, so that one mistake is
        // not told twice.
        let protocol = match self.protocol {
            Some(protocol) => protocol,
            None => environment.protocol().map_err(&mut keep).unwrap_or(Protocol::HttpProtobuf),
        };
        let url = match &self.endpoint {
            Some(endpoint) => parse_url("endpoint", endpoint, protocol).map(|mut url| {
                if protocol.is_http() && url.path() == "/" {
                    url.set_path("/v1/traces");
                }
                url
            }),
            None => environment.url(protocol),
        };
        let url = url.map_err(&mut keep).ok();
        let headers = match &self.headers {
            Some(headers) => {
                let pairs = headers.iter().map(|(name, value)| (name.as_str(), value.expose()));
                header_map("headers", pairs, protocol)
            }
            None => environment.headers(protocol),
        };
        let headers = headers.map_err(&mut keep).unwrap_or_default();
        let timeout = match self.timeout {
            Some(timeout) => timeout,
            None => environment.timeout().map_err(&mut keep).unwrap_or(TIMEOUT_DEFAULT),
        };
        let compression = match self.compression {
            Some(compression) => compression,
            None => environment.compression().map_err(&mut keep).unwrap_or_default(),
        };
        match url {
            Some(url) if unusable.is_empty() => Ok(Endpoint { url, protocol, headers, timeout, compression }),
            _ => Err(UnusableSettings(unusable)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(settings: &EndpointSettings, variables: &[(&str, &str)]) -> Result<Endpoint, UnusableSettings> {
        settings
            .resolve(|name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_base_url_gets_the_path_of_otlp() {
        for (written, sent_to) in [
            ("http://tempo:4318", "http://tempo:4318/v1/traces"),
            ("http://tempo:4318/", "http://tempo:4318/v1/traces"),
            ("http://tempo/otlp/v1/traces", "http://tempo/otlp/v1/traces"),
            ("http://tempo?key=1", "http://tempo/v1/traces?key=1"),
        ] {
            let settings = EndpointSettings {
                endpoint: Some(written.to_owned()),
                protocol: Some(Protocol::HttpProtobuf),
                ..EndpointSettings::default()
            };
            assert_eq!(resolved(&settings, &[]).expect("an endpoint").url.as_str(), sent_to);
        }
    }

    #[test]
    fn a_setting_wins_and_the_environment_says_the_rest() {
        let settings = EndpointSettings {
            headers: Some(vec![("a".to_owned(), Secret::new("1"))]),
            timeout: Some(Duration::from_secs(3)),
            ..EndpointSettings::default()
        };
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "b=2"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "none"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"),
        ];
        let endpoint = resolved(&settings, &variables).expect("an endpoint");
        assert_eq!(
            (endpoint.protocol, endpoint.url.as_str(), endpoint.timeout, endpoint.compression),
            (Protocol::HttpJson, "http://localhost:4318/v1/traces", Duration::from_secs(3), Compression::Gzip)
        );
        assert!(endpoint.headers.contains_key("a") && !endpoint.headers.contains_key("b"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let settings = EndpointSettings {
            endpoint: Some("tempo".to_owned()),
            headers: Some(vec![("a b".to_owned(), Secret::new("1"))]),
            ..EndpointSettings::default()
        };
        let error = resolved(&settings, &[("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "brotli")]).expect_err("all wrong");
        let names: Vec<_> = error.0.iter().map(|unusable| unusable.name.as_str()).collect();
        assert_eq!(names, ["endpoint", "headers", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"]);
    }
}
