//! The source `http_server`: the vendor's pushes.

use super::limits::Limits;
use crate::config::ADDRESS_DEFAULT;
use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::plan::SourcePlan;
use crate::config::planning::Planning;
use crate::config::secret_file;
use crate::config::value::{Choice, Listen, UrlPath, Word};
use crate::intake::http_server::{Credentials, Settings};
use crate::secret::Secret;
use axum::http::Method;
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
    /// Whom senders have to be; anybody, if this is left out.
    auth: Option<Auth>,
    /// How much is taken from a sender, and for how long.
    limits: Limits<1_048_576>,
}

/// HTTP Basic authentication (RFC 7617).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Auth {
    /// How senders show who they are.
    strategy: Choice<Strategy>,
    /// The user.
    username: String,
    /// The password. Either this or `password_file` is needed.
    #[schemars(with = "Option<String>")]
    password: Option<Secret>,
    /// A file that holds the password.
    password_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Strategy;

impl Word for Strategy {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("basic", Strategy)]
    }
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
            auth: None,
            limits: Limits::default(),
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
            auth: table.take("auth", default.auth),
            limits: table.take("limits", default.limits),
        }
    }
}

impl Options for Auth {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Auth {
            strategy: table.required("strategy", "basic"),
            username: table.required("username", "the name that senders show"),
            password: table.take("password", None),
            password_file: table.take("password_file", None),
        }
    }
}

impl HttpServer {
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> SourcePlan {
        let connections = self.limits.connections();
        SourcePlan::HttpServer {
            address: planning.overrides.address.unwrap_or(self.address.0),
            settings: Settings {
                path: self.path.0,
                strict_path: self.strict_path,
                method: self.method.0,
                auth: self.auth.and_then(|auth| auth.plan(at.key("auth"), planning)),
                body_bytes_max: self.limits.body_bytes_max.size(),
                body_records_max: self.limits.body_records_max.size(),
                body_timeout: self.limits.body_timeout_secs.seconds(),
                answer_timeout: self.limits.answer_timeout_secs.seconds(),
            },
            connections,
        }
    }
}

impl Auth {
    /// None where something is wrong with it.
    fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<Credentials> {
        let report = &mut *planning.report;
        let Choice(Strategy) = self.strategy;
        let username = at.key("username");
        if self.username.contains(':') {
            report.add(username, "a user's name has no colon, which is what divides it from the password");
        } else if self.username.is_empty() && report.is_good(username) && report.checks_environment {
            report.add(username, "it is empty");
        }
        let (password, password_file) = (at.key("password"), at.key("password_file"));
        let secret = match (self.password, self.password_file) {
            (Some(_), Some(_)) => {
                report.add_key(password_file, "there is `password` too; leave one of the two out");
                None
            }
            (Some(secret), None) => Some(secret),
            (None, Some(file)) => secret_file::read_text(&file, password_file, report),
            (None, None) => {
                if report.is_good(password) && report.is_good(password_file) && report.checks_environment {
                    report.add(password, "missing; expected `password` or `password_file`");
                }
                None
            }
        };
        secret.map(|password| Credentials { username: self.username, password })
    }
}
