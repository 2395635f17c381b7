//! A secret that the path ends in, for senders that can show nothing else. It is compared like any other secret, and stands
//! in no message: what is logged and counted of a push has never had the path in it.

use super::digests::{Digests, digest};
use super::failure::Failure;
use super::settings::{Rotating, path_secret_problem};

pub(super) struct PathSecret(Digests);

impl PathSecret {
    pub(super) fn new(secret: &Rotating) -> Result<Self, String> {
        let (current, previous) = secret.read()?;
        for secret in [Some(current), previous].iter().flatten() {
            if let Some(problem) = path_secret_problem(secret) {
                return Err(format!("path_secret: {problem}"));
            }
        }
        Digests::of(secret).map(Self)
    }

    /// What stands in the path behind the one that is configured; None where another path was asked for. Unless it is
    /// `strict`, more may follow behind a slash.
    pub(super) fn check(&self, behind: Option<&str>, strict: bool) -> Result<(), Failure> {
        let shown = behind.filter(|behind| !behind.is_empty()).ok_or(Failure::Missing)?;
        let (shown, is_whole) = match shown.split_once('/') {
            Some((shown, _)) => (shown, !strict),
            None => (shown, true),
        };
        let opens = bool::from(self.0.has(&digest(shown.as_bytes())));
        if opens && is_whole { Ok(()) } else { Err(Failure::PathSecret) }
    }
}

/// What stands behind this path and a slash.
pub(super) fn behind<'p>(path: &str, asked: &'p str) -> Option<&'p str> {
    asked.strip_prefix(path.trim_end_matches('/'))?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Secret, SecretSource};

    const CURRENT: &str = "0123456789abcdef";
    const PREVIOUS: &str = "fedcba9876543210";

    fn secret(current: &str) -> Result<PathSecret, String> {
        let text = |text: &str| SecretSource::Text(Secret::new(text));
        let previous = Some(text(PREVIOUS));
        PathSecret::new(&Rotating { option: "path_secret", current: text(current), previous })
    }

    fn check(path: &str, asked: &str, strict: bool) -> Result<(), Failure> {
        secret(CURRENT).expect("it is good").check(behind(path, asked), strict)
    }

    #[test]
    fn both_secrets_open_the_path_that_ends_in_them() {
        for secret in [CURRENT, PREVIOUS] {
            for (path, asked, in_strict, otherwise) in [
                ("/", format!("/{secret}"), Ok(()), Ok(())),
                ("/cdr", format!("/cdr/{secret}"), Ok(()), Ok(())),
                ("/cdr/", format!("/cdr/{secret}"), Ok(()), Ok(())),
                ("/cdr", format!("/cdr/{secret}/more"), Err(Failure::PathSecret), Ok(())),
                ("/cdr", format!("/cdr/{secret}x"), Err(Failure::PathSecret), Err(Failure::PathSecret)),
                ("/cdr", format!("/cdr/x/{secret}"), Err(Failure::PathSecret), Err(Failure::PathSecret)),
                ("/cdr", format!("/{secret}"), Err(Failure::Missing), Err(Failure::Missing)),
                ("/cdr", "/cdr".to_owned(), Err(Failure::Missing), Err(Failure::Missing)),
                ("/cdr", "/cdr/".to_owned(), Err(Failure::Missing), Err(Failure::Missing)),
                ("/cdr", format!("/cdrs/{secret}"), Err(Failure::Missing), Err(Failure::Missing)),
            ] {
                assert_eq!(check(path, &asked, true), in_strict, "{path} {asked}");
                assert_eq!(check(path, &asked, false), otherwise, "{path} {asked}");
            }
        }
    }

    #[test]
    fn a_secret_that_could_be_guessed_or_is_spelled_in_two_ways_is_refused() {
        assert!(secret("0123456789abcde").is_err_and(|problem| problem.contains("shorter than 16")));
        assert!(secret("0123456789abcdef/").is_err_and(|problem| problem.contains("letters, digits")));
        assert!(secret("0123456789-._~Aa").is_ok());
    }
}
