//! Tokens that are fetched here: signed with a key that nobody else knows (RFC 7519, HS256), good for a while, for this
//! source alone, and as long as their client is configured.

use super::digests::{Digest, Digests, digest};
use super::failure::Failure;
use super::jwt::failure;
use super::settings::{Oauth2Settings, Rotating, signing_key_problem};
use super::token_endpoint::Pair;
use crate::secret::Secret;
use chacha20poly1305::aead::{OsRng, rand_core::RngCore as _};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode, get_current_timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq as _};

/// The only thing that a token allows.
pub(super) const SCOPE: &str = "push";
const ISSUER: &str = "callspan";

pub(super) struct Tokens {
    clients: Vec<Client>,
    signing: EncodingKey,
    /// The key that tokens are signed with, and the one before it.
    verifying: Vec<DecodingKey>,
    validation: Validation,
    source: String,
    pub(super) lifetime: Duration,
}

struct Client {
    name: String,
    id: Digest,
    secret: Digests,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    iat: u64,
    exp: u64,
    scope: String,
}

/// A key for as long as this process runs.
pub(super) struct OwnKey([u8; 32]);

impl OwnKey {
    pub(super) fn new() -> Self {
        let mut key = [0; 32];
        OsRng.fill_bytes(&mut key);
        Self(key)
    }
}

impl Tokens {
    pub(super) fn new(settings: &Oauth2Settings, source: &str, own_key: &OwnKey) -> Result<Self, String> {
        let (current, previous) = match &settings.signing_key {
            Some(key) => signing_keys(key)?,
            None => (own_key.0.to_vec(), None),
        };
        let clients = settings.clients.iter().map(|client| {
            let id = digest(client.client_id.as_bytes());
            Digests::of(&client.client_secret).map(|secret| Client { name: client.client_id.clone(), id, secret })
        });
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[source]);
        // The same clock signs and verifies.
        validation.leeway = 0;
        Ok(Self {
            clients: clients.collect::<Result<_, _>>()?,
            signing: EncodingKey::from_secret(&current),
            verifying: [Some(current), previous].iter().flatten().map(|key| DecodingKey::from_secret(key)).collect(),
            validation,
            source: source.to_owned(),
            lifetime: settings.token_lifetime,
        })
    }

    /// The client whose id and secret these are, in one of the spellings. Every client is compared with.
    pub(super) fn client(&self, spellings: &[Pair]) -> Option<&str> {
        let mut found = None;
        for (id, secret) in spellings {
            let (id, secret) = (digest(id), digest(secret));
            for client in &self.clients {
                let is_known: Choice = client.id.ct_eq(&id) & client.secret.has(&secret);
                if is_known.into() {
                    found = Some(client.name.as_str());
                }
            }
        }
        found
    }

    /// A token for this client.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub(super) fn issue(&self, client_id: &str) -> Result<String, jsonwebtoken::errors::Error> {
        let now = get_current_timestamp();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: client_id.to_owned(),
            aud: self.source.clone(),
            iat: now,
            exp: now.saturating_add(self.lifetime.as_secs()),
            scope: SCOPE.to_owned(),
        };
        encode(&Header::new(Algorithm::HS256), &claims, &self.signing)
    }

    pub(super) fn check(&self, token: &str) -> Result<(), Failure> {
        let mut found = Failure::Malformed;
        for key in &self.verifying {
            match decode::<Claims>(token, key, &self.validation) {
                Ok(token) => {
                    let client = digest(token.claims.sub.as_bytes());
                    let is_configured = self.clients.iter().any(|known| known.id == client);
                    return if is_configured { Ok(()) } else { Err(Failure::Wrong) };
                }
                Err(error) => found = found.or(failure(&error)),
            }
        }
        Err(found)
    }
}

