//! What a configuration says of a backend, and the environment for what it leaves out.

use super::environment::Environment;
use super::headers::{Headers, two_authorizations};
use super::{Compression, Endpoint, Protocol, TIMEOUT_DEFAULT, Unusable, UnusableSettings, parse_url, unusable};
use crate::export::tls::Tls;
use crate::secret::SecretSource;
use crate::setting_file::SettingFile;
use crate::tls::TlsVersion;
use reqwest::header::AUTHORIZATION;
use rustls::pki_types::ServerName;
use std::path::PathBuf;
use std::time::Duration;

/// Each setting wins over the variables that stand for it.
#[derive(Clone, Default)]
pub struct EndpointSettings {
    /// For HTTP, an address without a path is a base, to which OTLP adds its own.
    pub endpoint: Option<String>,
    pub protocol: Option<Protocol>,
    /// All headers there are: those of the environment do not add to them.
    pub headers: Option<Vec<(String, SecretSource)>>,
    /// A bearer token, sent as the header `authorization`.
    pub token: Option<SecretSource>,
    pub tls: TlsSettings,
    pub timeout: Option<Duration>,
    pub compression: Option<Compression>,
}

/// How connections to an `https://` address are secured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsSettings {
    /// Certificates in PEM, one of which has to have signed the backend's; without it, the roots of this machine.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate in PEM, with those between it and its CA.
    pub crt_file: Option<PathBuf>,
    /// Its key in PEM.
    pub key_file: Option<PathBuf>,
    /// The DNS name that the backend is asked for and that its certificate has to be for, in place of the address's.
    pub server_name: Option<String>,
    /// By default TLS 1.2.
    pub min_version: Option<TlsVersion>,
}

impl EndpointSettings {
    /// The endpoint of these settings and the environment; where neither says anything, gRPC on this machine.
    ///
    /// # Errors
    /// Every setting and every variable whose value cannot be used: settings are named `endpoint`, `headers`,
    /// `auth`, `tls.server_name` and so on. Files are not read: [`Endpoint::check_files`] does that.
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
        let headers = self.headers(&environment, protocol).map_err(&mut keep).unwrap_or_default();
        let is_http = url.as_ref().is_some_and(|url| url.scheme() == "http");
        let tls = self.tls.resolve(&environment, is_http).map_err(&mut keep).unwrap_or_default();
        let timeout = match self.timeout {
            Some(timeout) => timeout,
            None => environment.timeout().map_err(&mut keep).unwrap_or(TIMEOUT_DEFAULT),
        };
        let compression = match self.compression {
            Some(compression) => compression,
            None => environment.compression().map_err(&mut keep).unwrap_or_default(),
        };
        match url {
            Some(url) if unusable.is_empty() => Ok(Endpoint { url, protocol, headers, tls, timeout, compression }),
            _ => Err(UnusableSettings(unusable)),
        }
    }

    fn headers(&self, environment: &Environment<'_>, protocol: Protocol) -> Result<Headers, Unusable> {
        let mut headers = match &self.headers {
            Some(headers) => Headers::of_settings(headers, protocol)?,
            None => Headers::written(environment.headers(protocol)?),
        };
        if let Some(token) = &self.token {
            if self.headers.is_some() && headers.has(&AUTHORIZATION) {
                return Err(two_authorizations());
            }
            headers.set_token(token, protocol)?;
        }
        Ok(headers)
    }
}

impl TlsSettings {
    /// The variables stand for all backends and say nothing to one without TLS; a setting that has no effect is a
    /// mistake.
    fn resolve(&self, environment: &Environment<'_>, is_http: bool) -> Result<Tls, Unusable> {
        if is_http {
            let problem = "the endpoint begins with http://, where there is no TLS; it has to begin with https://";
            return if *self == Self::default() { Ok(Tls::default()) } else { Err(unusable("tls", problem)) };
        }
        let file = |setting: &str, path: &Option<PathBuf>| path.as_ref().map(|path| SettingFile::new(setting, path));
        let certificate = file("tls.crt_file", &self.crt_file).or_else(|| environment.crt_file());
        let key = file("tls.key_file", &self.key_file).or_else(|| environment.key_file());
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            (Some(certificate), None) => return Err(certificate.unusable("its key is missing; set tls.key_file")),
            (None, Some(key)) => return Err(key.unusable("its certificate is missing; set tls.crt_file")),
        };
        Ok(Tls {
            ca: file("tls.ca_file", &self.ca_file).or_else(|| environment.ca_file()),
            identity,
            server_name: self.server_name.as_deref().map(dns_name).transpose()?,
            min_version: self.min_version.unwrap_or_default(),
        })
    }
}

