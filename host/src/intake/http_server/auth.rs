//! Whether a sender is let in.
//!
//! ```text
//! connection ──▶ origin ──▶ lockout ──▶ path_secret ──▶ strategies ──▶ its body is read ──▶ hmac
//!                  │           ▲             │              │                                │
//!                  ▼           └─────────────┴───── wrong ──┴────────────────────────────────┘
//!             403, 401, 429, 404: one line in the log, one in the metrics, and nothing of what was wrong
//! ```
//!
//! Where a sender is (`origin`) comes first, then whether too many failures came from there (`lockout`): neither looks at
//! what it shows. The path may hold a secret. Then one of the `strategies` has to be met:
//!
//! | strategy | file | a push shows |
//! |---|---|---|
//! | `basic` | `basic` | a user and a password |
//! | `oauth2` | `tokens`, `token_endpoint` | a token that it was given here for a client's id and secret |
//! | `jwt` | `jwt`, `key_set`, `remote_keys` | a token of an issuer elsewhere |
//! | `hmac` | `hmac` | a code over time and body, which is the only one that needs the body |
//!
//! Secrets and keys are digested or parsed once, and again when their files change: within a second, and at once when
//! somebody shows what they do not know yet. What was valid before stays so as long as it is configured as the previous
//! one. Every comparison takes as long whatever is shown, and each refusal looks like any other.

mod basic;
mod digests;
mod failure;
mod hmac;
mod jwt;
mod key_set;
mod lockout;
pub(super) mod openapi;
mod origin;
mod path_secret;
mod remote_keys;
mod settings;
mod strategies;
mod token_endpoint;
mod tokens;

#[cfg(test)]
mod tests;

use super::Counters;
use super::refusal::Refusal;
use crate::watched::Watched;
use axum::http::{HeaderMap, HeaderValue};
use hmac::Signature;
use lockout::Lockout;
use remote_keys::RemoteKeys;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strategies::{Denial, Lasting, Strategies};
use tokens::OwnKey;

pub(super) use failure::Failure;
pub use key_set::problem as key_set_problem;
pub(super) use origin::address;
pub use settings::{
    AuthSettings, BasicSettings, ClientSettings, HmacSettings, JwtSettings, KeySource, LockoutSettings, Oauth2Settings,
    Rotating, Way, hmac_secret_problem, path_secret_problem, signing_key_problem,
};
pub(super) use token_endpoint::{BODY_BYTES_MAX as TOKEN_REQUEST_BYTES_MAX, TokenAnswer, TokenError};

/// Fetches the keys of an issuer, as the first of its tokens would.
///
/// # Errors
/// Why they cannot be fetched. None where they are elsewhere.
pub async fn try_keys(keys: &KeySource) -> Result<(), String> {
    match RemoteKeys::new(keys)? {
        Some(keys) => keys.fetch().await.map(drop),
        None => Ok(()),
    }
}

/// For how long a secret that was taken out of its file may still be good.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The files or keys that a source needs to tell senders apart cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("use what senders of {source_name} are held against: {problem}")]
pub struct AuthError {
    source_name: String,
    problem: String,
}

/// What opens to senders.
pub(super) struct Gate {
    settings: AuthSettings,
    strategies: Arc<Watched<Strategies>>,
    lockout: Lockout,
    counters: Arc<Counters>,
}

/// A push that is let in, unless its body is not the one that was signed.
#[derive(Default)]
pub(super) struct Admission {
    signed: Option<(Arc<Strategies>, Signature)>,
}

/// What is held against the secrets.
enum Shown<'p> {
    /// What stands behind the path.
    Path {
        behind: Option<&'p str>,
        strict: bool,
    },
    Headers(&'p HeaderMap),
}

impl Gate {
    /// None where everybody is let in.
    pub(super) fn new(
        source: &str,
        settings: &AuthSettings,
        counters: &Arc<Counters>,
    ) -> Result<Option<Self>, AuthError> {
        if settings.is_open() {
            return Ok(None);
        }
        let failed = |problem| AuthError { source_name: source.to_owned(), problem };
        let remote_keys = settings.ways.iter().map(|way| match way {
            Way::Jwt(jwt) => Ok(RemoteKeys::new(&jwt.keys)?.map(Arc::new)),
            _ => Ok(None),
        });
        let remote_keys = remote_keys.collect::<Result<_, String>>().map_err(failed)?;
        let lasting = Lasting { own_key: OwnKey::new(), remote_keys };
        let (name, made_of) = (source.to_owned(), settings.clone());
        let make = move || Strategies::new(&made_of, &name, &lasting);
        let strategies = Watched::new(format!("sources.{source}.auth"), settings.files(), make).map_err(failed)?;
        let lockout = Lockout::new(settings.lockout);
        Ok(Some(Self { settings: settings.clone(), strategies, lockout, counters: Arc::clone(counters) }))
    }

    /// Whether somebody there is listened to at all.
    pub(super) fn approach(&self, address: IpAddr) -> Result<(), Refusal> {
        let permitted = &self.settings.permit_origin;
        if !permitted.is_empty() && !origin::is_within(permitted, address) {
            self.counters.auth_failure(Failure::Origin.reason());
            return Err(Refusal::Forbidden { challenges: Vec::new() });
        }
        if let Some(remaining) = self.lockout.remaining(address, Instant::now()) {
            self.counters.auth_failure(Failure::LockedOut.reason());
            return Err(Refusal::LockedOut { remaining });
        }
        Ok(())
    }

