//! The public keys of an issuer (RFC 7517), and which tokens were found to be signed with them.

use super::digests::Digest;
use jsonwebtoken::jwk::{Jwk, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

pub(super) struct KeySet {
    keys: Vec<Key>,
    verified: Verified,
}

struct Key {
    id: Option<String>,
    /// None where the issuer does not say.
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

/// Tokens that need not be verified again until they expire. They go with the keys, so that no token outlives the key
/// that it was signed with.
#[derive(Default)]
struct Verified(Mutex<HashMap<Digest, u64>>);

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// No issuer has more.
const KEYS_MAX: usize = 100;
/// Beyond it they are verified anew.
const VERIFIED_MAX: usize = 1000;

/// What is wrong with a file of keys, if anything is.
#[must_use]
pub fn problem(text: &[u8]) -> Option<String> {
    KeySet::parse(text).err()
}

impl KeySet {
    /// Keys that cannot be understood, or are for something else, are left out. So are those that both sides know: a
    /// token that is signed with one proves nothing.
    ///
    /// # Errors
    /// When there is no key left.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(text).map_err(|_| "expected a JSON object with the list `keys`".to_owned())?;
        let keys: Vec<Key> = document.keys.into_iter().take(KEYS_MAX).filter_map(Key::new).collect();
        if keys.is_empty() {
            return Err("there is no public key in it that signs tokens".to_owned());
        }
        Ok(Self { keys, verified: Verified::default() })
    }

    /// The key of this name for this algorithm. A token without a name is signed with the only one there is.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| key.fits(algorithm));
        if id.is_some() {
            return fitting.find(|key| key.id.as_deref() == id).map(|key| &key.key);
        }
        match (fitting.next(), fitting.next()) {
            (Some(only), None) => Some(&only.key),
            _ => None,
        }
    }

    pub(super) fn has_verified(&self, token: &Digest, now: u64) -> bool {
        self.verified.lock().get(token).is_some_and(|until| now < *until)
    }

    /// It is good until then, in seconds since 1970.
    pub(super) fn keep(&self, token: Digest, until: u64, now: u64) {
        let mut verified = self.verified.lock();
        if verified.len() >= VERIFIED_MAX {
            verified.retain(|_, until| now < *until);
        }
        if verified.len() >= VERIFIED_MAX {
            verified.clear();
        }
        verified.insert(token, until);
    }
}

impl Verified {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    fn new(value: serde_json::Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let is_for_signatures = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let key = DecodingKey::from_jwk(&jwk)
            .ok()
            .filter(|key| is_for_signatures && key.family() != AlgorithmFamily::Hmac)?;
        let algorithm = match jwk.common.key_algorithm {
            Some(algorithm) => Some(Algorithm::try_from(algorithm).ok()?),
            None => None,
        };
        Some(Self { id: jwk.common.key_id, algorithm, key })
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        self.key.family() == algorithm.family() && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EC: &str = r#"{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;
    const SHARED: &str = r#"{"kty":"oct","kid":"2","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}"#;

    fn parse(keys: &[&str]) -> Result<KeySet, String> {
        KeySet::parse(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes())
    }

    #[test]
    fn a_key_is_found_by_its_name_and_for_its_kind_of_algorithm() {
        let keys = parse(&[EC]).expect("a key");
        for (id, algorithm, is_found) in [
            (Some("1"), Algorithm::ES256, true),
            (None, Algorithm::ES256, true),
            (Some("2"), Algorithm::ES256, false),
            (Some("1"), Algorithm::RS256, false),
            (Some("1"), Algorithm::HS256, false),
        ] {
            assert_eq!(keys.find(id, algorithm).is_some(), is_found, "{id:?} {algorithm:?}");
        }
        let named = EC.replace(r#""kid":"1""#, r#""kid":"1","alg":"ES384""#);
        let two = parse(&[EC, &EC.replace(r#""kid":"1""#, r#""kid":"3""#), &named]).expect("keys");
        assert!(two.find(None, Algorithm::ES256).is_none(), "nobody says which of the two");
        assert!(two.find(None, Algorithm::ES384).is_none());
    }

    /// A token that is signed with a shared key, or with a public key as if it was one, is nobody's.
    #[test]
    fn keys_that_are_shared_unknown_or_for_something_else_are_left_out() {
        for key in [
            SHARED.to_owned(),
            EC.replace("EC", "XX"),
            EC.replace("P-256", "P-000"),
            EC.replace(r#""kid":"1""#, r#""use":"enc""#),
            EC.replace(r#""kid":"1""#, r#""alg":"RSA-OAEP""#),
            "7".to_owned(),
        ] {
            assert!(parse(&[&key]).is_err_and(|problem| problem.starts_with("there is no")), "{key}");
            assert!(parse(&[&key, EC]).is_ok(), "{key}");
        }
        for text in ["", "{}", "[]", "no JSON", "{\"keys\":1}"] {
            assert!(KeySet::parse(text.as_bytes()).is_err_and(|problem| problem.starts_with("expected")), "{text}");
        }
    }

    #[test]
    fn a_verified_token_is_remembered_until_it_expires_and_not_too_many_are() {
        let keys = parse(&[EC]).expect("a key");
        keys.keep([1; 32], 100, 50);
        assert_eq!([99, 100].map(|now| keys.has_verified(&[1; 32], now)), [true, false]);
        assert!(!keys.has_verified(&[2; 32], 50));
        for number in 0..5_000_u32 {
            let mut token = [0; 32];
            token[..4].copy_from_slice(&number.to_be_bytes());
            keys.keep(token, 1_000, 50);
            assert!(keys.verified.lock().len() <= VERIFIED_MAX);
        }
    }
}
