//! Whether a sender is who it has to be: HTTP Basic authentication (RFC 7617).

use super::Credentials;
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderValue};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;

/// What a sender that is not admitted is asked for.
pub(super) const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"callspan\", charset=\"UTF-8\"");

/// Knows its credentials by their digests, which are all of one length: how long a comparison takes tells nothing.
pub(super) struct Gate {
    username: [u8; 32],
    password: [u8; 32],
}

impl Gate {
    pub(super) fn new(credentials: &Credentials) -> Self {
        Self {
            username: digest(credentials.username.as_bytes()),
            password: digest(credentials.password.expose().as_bytes()),
        }
    }

    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let mut authorizations = headers.get_all(AUTHORIZATION).iter();
        let (Some(authorization), None) = (authorizations.next(), authorizations.next()) else { return false };
        shown(authorization).is_some_and(|shown| self.is_opened_by(&shown))
    }

    fn is_opened_by(&self, shown: &[u8]) -> bool {
        // A user has no colon in its name, a password may have.
        let Some(colon) = shown.iter().position(|byte| *byte == b':') else { return false };
        let (username, password) = shown.split_at_checked(colon).unwrap_or_default();
        let password = password.get(1..).unwrap_or_default();
        // Both are compared, whatever comes of the first.
        let opens = digest(username).ct_eq(&self.username) & digest(password).ct_eq(&self.password);
        opens.into()
    }
}

fn shown(authorization: &HeaderValue) -> Option<Vec<u8>> {
    let (scheme, token) = authorization.as_bytes().split_at_checked(b"Basic ".len())?;
    scheme.eq_ignore_ascii_case(b"Basic ").then(|| STANDARD_PAD_INDIFFERENT.decode(token.trim_ascii()).ok())?
}

fn digest(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn admits(authorizations: &[&str]) -> bool {
        let gate = Gate::new(&Credentials { username: "Aladdin".to_owned(), password: Secret::new("open: sesame") });
        let mut headers = HeaderMap::new();
        for authorization in authorizations {
            headers.append(AUTHORIZATION, HeaderValue::from_str(authorization).expect("a header"));
        }
        gate.admits(&headers)
    }

    fn basic(text: &str) -> String {
        format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    }

    #[test]
    fn the_right_credentials_open_however_they_are_spelled() {
        let right = basic("Aladdin:open: sesame");
        let token = right.strip_prefix("Basic ").expect("the scheme").trim_end_matches('=');
        for spelling in [right.clone(), format!("bAsIc {token}"), format!("BASIC   {token}")] {
            assert!(admits(&[&spelling]), "{spelling}");
        }
    }

    #[test]
    fn anything_else_does_not() {
        assert!(!admits(&[]));
        let right = basic("Aladdin:open: sesame");
        assert!(!admits(&[&right, &right]));
        for text in ["", ":", "Aladdin", "Aladdin:", ":open: sesame", "Aladdin:open: sesame ", "aladdin:open: sesame"] {
            assert!(!admits(&[&basic(text)]), "{text}");
        }
        for header in ["", "Basic", "Basic ", "Basic !", "Bearer abc", "Basic\u{e9}", "Aladdin:open: sesame"] {
            assert!(!admits(&[header]), "{header}");
        }
    }
}
