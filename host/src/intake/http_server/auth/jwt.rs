//! Tokens of an issuer elsewhere (RFC 7519), shown as bearer tokens (RFC 6750). A token names its algorithm itself, so only
//! those count that are allowed; none of them works with a secret or without a signature, which would make a public key a
//! password.

use super::digests::{Digest, digest};
use super::failure::Failure;
use super::key_set::KeySet;
use super::remote_keys::RemoteKeys;
use super::settings::{JwtSettings, KeySource};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{Algorithm, Header, Validation, decode, get_current_timestamp};
use serde::Deserialize;
use std::collections::HashSet;
use std::sync::Arc;

/// One issuer.
pub(super) struct Issuer {
    keys: Keys,
    /// Each allows one algorithm.
    validations: Vec<(Algorithm, Validation)>,
    scope: Option<String>,
    leeway: u64,
}

enum Keys {
    InFile(Arc<KeySet>),
    Remote(Arc<RemoteKeys>),
}

#[derive(Deserialize)]
struct Claims {
    exp: f64,
    /// Divided by blanks (RFC 8693, section 4.2).
    scope: Option<String>,
    /// The same by another name, as a text or a list.
    scp: Option<Scopes>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scopes {
    Text(String),
    List(Vec<String>),
}

impl Issuer {
    /// What the configuration and the files say now. Keys that are elsewhere are known by whoever fetches them.
    pub(super) fn new(settings: &JwtSettings, remote: Option<&Arc<RemoteKeys>>) -> Result<Self, String> {
        let keys = match (&settings.keys, remote) {
            (KeySource::File(path), _) => {
                let text = crate::secret::source::read_bytes(path).map_err(|error| error.told("the file"));
                let keys =
                    text.and_then(|text| KeySet::parse(&text)).map_err(|problem| format!("jwks_file: {problem}"))?;
                Keys::InFile(Arc::new(keys))
            }
            (KeySource::Url { .. }, Some(remote)) => Keys::Remote(Arc::clone(remote)),
            (KeySource::Url { .. }, None) => return Err("jwks_url: nobody fetches it".to_owned()),
        };
        let validations = settings.algorithms.iter().map(|algorithm| (*algorithm, validation(settings, *algorithm)));
        let (scope, leeway) = (settings.scope.clone(), settings.leeway.as_secs());
        Ok(Self { keys, validations: validations.collect(), scope, leeway })
    }

    pub(super) async fn check(&self, token: &str, header: &Header) -> Result<(), Failure> {
        let allowed = self.validations.iter().find(|(algorithm, _)| *algorithm == header.alg);
        let (algorithm, validation) = allowed.ok_or(Failure::Wrong)?;
        let keys = match &self.keys {
            Keys::InFile(keys) => Arc::clone(keys),
            Keys::Remote(remote) => remote.keys(header.kid.as_deref(), *algorithm).await.ok_or(Failure::Undecided)?,
        };
        let (digest, now) = (digest(token.as_bytes()), get_current_timestamp());
        if keys.has_verified(&digest, now) {
            return Ok(());
        }
        self.verify(token, header, &keys, validation, digest, now)
    }

    fn verify(
        &self,
        token: &str,
        header: &Header,
        keys: &KeySet,
        validation: &Validation,
        digest: Digest,
        now: u64,
    ) -> Result<(), Failure> {
        let key = keys.find(header.kid.as_deref(), header.alg).ok_or(Failure::Wrong)?;
        let claims = decode::<Claims>(token, key, validation).map_err(|error| failure(&error))?.claims;
        if self.scope.as_deref().is_some_and(|scope| !claims.allows(scope)) {
            return Err(Failure::Scope);
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it ends at both ends of the type")]
        let expires = claims.exp as u64;
        keys.keep(digest, expires.saturating_add(self.leeway), now);
        Ok(())
    }
}

impl Claims {
    fn allows(&self, scope: &str) -> bool {
        let in_text = |text: &str| text.split(' ').any(|known| known == scope);
        let in_scp = match &self.scp {
            Some(Scopes::Text(text)) => in_text(text),
            Some(Scopes::List(list)) => list.iter().any(|known| known == scope),
            None => false,
        };
        in_scp || self.scope.as_deref().is_some_and(in_text)
    }
}

fn validation(settings: &JwtSettings, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims = ["exp", "iss", "aud"].into_iter().map(str::to_owned).collect::<HashSet<_>>();
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&settings.audience);
    validation.leeway = settings.leeway.as_secs();
    validation.validate_nbf = true;
    validation
}

pub(super) fn failure(error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature => Failure::Expired,
        ErrorKind::InvalidToken | ErrorKind::Base64(_) | ErrorKind::Json(_) | ErrorKind::Utf8(_) => Failure::Malformed,
        _ => Failure::Wrong,
    }
}
