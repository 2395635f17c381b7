//! The strategy `jwt`.

use crate::config::decode::Table;
use crate::config::path::At;
use crate::config::problem::Report;
use crate::config::secret_file;
use crate::config::value::{Choice, Whole, Word};
use crate::intake::http_server::auth::{JwtSettings, KeySource, key_set_problem};
use axum::http::Uri;
use jsonwebtoken::Algorithm;
use schemars::JsonSchema;
use std::net::IpAddr;
use std::path::PathBuf;

/// Tokens of an issuer elsewhere (RFC 7519), whose public keys are in a file or at a URL (RFC 7517).
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields, extend("required" = ["issuer", "audience"]))]
pub(super) struct Jwt {
    /// Who has to have issued a token: its `iss`.
    #[schemars(required)]
    issuer: String,
    /// Whom a token has to be for: one of these has to be in its `aud`.
    #[schemars(required, length(min = 1))]
    audience: Option<Vec<String>>,
    /// A file with the issuer's public keys; it is read again when it changes. Either this or `jwks_url` is needed.
    jwks_file: Option<PathBuf>,
    /// Where the issuer's public keys are fetched, with https; plain http is for this machine alone. As long as it does
    /// not answer, the last keys stay in use.
    jwks_url: Option<String>,
    /// The least time between two requests for the keys, in seconds, whatever keys tokens name.
    jwks_cooldown_secs: Whole<1, 3600>,
    /// After how many seconds the keys are fetched again, so that a key that was withdrawn is no good any more.
    jwks_max_age_secs: Whole<1, 86_400>,
    /// The algorithms that tokens may be signed with; all of them have public keys.
    #[schemars(length(min = 1))]
    algorithms: Vec<Choice<Algorithm>>,
    /// What a token has to allow: a word of its `scope` or `scp`.
    scope: Option<String>,
    /// How many seconds the issuer's clock may be off.
    leeway_secs: Whole<0, 600>,
}

impl Word for Algorithm {
    fn words() -> Vec<(&'static str, Self)> {
        vec![
            ("RS256", Algorithm::RS256),
            ("RS384", Algorithm::RS384),
            ("RS512", Algorithm::RS512),
            ("PS256", Algorithm::PS256),
            ("PS384", Algorithm::PS384),
            ("PS512", Algorithm::PS512),
            ("ES256", Algorithm::ES256),
            ("ES384", Algorithm::ES384),
            ("EdDSA", Algorithm::EdDSA),
        ]
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Jwt {
            issuer: String::new(),
            audience: None,
            jwks_file: None,
            jwks_url: None,
            jwks_cooldown_secs: Whole(30),
            jwks_max_age_secs: Whole(900),
            algorithms: vec![Choice(Algorithm::RS256), Choice(Algorithm::ES256)],
            scope: None,
            leeway_secs: Whole(60),
        }
    }
}

impl Jwt {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Jwt {
            issuer: table.required("issuer", "the name of the issuer, as in the `iss` of its tokens"),
            audience: table.required("audience", "a list of names, one of which is in the `aud` of tokens"),
            jwks_file: table.take("jwks_file", None),
            jwks_url: table.take("jwks_url", None),
            jwks_cooldown_secs: table.take("jwks_cooldown_secs", default.jwks_cooldown_secs),
            jwks_max_age_secs: table.take("jwks_max_age_secs", default.jwks_max_age_secs),
            algorithms: table.take("algorithms", default.algorithms),
            scope: table.take("scope", None),
            leeway_secs: table.take("leeway_secs", default.leeway_secs),
        }
    }

    /// None where something is wrong with it.
    pub(super) fn plan(self, at: At<'_>, report: &mut Report<'_>) -> Option<JwtSettings> {
        for (key, is_empty) in [
            ("issuer", self.issuer.is_empty()),
            ("audience", self.audience.as_ref().is_some_and(Vec::is_empty)),
            ("algorithms", self.algorithms.is_empty()),
        ] {
            if is_empty && report.is_good(at.key(key)) && report.checks_environment {
                report.add(at.key(key), "it is empty");
            }
        }
        let cooldown = self.jwks_cooldown_secs.seconds();
        let max_age = self.jwks_max_age_secs.seconds();
        let (file_key, url_key) = (at.key("jwks_file"), at.key("jwks_url"));
        let keys = match (self.jwks_file, self.jwks_url) {
            (Some(_), Some(_)) => {
                report.add_key(url_key, "there is `jwks_file` too; leave one of the two out");
                None
            }
            (Some(file), None) => {
                if let Some(problem) =
                    secret_file::read_bytes(&file, file_key, report).and_then(|it| key_set_problem(&it))
                {
                    report.add(file_key, problem);
                }
                Some(KeySource::File(file))
            }
            (None, Some(url)) => url_of(&url, url_key, report).map(|url| KeySource::Url { url, cooldown, max_age }),
            (None, None) => {
                if report.is_good(file_key) && report.is_good(url_key) && report.checks_environment {
                    report.add(url_key, "missing; expected `jwks_url` or `jwks_file`");
                }
                None
            }
        };
        Some(JwtSettings {
            issuer: self.issuer,
            audience: self.audience.unwrap_or_default(),
            keys: keys?,
            algorithms: self.algorithms.into_iter().map(|Choice(algorithm)| algorithm).collect(),
            scope: self.scope,
            leeway: self.leeway_secs.seconds(),
        })
    }
}

/// Keys that come in clear could be anybody's.
fn url_of(text: &str, at: At<'_>, report: &mut Report<'_>) -> Option<Uri> {
    let url: Option<Uri> = text.parse().ok();
    let is_near = |host: &str| {
        let address: Option<IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        host == "localhost" || address.is_some_and(|address| address.is_loopback())
    };
    let url = url.filter(|url| match (url.scheme_str(), url.host()) {
        (Some("https"), Some(_)) => true,
        (Some("http"), Some(host)) => is_near(host),
        _ => false,
    });
    if url.is_none() && report.is_good(at) && (report.checks_environment || !text.is_empty()) {
        report.add(at, "expected a URL that begins with https://; http:// is for this machine alone");
    }
    url
}
