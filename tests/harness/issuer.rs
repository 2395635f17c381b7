//! Who issues tokens elsewhere: it has a key, shows the public half of it, and signs what it is told to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rcgen::{KeyPair, PublicKeyData as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

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

/// Serves an issuer's keys over HTTP, as it is told to; until then, and when it is told so, it is down.
pub struct KeyServer {
    address: SocketAddr,
    keys: Arc<Mutex<Option<String>>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    /// One that is down.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), keys: Arc::default(), asked: Arc::default() };
        let (keys, asked) = (Arc::clone(&server.keys), Arc::clone(&server.asked));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let mut reader = BufReader::new(&connection);
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|length| length > 2) {
                    line.clear();
                }
                asked.fetch_add(1, Ordering::Relaxed);
                let keys = keys.lock().unwrap().clone();
                let (status, body) = keys.map_or(("502 Bad Gateway", String::new()), |keys| ("200 OK", keys));
                let length = body.len();
                let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
                // Who has gone does not need them.
                let _sent = (&connection).write_all((head + &body).as_bytes());
            }
        });
        server
    }

    /// Where the keys are.
    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// Serves these from now on; none when it is to be down.
    pub fn serve(&self, keys: Option<String>) {
        *self.keys.lock().unwrap() = keys;
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
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
