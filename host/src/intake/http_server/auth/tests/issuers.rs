//! Tokens of an issuer elsewhere, whose keys are in a file or at a URL that may be down.

use super::*;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::net::TcpListener;

const ISSUER: &str = "https://login.example.com";

/// A key with its name.
struct Key {
    id: &'static str,
    pair: KeyPair,
}

impl Key {
    fn new(id: &'static str) -> Self {
        Self { id, pair: KeyPair::generate().expect("a key") }
    }

    fn public(&self) -> Value {
        use base64::Engine as _;
        let text = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
        // A point that is not compressed: 4, x, y.
        let point = self.pair.der_bytes();
        json!({ "kty": "EC", "crv": "P-256", "kid": self.id, "x": text(&point[1..33]), "y": text(&point[33..65]) })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = Header { kid: Some(self.id.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &EncodingKey::from_ec_der(&self.pair.serialize_der())).expect("a token")
    }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": ["callspan"], "exp": get_current_timestamp() + 60, "scope": "read push" })
}

fn with(change: Value) -> Value {
    let mut claims = claims();
    for (name, value) in change.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

fn settings(keys: KeySource, scope: Option<&str>) -> AuthSettings {
    let jwt = JwtSettings {
        issuer: ISSUER.to_owned(),
        audience: vec!["callspan".to_owned(), "other".to_owned()],
        keys,
        algorithms: vec![Algorithm::ES256, Algorithm::RS256],
        scope: scope.map(str::to_owned),
        leeway: Duration::from_secs(30),
    };
    AuthSettings { ways: vec![Way::Jwt(jwt)], ..AuthSettings::default() }
}

fn document(keys: &[&Key]) -> String {
    json!({ "keys": keys.iter().map(|key| key.public()).collect::<Vec<_>>() }).to_string()
}

#[tokio::test]
async fn a_token_counts_if_all_of_it_is_right() {
    let (key, stranger) = (Key::new("1"), Key::new("1"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    std::fs::write(&path, document(&[&key])).expect("it is written");
    let gate = gate(&settings(KeySource::File(path.clone()), Some("push")));
    let status = async |token: &str| match gate.admit(&bearer(token), ADDRESS).await {
        Ok(_) => 200,
        Err(refusal) => refusal.status().as_u16(),
    };
    let now = get_current_timestamp();
    for change in [
        json!({}),
        json!({ "exp": now - 20 }),
        json!({ "nbf": now + 20 }),
        json!({ "aud": "other" }),
        json!({ "scope": null, "scp": ["push"] }),
        json!({ "scope": null, "scp": "read push" }),
        json!({ "exp": 1e18 }),
    ] {
        let token = key.sign(&with(change.clone()));
        assert_eq!((status(&token).await, status(&token).await), (200, 200), "{change}: at first, and remembered");
    }
    for change in [
        json!({ "exp": now - 40 }),
        json!({ "exp": null }),
        json!({ "exp": "never" }),
        json!({ "nbf": now + 40 }),
        json!({ "iss": "https://login.example.org" }),
        json!({ "iss": null }),
        json!({ "aud": "nobody" }),
        json!({ "aud": null }),
    ] {
        assert_eq!(status(&key.sign(&with(change.clone()))).await, 401, "{change}");
    }
    for change in [json!({ "scope": "pushing" }), json!({ "scope": null })] {
        assert_eq!(status(&key.sign(&with(change.clone()))).await, 403, "{change}");
    }
    assert_eq!(status(&stranger.sign(&claims())).await, 401, "another key of that name");
    assert_eq!(status(&Key::new("2").sign(&claims())).await, 401, "a key of another name");
    // A key that is withdrawn takes its tokens with it, those that were seen too.
    let token = key.sign(&claims());
    assert_eq!(status(&token).await, 200);
    std::fs::write(&path, document(&[&stranger])).expect("it is written");
    assert_eq!(status(&stranger.sign(&claims())).await, 200);
    assert_eq!(status(&token).await, 401);
}

/// The oldest tricks: no signature, and the public key as a secret that everybody knows.
#[tokio::test]
async fn a_token_without_a_private_key_behind_it_is_nobodys() {
    use base64::Engine as _;
    let key = Key::new("1");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    std::fs::write(&path, document(&[&key])).expect("it is written");
    let gate = gate(&settings(KeySource::File(path), None));
    let text = |value: &Value| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
    let unsigned = format!("{}.{}.", text(&json!({ "alg": "none", "kid": "1" })), text(&claims()));
    let header = Header { kid: Some("1".to_owned()), ..Header::new(Algorithm::HS256) };
    let point = key.pair.der_bytes();
    let by_public_key = encode(&header, &claims(), &EncodingKey::from_secret(point)).expect("a token");
    let right = key.sign(&claims());
    assert!(gate.admit(&bearer(&right), ADDRESS).await.is_ok());
    let cut = right.rsplit_once('.').map(|(rest, _)| format!("{rest}.")).unwrap_or_default();
    for token in [unsigned, by_public_key, cut] {
        assert!(matches!(gate.admit(&bearer(&token), ADDRESS).await, Err(Refusal::Unauthorized { .. })), "{token}");
    }
}

/// Serves what it is told to, and counts.
#[derive(Clone)]
struct Keys {
    text: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
    url: String,
}

impl Keys {
    async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
        let keys = Self { text: Arc::default(), asked: Arc::default(), url };
        let served = keys.clone();
        let router = axum::Router::new().fallback(move || {
            served.asked.fetch_add(1, Ordering::Relaxed);
            let text = served.text.lock().expect("no panic").clone();
            std::future::ready(text.ok_or(axum::http::StatusCode::BAD_GATEWAY))
        });
        tokio::spawn(crate::connections::serve(
            listener,
            router,
            crate::connections::ConnectionLimits::default(),
            crate::connections::ConnectionCounters::default(),
            std::future::pending(),
        ));
        keys
    }

    fn set(&self, keys: &[&Key]) {
        *self.text.lock().expect("no panic") = Some(document(keys));
    }

    fn break_down(&self) {
        *self.text.lock().expect("no panic") = None;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    fn source(&self, cooldown: Duration, max_age: Duration) -> KeySource {
        KeySource::Url { url: self.url.parse().expect("a URL"), cooldown, max_age }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn as_long_as_the_keys_cannot_be_had_nobody_is_called_wrong() {
    let (keys, key) = (Keys::serve().await, Key::new("1"));
    let gate = gate(&settings(keys.source(Duration::ZERO, HOUR), None));
    let token = key.sign(&claims());
    assert!(matches!(gate.admit(&bearer(&token), ADDRESS).await, Err(Refusal::Undecided)));
    keys.set(&[&key]);
    assert!(gate.admit(&bearer(&token), ADDRESS).await.is_ok());
    assert!(gate.approach(ADDRESS).is_ok());
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_once_within_the_cooldown() {
    let (keys, key) = (Keys::serve().await, Key::new("1"));
    keys.set(&[&key]);
    let gate = gate(&settings(keys.source(HOUR, HOUR), None));
    assert!(gate.admit(&bearer(&key.sign(&claims())), ADDRESS).await.is_ok());
    for _ in 0..5 {
        assert!(gate.admit(&bearer(&Key::new("made up").sign(&claims())), ADDRESS).await.is_err());
    }
    assert_eq!(keys.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_and_the_last_ones_stay_while_the_url_is_down() {
    let (keys, first, second) = (Keys::serve().await, Key::new("1"), Key::new("2"));
    keys.set(&[&first]);
    // Both without patience: each use is a reason to ask.
    let gate = gate(&settings(keys.source(Duration::ZERO, Duration::ZERO), None));
    let admits = async |key: &Key| gate.admit(&bearer(&key.sign(&claims())), ADDRESS).await.is_ok();
    assert!(admits(&first).await);
    keys.set(&[&first, &second]);
    assert!(admits(&second).await);
    keys.break_down();
    assert!(admits(&second).await && admits(&first).await);
    keys.set(&[&second]);
    assert!(!admits(&first).await && admits(&second).await);
    assert!(keys.asked() >= 4);
}