fn signing_keys(key: &Rotating) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let (current, previous) = key.read()?;
    let checked = |key: Secret| match signing_key_problem(&key) {
        Some(problem) => Err(format!("signing_key: {problem}")),
        None => Ok(key.expose().as_bytes().to_vec()),
    };
    Ok((checked(current)?, previous.map(checked).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::http_server::auth::settings::ClientSettings;
    use crate::secret::SecretSource;

    const FIRST: &str = "the first key, of 32 bytes or more";
    const SECOND: &str = "the second key, of 32 bytes or more";

    fn rotating(option: &'static str, current: &str, previous: Option<&str>) -> Rotating {
        let text = |text: &str| SecretSource::Text(Secret::new(text));
        Rotating { option, current: text(current), previous: previous.map(text) }
    }

    fn tokens(key: Option<Rotating>, source: &str, clients: &[&str], own_key: &OwnKey) -> Tokens {
        let client = |id: &&str| ClientSettings {
            client_id: (*id).to_owned(),
            client_secret: rotating("client_secret", "now", Some("before")),
        };
        let settings = Oauth2Settings {
            token_path: "/oauth/token".to_owned(),
            token_lifetime: Duration::from_secs(60),
            signing_key: key,
            clients: clients.iter().map(client).collect(),
        };
        Tokens::new(&settings, source, own_key).unwrap_or_else(|problem| panic!("{problem}"))
    }

    fn signed(current: &str, previous: Option<&str>) -> Tokens {
        tokens(Some(rotating("signing_key", current, previous)), "tccc", &["relay"], &OwnKey::new())
    }

    #[test]
    fn a_token_is_good_under_the_key_that_signed_it_and_under_the_next_one_beside_it() {
        let token = signed(FIRST, None).issue("relay").expect("a token");
        assert_eq!(signed(FIRST, None).check(&token), Ok(()));
        assert_eq!(signed(SECOND, Some(FIRST)).check(&token), Ok(()));
        assert_eq!(signed(SECOND, None).check(&token), Err(Failure::Wrong));
    }

    #[test]
    fn a_key_that_nobody_configured_lasts_as_long_as_the_process() {
        let own_key = OwnKey::new();
        let token = tokens(None, "tccc", &["relay"], &own_key).issue("relay").expect("a token");
        assert_eq!(tokens(None, "tccc", &["relay"], &own_key).check(&token), Ok(()), "files were read again");
        assert_eq!(tokens(None, "tccc", &["relay"], &OwnKey::new()).check(&token), Err(Failure::Wrong));
    }

    #[test]
    fn a_token_is_for_its_source_and_as_long_as_its_client_is_known() {
        let own_key = OwnKey::new();
        let token = tokens(None, "tccc", &["relay", "other"], &own_key).issue("relay").expect("a token");
        assert_eq!(tokens(None, "tccc", &["other"], &own_key).check(&token), Err(Failure::Wrong));
        assert_eq!(tokens(None, "another", &["relay"], &own_key).check(&token), Err(Failure::Wrong));
    }

    #[test]
    fn a_token_ends() {
        let tokens = signed(FIRST, None);
        let now = get_current_timestamp();
        let with = |exp: u64, algorithm: Algorithm| {
            let text = str::to_owned;
            let claims =
                Claims { iss: text(ISSUER), sub: text("relay"), aud: text("tccc"), iat: 0, exp, scope: text(SCOPE) };
            let token = encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(FIRST.as_bytes()));
            tokens.check(&token.expect("a token"))
        };
        assert_eq!(with(now + 5, Algorithm::HS256), Ok(()));
        assert_eq!(with(now - 1, Algorithm::HS256), Err(Failure::Expired));
        assert_eq!(with(now + 5, Algorithm::HS512), Err(Failure::Wrong));
        for token in ["", "a.b.c", "no token", "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(tokens.check(token), Err(Failure::Malformed), "{token}");
        }
    }

    #[test]
    fn clients_are_known_by_both_of_their_secrets() {
        let tokens = signed(FIRST, None);
        for (id, secret, is_known) in [
            ("relay", "now", true),
            ("relay", "before", true),
            ("relay", "", false),
            ("relay", "never", false),
            ("other", "now", false),
        ] {
            let expected = is_known.then_some("relay");
            assert_eq!(tokens.client(&[(id.into(), secret.into())]), expected, "{id} {secret}");
            let in_two_spellings = [(b"x".to_vec(), b"y".to_vec()), (id.into(), secret.into())];
            assert_eq!(tokens.client(&in_two_spellings), expected, "{id} {secret}");
        }
        assert_eq!(tokens.client(&[]), None);
    }

    #[test]
    fn a_short_key_is_refused() {
        let settings = |key: &str| Oauth2Settings {
            token_path: String::new(),
            token_lifetime: Duration::ZERO,
            signing_key: Some(rotating("signing_key", key, None)),
            clients: Vec::new(),
        };
        let new = |length: usize| Tokens::new(&settings(&"x".repeat(length)), "tccc", &OwnKey::new()).err();
        assert!(new(31).is_some_and(|problem| problem.contains("shorter than 32")));
        assert_eq!(new(32), None);
    }
}