/// No address: the name is what a backend is asked for, and nobody may be asked for an address (RFC 6066, section 3).
fn dns_name(name: &str) -> Result<ServerName<'static>, Unusable> {
    match ServerName::try_from(name.to_owned()) {
        Ok(name @ ServerName::DnsName(_)) => Ok(name),
        _ => Err(unusable("tls.server_name", "expected a DNS name, such as otlp.example.com")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

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
            headers: Some(vec![("a".to_owned(), SecretSource::Text(Secret::new("1")))]),
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
        assert_eq!(endpoint.headers.names().map(|name| name.as_str()).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let settings = EndpointSettings {
            endpoint: Some("tempo".to_owned()),
            headers: Some(vec![("a b".to_owned(), SecretSource::Text(Secret::new("1")))]),
            ..EndpointSettings::default()
        };
        let error = resolved(&settings, &[("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "brotli")]).expect_err("all wrong");
        let names: Vec<_> = error.0.iter().map(|unusable| unusable.name.as_str()).collect();
        assert_eq!(names, ["endpoint", "headers", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"]);
    }

    /// The names of the settings whose files a resolved endpoint watches.
    fn files(settings: &EndpointSettings, variables: &[(&str, &str)]) -> Vec<String> {
        let files = resolved(settings, variables).expect("an endpoint").files();
        files.iter().map(|path| path.display().to_string()).collect()
    }

    fn https(tls: TlsSettings) -> EndpointSettings {
        EndpointSettings { endpoint: Some("https://tempo".to_owned()), tls, ..EndpointSettings::default() }
    }

    #[test]
    fn certificates_are_found_by_settings_and_by_variables_those_for_traces_first() {
        let variables = [
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/ca"),
            ("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE", "/traces/ca"),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "/crt"),
            ("OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE", ""),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key"),
        ];
        assert_eq!(files(&https(TlsSettings::default()), &variables), ["/traces/ca", "/crt", "/key"]);
        let tls = TlsSettings { ca_file: Some("/own".into()), ..TlsSettings::default() };
        assert_eq!(files(&https(tls), &variables), ["/own", "/crt", "/key"]);
        assert_eq!(files(&EndpointSettings::default(), &variables), [""; 0], "there is no TLS with http://");
    }

    #[test]
    fn settings_of_tls_that_cannot_work_are_refused() {
        let path = || Some(PathBuf::from("/file"));
        let default = TlsSettings::default;
        for (settings, name) in [
            (https(TlsSettings { crt_file: path(), ..default() }), "tls.crt_file"),
            (https(TlsSettings { key_file: path(), ..default() }), "tls.key_file"),
            (https(TlsSettings { server_name: Some("10.0.0.1".to_owned()), ..default() }), "tls.server_name"),
            (https(TlsSettings { server_name: Some("a b".to_owned()), ..default() }), "tls.server_name"),
            (
                EndpointSettings {
                    tls: TlsSettings { min_version: Some(TlsVersion::V1_3), ..default() },
                    ..EndpointSettings::default()
                },
                "tls",
            ),
            (
                EndpointSettings {
                    headers: Some(vec![("Authorization".to_owned(), SecretSource::File("/file".into()))]),
                    token: Some(SecretSource::File("/file".into())),
                    ..EndpointSettings::default()
                },
                "auth",
            ),
        ] {
            let error = resolved(&settings, &[]).expect_err(name);
            assert_eq!(error.0.iter().map(|unusable| unusable.name.as_str()).collect::<Vec<_>>(), [name]);
        }
        let variables = [("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/key")];
        let error = resolved(&https(default()), &variables).expect_err("there is no certificate");
        assert!(error.to_string().starts_with("OTEL_EXPORTER_OTLP_CLIENT_KEY: "), "{error}");
    }

    #[test]
    fn a_token_of_the_settings_wins_over_a_header_of_the_environment() {
        let token = Some(SecretSource::Text(Secret::new("t0ken")));
        let settings = EndpointSettings { token, ..EndpointSettings::default() };
        let endpoint = resolved(&settings, &[("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20a,x=1")]);
        let headers = endpoint.expect("an endpoint").headers().expect("no files");
        assert_eq!(headers.get_all(AUTHORIZATION).iter().collect::<Vec<_>>(), ["Bearer t0ken"]);
        assert!(headers.contains_key("x"));
    }
}
