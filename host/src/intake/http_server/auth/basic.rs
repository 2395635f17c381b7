//! Users with HTTP Basic authentication (RFC 7617).

use super::digests::{Digest, Digests, digest};
use super::failure::Failure;
use super::settings::BasicSettings;
use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_PAD_INDIFFERENT;
use subtle::{Choice, ConstantTimeEq as _};

pub(super) const CHALLENGE: HeaderValue = HeaderValue::from_static("Basic realm=\"callspan\", charset=\"UTF-8\"");

/// All users there are.
#[derive(Default)]
pub(super) struct Basic {
    users: Vec<User>,
}

struct User {
    username: Digest,
    password: Digests,
}

impl Basic {
    pub(super) fn add(&mut self, settings: &BasicSettings) -> Result<(), String> {
        let username = digest(settings.username.as_bytes());
        self.users.push(User { username, password: Digests::of(&settings.password)? });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// What stands behind the scheme's name. Everybody is compared with, whoever it is.
    pub(super) fn check(&self, token: &[u8]) -> Result<(), Failure> {
        let (username, password) = user_and_password(token).ok_or(Failure::Malformed)?;
        let (username, password) = (digest(&username), digest(&password));
        let opens = self.users.iter().fold(Choice::from(0), |opens, user| {
            opens | (user.username.ct_eq(&username) & user.password.has(&password))
        });
        if opens.into() { Ok(()) } else { Err(Failure::Wrong) }
    }
}

/// A user has no colon in its name, a password may have.
pub(super) fn user_and_password(token: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut user = STANDARD_PAD_INDIFFERENT.decode(token.trim_ascii()).ok()?;
    let colon = user.iter().position(|byte| *byte == b':')?;
    let password = user.split_off(colon + 1);
    user.truncate(colon);
    Some((user, password))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::http_server::auth::settings::Rotating;
    use crate::secret::{Secret, SecretSource};
    use base64::engine::general_purpose::STANDARD;

    fn user(username: &str, current: &str, previous: Option<&str>) -> BasicSettings {
        let text = |text: &str| SecretSource::Text(Secret::new(text));
        let password = Rotating { option: "password", current: text(current), previous: previous.map(text) };
        BasicSettings { username: username.to_owned(), password }
    }

    fn check(text: &str) -> Result<(), Failure> {
        let mut basic = Basic::default();
        for user in [user("Aladdin", "open: sesame", None), user("relay", "new", Some("old"))] {
            basic.add(&user).expect("no files");
        }
        basic.check(STANDARD.encode(text).as_bytes())
    }

    #[test]
    fn each_user_has_a_password_and_maybe_a_previous_one() {
        for text in ["Aladdin:open: sesame", "relay:new", "relay:old"] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        for text in
            [":", "Aladdin:", ":open: sesame", "Aladdin:open: sesame ", "aladdin:open: sesame", "Aladdin:new", "relay:"]
        {
            assert_eq!(check(text), Err(Failure::Wrong), "{text}");
        }
    }

    #[test]
    fn what_is_no_user_with_a_password_is_malformed() {
        assert_eq!(check("Aladdin"), Err(Failure::Malformed));
        for token in ["", "!", "\u{e9}"] {
            assert_eq!(Basic::default().check(token.as_bytes()), Err(Failure::Malformed), "{token}");
        }
    }

    #[test]
    fn padding_may_be_left_out() {
        let mut basic = Basic::default();
        basic.add(&user("a", "b", None)).expect("no files");
        assert_eq!((basic.check(b"YTpi"), basic.check(b" YTpi ")), (Ok(()), Ok(())));
        basic.add(&user("ab", "b", None)).expect("no files");
        assert_eq!((basic.check(b"YWI6Yg=="), basic.check(b"YWI6Yg")), (Ok(()), Ok(())));
    }
}
