//! Relays that sign what they send: `HMAC-SHA256(secret, timestamp "." body)` in hexadecimal, over the body as it goes
//! over the wire. The time is in seconds since 1970 and bounds for how long a push that somebody has seen can be sent
//! once more; within it, the queue tells that it had the record before.

use super::failure::Failure;
use super::settings::{HmacSettings, hmac_secret_problem};
use crate::secret::Secret;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt::Write as _;
use std::time::Duration;
use subtle::{Choice, ConstantTimeEq as _};

/// No scheme that is registered: what is asked for has no name (RFC 9110, section 11.6.1, wants one).
pub(super) const CHALLENGE: HeaderValue = HeaderValue::from_static("HMAC-SHA256 realm=\"callspan\"");

/// In hexadecimal digits.
const CODE_LENGTH: usize = 64;
/// What some senders write before the code.
const PREFIX: &str = "sha256=";

/// All relays there are.
#[derive(Default)]
pub(super) struct Relays {
    relays: Vec<Relay>,
}

struct Relay {
    current: Hmac<Sha256>,
    previous: Hmac<Sha256>,
    signature_header: HeaderName,
    timestamp_header: HeaderName,
    max_age: Duration,
}

/// What a push shows, to be held against its body once that is there.
pub(super) struct Signature {
    shown: Vec<Shown>,
}

struct Shown {
    /// Which relay it may be.
    relay: usize,
    timestamp: String,
    code: String,
}

impl Relays {
    pub(super) fn add(&mut self, settings: &HmacSettings) -> Result<(), String> {
        let (current, previous) = settings.secret.read()?;
        let current = keyed(&current)?;
        let previous = previous.map_or_else(|| Ok(current.clone()), |previous| keyed(&previous))?;
        self.relays.push(Relay {
            current,
            previous,
            signature_header: settings.signature_header.clone(),
            timestamp_header: settings.timestamp_header.clone(),
            max_age: settings.max_age,
        });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.relays.is_empty()
    }

    /// What can be said before the body is read; the time is that since 1970.
    pub(super) fn begin(&self, headers: &HeaderMap, now: Duration) -> Result<Signature, Failure> {
        let mut shown = Vec::new();
        let mut failure = Failure::Missing;
        for (relay, is) in self.relays.iter().enumerate() {
            match is.shown(headers, now) {
                Ok((timestamp, code)) => shown.push(Shown { relay, timestamp, code }),
                Err(other) => failure = failure.or(other),
            }
        }
        if shown.is_empty() { Err(failure) } else { Ok(Signature { shown }) }
    }

    /// The rest.
    pub(super) fn check(&self, signature: &Signature, body: &[u8]) -> Result<(), Failure> {
        let is_right = signature.shown.iter().fold(Choice::from(0), |is_right, shown| {
            self.relays.get(shown.relay).map_or(is_right, |relay| is_right | relay.signed(shown, body))
        });
        if is_right.into() { Ok(()) } else { Err(Failure::Wrong) }
    }
}

impl Relay {
    fn shown(&self, headers: &HeaderMap, now: Duration) -> Result<(String, String), Failure> {
        let (timestamp, code) = match (only(headers, &self.timestamp_header)?, only(headers, &self.signature_header)?) {
            (None, None) => return Err(Failure::Missing),
            (Some(timestamp), Some(code)) => (timestamp, code),
            _ => return Err(Failure::Malformed),
        };
        let code = code.strip_prefix(PREFIX).unwrap_or(code);
        let is_code = code.len() == CODE_LENGTH && code.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = !timestamp.is_empty() && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = timestamp.parse().ok().filter(|_| is_code && is_time).ok_or(Failure::Malformed)?;
        if Duration::from_secs(seconds).abs_diff(now) > self.max_age {
            return Err(Failure::Expired);
        }
        Ok((timestamp.to_owned(), code.to_ascii_lowercase()))
    }

    fn signed(&self, shown: &Shown, body: &[u8]) -> Choice {
        let is_code = |key: &Hmac<Sha256>| code(key, &shown.timestamp, body).as_bytes().ct_eq(shown.code.as_bytes());
        is_code(&self.current) | is_code(&self.previous)
    }
}

fn keyed(secret: &Secret) -> Result<Hmac<Sha256>, String> {
    if let Some(problem) = hmac_secret_problem(secret) {
        return Err(format!("secret: {problem}"));
    }
    Hmac::new_from_slice(secret.expose().as_bytes()).map_err(|error| format!("secret: {error}"))
}

