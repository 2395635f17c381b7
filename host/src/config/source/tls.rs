//! The options `tls` of a source that listens.

use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::planning::Planning;
use crate::config::value::{Choice, Word};
use crate::setting_file::SettingFile;
use crate::tls::{Clients, ServerTls, TlsVersion};
use schemars::JsonSchema;
use std::path::PathBuf;

/// How connections of senders are secured. The files are PEM, and are read again when they change.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Tls {
    /// Whether they are secured at all.
    enabled: bool,
    /// The certificate that senders are shown, with those between it and its CA.
    crt_file: Option<PathBuf>,
    /// Its key, not encrypted.
    key_file: Option<PathBuf>,
    /// The certificates that a sender's has to be signed by, if it shows one.
    ca_file: Option<PathBuf>,
    /// Whether senders have to show a certificate.
    verify_certificate: bool,
    /// The protocols that are offered, the best first.
    alpn_protocols: Vec<Choice<Protocol>>,
    /// The least version of TLS.
    min_version: Choice<TlsVersion>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Protocol {
    #[default]
    Http2,
    Http1,
}

impl Word for Protocol {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("h2", Protocol::Http2), ("http/1.1", Protocol::Http1)]
    }
}

impl Default for Tls {
    fn default() -> Self {
        Tls {
            enabled: true,
            crt_file: None,
            key_file: None,
            ca_file: None,
            verify_certificate: false,
            alpn_protocols: vec![Choice(Protocol::Http2), Choice(Protocol::Http1)],
            min_version: Choice(TlsVersion::default()),
        }
    }
}

impl Options for Tls {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Tls {
            enabled: table.take("enabled", default.enabled),
            crt_file: table.take("crt_file", default.crt_file),
            key_file: table.take("key_file", default.key_file),
            ca_file: table.take("ca_file", default.ca_file),
            verify_certificate: table.take("verify_certificate", default.verify_certificate),
            alpn_protocols: table.take("alpn_protocols", default.alpn_protocols),
            min_version: table.take("min_version", default.min_version),
        }
    }
}

impl Tls {
    /// None where connections are not secured, or something is wrong, which is then reported.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<ServerTls> {
        if !self.enabled {
            return None;
        }
        let report = &mut *planning.report;
        let mut required = |key: &'static str, file: Option<PathBuf>, what: &str| {
            let at = at.key(key);
            if file.is_none() && report.is_good(at) && report.checks_environment {
                report.add(at, format!("missing; expected {what}"));
            }
            file.map(|file| SettingFile::new(key, file))
        };
        let certificate = required("crt_file", self.crt_file, "the file of the certificate that senders are shown");
        let key = required("key_file", self.key_file, "the file of the certificate's key");
        let ca = match self.ca_file {
            Some(file) => Some(SettingFile::new("ca_file", file)),
            None if self.verify_certificate => {
                required("ca_file", None, "the file of the certificates that senders' have to be signed by")
            }
            None => None,
        };
        let tls = ServerTls {
            certificate: certificate?,
            key: key?,
            clients: ca.map(|ca| Clients { ca, are_required: self.verify_certificate }),
            protocols: self.alpn_protocols.iter().map(|Choice(protocol)| protocol.name().to_owned()).collect(),
            min_version: self.min_version.0,
        };
        if report.checks_environment
            && let Err(unusable) = tls.config()
        {
            unusable.into_iter().for_each(|unusable| report.add(at.key(&unusable.name), unusable.problem));
        }
        Some(tls)
    }
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Http2 => "h2",
            Self::Http1 => "http/1.1",
        }
    }
}
