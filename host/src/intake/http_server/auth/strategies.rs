//! All secrets and keys that senders are held against, as the files hold them now.

use super::basic::{self, Basic};
use super::failure::Failure;
use super::hmac::{self, Relays, Signature};
use super::jwt::Issuer;
use super::path_secret::PathSecret;
use super::remote_keys::RemoteKeys;
use super::scheme;
use super::settings::{AuthSettings, Way};
use super::tokens::{OwnKey, Tokens};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use jsonwebtoken::{Algorithm, decode_header};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

#[derive(Default)]
pub(super) struct Strategies {
    basic: Basic,
    pub(super) tokens: Option<Tokens>,
    issuers: Vec<Issuer>,
    pub(super) relays: Relays,
    pub(super) path_secret: Option<PathSecret>,
    asks_nobody: bool,
}

/// What outlives a change of the files.
pub(super) struct Lasting {
    pub(super) own_key: OwnKey,
    /// One for each way, in their order; None for those whose keys are elsewhere.
    pub(super) remote_keys: Vec<Option<Arc<RemoteKeys>>>,
}

/// Why a push is not let in, and whether it showed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Denial {
    pub(super) failure: Failure,
    pub(super) showed_token: bool,
}

/// What the header `Authorization` shows.
enum Shown<'h> {
    Nothing,
    Basic(&'h [u8]),
    Bearer(&'h str),
    Malformed,
}

/// More is neither a password nor a token.
const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;

const BEARER_CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"callspan\"");
const INVALID_TOKEN: HeaderValue = HeaderValue::from_static("Bearer realm=\"callspan\", error=\"invalid_token\"");
pub(super) const INSUFFICIENT_SCOPE: HeaderValue =
    HeaderValue::from_static("Bearer realm=\"callspan\", error=\"insufficient_scope\"");

/// What a sender that shows nothing is asked for, where this is the way.
pub(super) fn challenge(way: &Way) -> HeaderValue {
    match way {
        Way::Basic(_) => basic::CHALLENGE,
        Way::Oauth2(_) | Way::Jwt(_) => BEARER_CHALLENGE,
        Way::Hmac(_) => hmac::CHALLENGE,
    }
}

impl Strategies {
    pub(super) fn new(settings: &AuthSettings, source: &str, lasting: &Lasting) -> Result<Self, String> {
        let mut strategies = Self { asks_nobody: settings.ways.is_empty(), ..Self::default() };
        for (way, remote_keys) in settings.ways.iter().zip(&lasting.remote_keys) {
            match way {
                Way::Basic(user) => strategies.basic.add(user)?,
                Way::Oauth2(oauth2) => strategies.tokens = Some(Tokens::new(oauth2, source, &lasting.own_key)?),
                Way::Jwt(issuer) => strategies.issuers.push(Issuer::new(issuer, remote_keys.as_ref())?),
                Way::Hmac(relay) => strategies.relays.add(relay)?,
            }
        }
        strategies.path_secret = settings.path_secret.as_ref().map(PathSecret::new).transpose()?;
        Ok(strategies)
    }

    /// Whether a push is let in; if it is signed, that is for its body to say.
    pub(super) async fn check(&self, headers: &HeaderMap) -> Result<Option<Signature>, Denial> {
        if self.asks_nobody {
            return Ok(None);
        }
        let shown = Shown::of(headers);
        let mut failure = match &shown {
            Shown::Basic(token) if !self.basic.is_empty() => match self.basic.check(token) {
                Ok(()) => return Ok(None),
                Err(failure) => failure,
            },
            Shown::Bearer(token) if self.takes_tokens() => match self.check_token(token).await {
                Ok(()) => return Ok(None),
                Err(failure) => failure,
            },
            Shown::Nothing => Failure::Missing,
            _ => Failure::Malformed,
        };
        if !self.relays.is_empty() {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            match self.relays.begin(headers, now) {
                Ok(signature) => return Ok(Some(signature)),
                Err(other) => failure = failure.or(other),
            }
        }
        Err(Denial { failure, showed_token: self.takes_tokens() && matches!(shown, Shown::Bearer(_)) })
    }

    /// What a sender that was not let in is asked for (RFC 9110, section 11.6.1, and RFC 6750, section 3).
    pub(super) fn challenges(&self, denial: Denial) -> Vec<HeaderValue> {
        if denial.failure == Failure::Scope {
            return vec![INSUFFICIENT_SCOPE];
        }
        let basic = (!self.basic.is_empty()).then_some(basic::CHALLENGE);
        let bearer = self.takes_tokens().then_some(if denial.showed_token { INVALID_TOKEN } else { BEARER_CHALLENGE });
        let hmac = (!self.relays.is_empty()).then_some(hmac::CHALLENGE);
        [basic, bearer, hmac].into_iter().flatten().collect()
    }

    fn takes_tokens(&self) -> bool {
        self.tokens.is_some() || !self.issuers.is_empty()
    }

    /// Only tokens that are fetched here are signed with a secret, so their algorithm tells whose they are.
    async fn check_token(&self, token: &str) -> Result<(), Failure> {
        let header = decode_header(token).map_err(|_| Failure::Malformed)?;
        if header.alg == Algorithm::HS256 {
            return self.tokens.as_ref().ok_or(Failure::Wrong)?.check(token);
        }
        let mut failure = Failure::Wrong;
        for issuer in &self.issuers {
            match issuer.check(token, &header).await {
                Ok(()) => return Ok(()),
                Err(other) => failure = failure.or(other),
            }
        }
        Err(failure)
    }
}

impl<'h> Shown<'h> {
    fn of(headers: &'h HeaderMap) -> Self {
        let mut authorizations = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        let authorization = match (authorizations.next(), authorizations.next()) {
            (None, _) => return Self::Nothing,
            (Some(authorization), None) if authorization.len() <= AUTHORIZATION_BYTES_MAX => authorization,
            _ => return Self::Malformed,
        };
        if let Some(token) = scheme(authorization, b"Basic") {
            return Self::Basic(token);
        }
        let token = scheme(authorization, b"Bearer").and_then(|token| std::str::from_utf8(token.trim_ascii()).ok());
        token.map_or(Self::Malformed, Self::Bearer)
    }
}