fn code(key: &Hmac<Sha256>, timestamp: &str, body: &[u8]) -> String {
    let mut mac = key.clone();
    for part in [timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().iter().fold(String::with_capacity(CODE_LENGTH), |mut code, byte| {
        // Writing to a string does not fail.
        let _written = write!(code, "{byte:02x}");
        code
    })
}

/// A header that may be there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h str>, Failure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(|value| Some(value.trim())).map_err(|_| Failure::Malformed),
        _ => Err(Failure::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::http_server::auth::settings::Rotating;
    use crate::secret::SecretSource;

    const NOW: Duration = Duration::from_secs(1_700_000_000);
    const CURRENT: &str = "the-secret-of-a-relay";
    const PREVIOUS: &str = "the-secret-of-last-year";

    fn relays() -> Relays {
        let text = |text: &str| SecretSource::Text(Secret::new(text));
        let secret = Rotating { option: "secret", current: text(CURRENT), previous: Some(text(PREVIOUS)) };
        let mut relays = Relays::default();
        let settings = HmacSettings {
            secret,
            signature_header: HeaderName::from_static("x-signature"),
            timestamp_header: HeaderName::from_static("x-timestamp"),
            max_age: Duration::from_secs(300),
        };
        relays.add(&settings).expect("no files");
        relays
    }

    fn check(headers: &[(&'static str, &str)], body: &str) -> Result<(), Failure> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_str(value).expect("a header"));
        }
        let relays = relays();
        let signature = relays.begin(&map, NOW)?;
        relays.check(&signature, body.as_bytes())
    }

    fn signed(secret: &str, timestamp: &str, body: &str) -> String {
        code(&keyed(&Secret::new(secret)).expect("it is long enough"), timestamp, body.as_bytes())
    }

    /// As OpenSSL computes it: `printf '1700000000.{}' | openssl dgst -sha256 -hmac the-secret-of-a-relay`.
    #[test]
    fn the_code_is_that_of_others() {
        assert_eq!(
            signed(CURRENT, "1700000000", "{}"),
            "35430c2e37c88e83fb4d2301b40bdf6b83baaeca3638f889c3890a0b9eecc917"
        );
    }

    #[test]
    fn both_secrets_sign_and_no_other_and_nothing_else() {
        for (secret, right) in [(CURRENT, Ok(())), (PREVIOUS, Ok(())), ("the-secret-of-nobody", Err(Failure::Wrong))] {
            let code = signed(secret, "1700000000", "{}");
            for code in [code.clone(), code.to_uppercase(), format!("sha256={code}")] {
                assert_eq!(check(&[("x-timestamp", "1700000000"), ("x-signature", &code)], "{}"), right, "{code}");
            }
            let other = check(&[("x-timestamp", "1700000000"), ("x-signature", &code)], "{ }");
            assert_eq!(other, Err(Failure::Wrong), "another body");
            let other = check(&[("x-timestamp", "1700000001"), ("x-signature", &code)], "{}");
            assert_eq!(other, Err(Failure::Wrong), "another time");
        }
    }

    #[test]
    fn the_time_is_near_on_both_sides() {
        for (seconds, expected) in [
            (1_699_999_699_u64, Err(Failure::Expired)),
            (1_699_999_700, Ok(())),
            (1_700_000_300, Ok(())),
            (1_700_000_301, Err(Failure::Expired)),
        ] {
            let timestamp = seconds.to_string();
            let code = signed(CURRENT, &timestamp, "{}");
            assert_eq!(check(&[("x-timestamp", &timestamp), ("x-signature", &code)], "{}"), expected, "{seconds}");
        }
    }

    #[test]
    fn what_is_left_out_or_spelled_otherwise_is_told_apart() {
        let code = signed(CURRENT, "1700000000", "{}");
        assert_eq!(check(&[], "{}"), Err(Failure::Missing));
        let time = ("x-timestamp", "1700000000");
        for headers in [
            vec![time],
            vec![("x-signature", code.as_str())],
            vec![time, ("x-signature", "abc")],
            vec![time, ("x-signature", "")],
            vec![time, time, ("x-signature", &code)],
            vec![("x-timestamp", "+1700000000"), ("x-signature", &code)],
            vec![("x-timestamp", "1700000000.0"), ("x-signature", &code)],
            vec![("x-timestamp", "99999999999999999999999"), ("x-signature", &code)],
            vec![("x-timestamp", ""), ("x-signature", &code)],
        ] {
            assert_eq!(check(&headers, "{}"), Err(Failure::Malformed), "{headers:?}");
        }
        assert_eq!(
            check(&[("x-timestamp", "18446744073709551615"), ("x-signature", &code)], "{}"),
            Err(Failure::Expired)
        );
    }
}