    /// Whether the path is that of pushes, where it ends in a secret. None where it does not: then paths are no secret.
    pub(super) async fn serves(
        &self,
        path: &str,
        asked: &str,
        strict: bool,
        address: IpAddr,
    ) -> Option<Result<(), Refusal>> {
        self.settings.path_secret.as_ref()?;
        let behind = path_secret::behind(path, asked);
        let is_served = self.ask(Shown::Path { behind, strict }).await;
        Some(is_served.map(|_| ()).map_err(|(_, denial)| {
            self.count(denial.failure, address);
            Refusal::OtherPath { path: None }
        }))
    }

    /// What can be said before the body is read.
    pub(super) async fn admit(&self, headers: &HeaderMap, address: IpAddr) -> Result<Admission, Refusal> {
        match self.ask(Shown::Headers(headers)).await {
            Ok((_, None)) => Ok(Admission::default()),
            Ok((strategies, Some(signature))) => Ok(Admission { signed: Some((strategies, signature)) }),
            Err((strategies, denial)) => Err(self.refuse(&strategies, denial, address)),
        }
    }

    /// The rest.
    pub(super) async fn admit_body(&self, admission: Admission, body: &[u8], address: IpAddr) -> Result<(), Refusal> {
        let Some((strategies, signature)) = admission.signed else { return Ok(()) };
        if strategies.relays.check(&signature, body).is_ok() {
            return Ok(());
        }
        // It may be signed with a secret that has just been written.
        let latest = self.strategies.latest().await.value;
        latest
            .relays
            .check(&signature, body)
            .map_err(|failure| self.refuse(&latest, Denial { failure, showed_token: false }, address))
    }

    /// Whether tokens are fetched at this path.
    pub(super) fn gives_tokens_at(&self, path: &str) -> bool {
        self.settings.oauth2().is_some_and(|oauth2| oauth2.token_path == path)
    }

    /// Gives a client its token.
    pub(super) async fn token(&self, headers: &HeaderMap, body: &[u8], address: IpAddr) -> TokenAnswer {
        let answer = |strategies: Arc<Strategies>| match &strategies.tokens {
            Some(tokens) => token_endpoint::answer(tokens, headers, body),
            None => TokenAnswer::Refused(TokenError::ServerError),
        };
        let mut answered = answer(self.strategies.recent(LOOK_INTERVAL).await);
        if matches!(answered, TokenAnswer::Refused(TokenError::InvalidClient(Failure::Wrong))) {
            answered = answer(self.strategies.latest().await.value);
        }
        match &answered {
            TokenAnswer::Granted { .. } => self.counters.tokens.add(1),
            TokenAnswer::Refused(TokenError::InvalidClient(failure)) => self.count(*failure, address),
            TokenAnswer::Refused(_) => {}
        }
        answered
    }

    /// Holds what is shown against the secrets as they were a moment ago, and if that fails, as they are now.
    async fn ask(&self, shown: Shown<'_>) -> Result<(Arc<Strategies>, Option<Signature>), (Arc<Strategies>, Denial)> {
        let recent = self.strategies.recent(LOOK_INTERVAL).await;
        let denial = match shown.to(&recent).await {
            Ok(found) => return Ok((recent, found)),
            Err(denial) => denial,
        };
        if !denial.failure.is_attempt() || !self.strategies.has_files() {
            return Err((recent, denial));
        }
        let latest = self.strategies.latest().await.value;
        match shown.to(&latest).await {
            Ok(found) => Ok((latest, found)),
            Err(denial) => Err((latest, denial)),
        }
    }

    fn refuse(&self, strategies: &Strategies, denial: Denial, address: IpAddr) -> Refusal {
        self.count(denial.failure, address);
        let challenges: Vec<HeaderValue> = strategies.challenges(denial);
        match denial.failure {
            Failure::Undecided => Refusal::Undecided,
            Failure::Scope => Refusal::Forbidden { challenges },
            _ => Refusal::Unauthorized { challenges },
        }
    }

    fn count(&self, failure: Failure, address: IpAddr) {
        self.counters.auth_failure(failure.reason());
        if failure.is_attempt() {
            self.lockout.failed(address, Instant::now());
        }
    }
}

impl Shown<'_> {
    async fn to(&self, strategies: &Strategies) -> Result<Option<Signature>, Denial> {
        match self {
            Self::Path { behind, strict } => match &strategies.path_secret {
                Some(secret) => secret
                    .check(*behind, *strict)
                    .map(|()| None)
                    .map_err(|failure| Denial { failure, showed_token: false }),
                None => Ok(None),
            },
            Self::Headers(headers) => strategies.check(headers).await,
        }
    }
}

impl Admission {
    /// Whether the body has to be there to say more.
    pub(super) fn needs_body(&self) -> bool {
        self.signed.is_some()
    }
}

/// What stands behind the name of a scheme, in any case of letters (RFC 9110, section 11.1).
fn scheme<'h>(authorization: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    let (scheme, rest) = authorization.split_at_checked(name.len())?;
    let rest = rest.strip_prefix(b" ")?;
    scheme.eq_ignore_ascii_case(name).then_some(rest)
}
