//! The source `http_server`: the vendor's pushes.

mod auth;
mod lockout;

use super::keepalive::Keepalive;
use super::limits::Limits;
use super::tls::Tls;
use crate::config::ADDRESS_DEFAULT;
use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::plan::SourcePlan;
use crate::config::planning::Planning;
use crate::config::value::{Choice, Listen, Network, UrlPath, Word};
use crate::intake::http_server::Settings;
use crate::intake::http_server::auth::{AuthSettings, path_secret_problem};
use crate::secret::Secret;
use auth::{Auth, Secrets};
use axum::http::Method;
use lockout::Lockout;
use schemars::JsonSchema;
use std::path::PathBuf;

/// Takes records that are pushed over HTTP; a body is a record, an array of records, or NDJSON, also gzipped.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(in crate::config) struct HttpServer {
    /// The address and port to listen on.
    address: Listen,
    /// The path that is served; a query is allowed.
    path: UrlPath,
    /// Whether only this very path is served, and none that begins with it.
    strict_path: bool,
    /// The method that is served.
    method: Choice<Method>,
    /// What the path has to end in, behind a slash: a secret of at least 16 letters, digits and -._~ for senders that can
    /// show nothing else. It holds beside whatever `auth` asks for.
    #[schemars(with = "Option<String>")]
    path_secret: Option<Secret>,
    /// A file that holds the secret of the path; it is read again when it changes.
    path_secret_file: Option<PathBuf>,
    /// The secret of the path before, which is good as long as it stands here.
    #[schemars(with = "Option<String>")]
    previous_path_secret: Option<Secret>,
    /// A file that holds the secret of the path before.
    previous_path_secret_file: Option<PathBuf>,
    /// How senders show who they are: one way, or a list of ways, each of which lets in whoever meets it; anybody is let
    /// in if this is left out.
    auth: Option<Auth>,
    /// The networks that senders are in, such as `192.0.2.0/24`; anywhere, if this is left out. It holds beside whatever
    /// `auth` asks for.
    #[schemars(length(min = 1))]
    permit_origin: Option<Vec<Network>>,
    /// The networks of proxies whose header `X-Forwarded-For` is believed: the rightmost address in it that is none of
    /// theirs is the sender's.
    trusted_proxies: Vec<Network>,
    /// What addresses are held to that show wrong credentials.
    lockout: Lockout,
    /// How much is taken from a sender, and for how long.
    limits: Limits<1_048_576>,
    /// For how long connections are kept.
    keepalive: Keepalive,
    /// How connections are secured; they are not, if this is left out.
    tls: Option<Tls>,
}

impl Word for Method {
    fn words() -> Vec<(&'static str, Self)> {
        vec![
            ("HEAD", Method::HEAD),
            ("GET", Method::GET),
            ("POST", Method::POST),
            ("PUT", Method::PUT),
            ("PATCH", Method::PATCH),
            ("DELETE", Method::DELETE),
        ]
    }
}

impl Default for HttpServer {
    fn default() -> Self {
        HttpServer {
            address: Listen(ADDRESS_DEFAULT),
            path: UrlPath("/".to_owned()),
            strict_path: true,
            method: Choice(Method::POST),
            path_secret: None,
            path_secret_file: None,
            previous_path_secret: None,
            previous_path_secret_file: None,
            auth: None,
            permit_origin: None,
            trusted_proxies: Vec::new(),
            lockout: Lockout::default(),
            limits: Limits::default(),
            keepalive: Keepalive::default(),
            tls: None,
        }
    }
}

impl Options for HttpServer {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        HttpServer {
            address: table.take("address", default.address),
            path: table.take("path", default.path),
            strict_path: table.take("strict_path", default.strict_path),
            method: table.take("method", default.method),
            path_secret: table.take("path_secret", None),
            path_secret_file: table.take("path_secret_file", None),
            previous_path_secret: table.take("previous_path_secret", None),
            previous_path_secret_file: table.take("previous_path_secret_file", None),
            auth: table.take("auth", default.auth),
            permit_origin: table.take("permit_origin", default.permit_origin),
            trusted_proxies: table.take("trusted_proxies", default.trusted_proxies),
            lockout: table.take("lockout", default.lockout),
            limits: table.take("limits", default.limits),
            keepalive: table.take("keepalive", default.keepalive),
            tls: table.take("tls", default.tls),
        }
    }
}

impl HttpServer {
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> SourcePlan {
        let connections = self.limits.connections(&self.keepalive);
        let tls = self.tls.and_then(|tls| tls.plan(at.key("tls"), planning));
        let report = &mut *planning.report;
        if self.permit_origin.as_ref().is_some_and(Vec::is_empty) {
            report.add(at.key("permit_origin"), "expected at least one network like 192.0.2.0/24");
        }
        let bodies_bytes_max = self.limits.bodies_bytes_max(at.key("limits"), report);
        let path_secret = Secrets {
            names: ["path_secret", "path_secret_file", "previous_path_secret", "previous_path_secret_file"],
            current: (self.path_secret, self.path_secret_file),
            previous: (self.previous_path_secret, self.previous_path_secret_file),
        };
        let networks = |networks: Vec<Network>| networks.into_iter().map(|Network(network)| network).collect();
        let auth = AuthSettings {
            ways: self.auth.map(|auth| auth.plan(&self.path.0, at.key("auth"), report)).unwrap_or_default(),
            path_secret: path_secret.plan(false, path_secret_problem, at, report),
            permit_origin: self.permit_origin.map(networks).unwrap_or_default(),
            trusted_proxies: networks(self.trusted_proxies),
            lockout: self.lockout.settings(),
        };
        SourcePlan::HttpServer {
            address: planning.overrides.address.unwrap_or(self.address.0),
            settings: Box::new(Settings {
                path: self.path.0,
                strict_path: self.strict_path,
                method: self.method.0,
                auth,
                body_bytes_max: self.limits.body_bytes_max.size(),
                expanded_bytes_max: self.limits.expanded_bytes_max(),
                body_records_max: self.limits.body_records_max.size(),
                bodies_bytes_max,
                body_timeout: self.limits.body_timeout_secs.seconds(),
                answer_timeout: self.limits.answer_timeout_secs.seconds(),
            }),
            connections,
            tls: tls.map(Box::new),
        }
    }
}
