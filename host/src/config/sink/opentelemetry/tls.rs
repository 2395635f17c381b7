//! The options `tls` of the sink `opentelemetry`.

use crate::config::decode::{Options, Table};
use crate::config::value::{Choice, Word};
use crate::export::TlsSettings;
use crate::tls::TlsVersion;
use schemars::JsonSchema;
use std::path::PathBuf;

/// How connections to a backend are secured. The files are PEM, and are read again when they change.
#[derive(Default, JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Tls {
    /// The certificates that the backend's has to be signed by, in place of those that this machine trusts; by default
    /// the file that OTEL_EXPORTER_OTLP_CERTIFICATE names.
    ca_file: Option<PathBuf>,
    /// The certificate that this service shows, with those between it and its CA; by default the file that
    /// OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE names.
    crt_file: Option<PathBuf>,
    /// Its key, not encrypted; by default the file that OTEL_EXPORTER_OTLP_CLIENT_KEY names.
    key_file: Option<PathBuf>,
    /// The name that the backend's certificate has to be for, in place of the address's.
    server_name: Option<String>,
    /// The least version of TLS, by default 1.2.
    min_version: Option<Choice<TlsVersion>>,
}

impl Word for TlsVersion {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("1.2", TlsVersion::V1_2), ("1.3", TlsVersion::V1_3)]
    }
}

impl Options for Tls {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Tls {
            ca_file: table.take("ca_file", None),
            crt_file: table.take("crt_file", None),
            key_file: table.take("key_file", None),
            server_name: table.take("server_name", None),
            min_version: table.take("min_version", None),
        }
    }
}

impl Tls {
    pub(super) fn settings(self) -> TlsSettings {
        TlsSettings {
            ca_file: self.ca_file,
            crt_file: self.crt_file,
            key_file: self.key_file,
            server_name: self.server_name,
            min_version: self.min_version.map(|Choice(version)| version),
        }
    }
}
