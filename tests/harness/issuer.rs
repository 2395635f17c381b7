//! Who issues tokens elsewhere: it has a key, shows the public half of it, and signs what it is told to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};

/// An issuer with one key.
pub struct Issuer {
    key: KeyPair,
    key_id: String,
}

impl Issuer {
    /// What its tokens say that they are from.
    pub const NAME: &str = "https://login.example.com";
    /// What its tokens say that they are for.
    pub const AUDIENCE: &str = "callspan";

    /// One whose key has this name.
    pub fn new(key_id: &str) -> Self {
        Self { key: KeyPair::generate().unwrap(), key_id: key_id.to_owned() }
    }

    /// Its public key, as it is served or written to a file.
    pub fn keys(&self) -> String {
        // 4, x, y.
        let point = self.key.der_bytes();
        let (x, y) = (URL_SAFE_NO_PAD.encode(&point[1..33]), URL_SAFE_NO_PAD.encode(&point[33..65]));
        json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": self.key_id, "x": x, "y": y }] }).to_string()
    }

    /// A token that ends in so many seconds; less than nothing for one that has ended.
    pub fn token(&self, seconds: i64) -> String {
        let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
        let claims = json!({ "iss": Self::NAME, "aud": Self::AUDIENCE, "sub": "relay", "exp": in_seconds(seconds) });
        encode(&header, &claims, &EncodingKey::from_ec_der(&self.key.serialize_der())).unwrap()
    }
}

/// A token of these claims, and its end, that is signed with a secret.
pub fn signed_with_secret(secret: &str, mut claims: Value, seconds: i64) -> String {
    claims["exp"] = in_seconds(seconds).into();
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn in_seconds(seconds: i64) -> u64 {
    get_current_timestamp().saturating_add_signed(seconds)
}
