//! A backend's words, made fit to be shown: short, without control characters, and without the values of our own
//! headers should it echo them.

use super::tls;
use reqwest::header::HeaderMap;
use std::cmp::Reverse;
use std::error::Error;
use std::iter;

/// A backend's words are cut after this many characters.
const QUOTE_CHARS_MAX: usize = 200;
/// Shorter words of a header's value are not looked for in a backend's words: they would be found everywhere.
const SECRET_BYTES_MIN: usize = 4;

/// Knows what must not be quoted.
#[derive(Clone, Default)]
pub(super) struct Quotes {
    secrets: Vec<String>,
}

impl Quotes {
    pub(super) fn without(headers: &HeaderMap) -> Self {
        let mut secrets: Vec<String> = headers
            .values()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| iter::once(value).chain(value.split_whitespace()))
            .filter(|secret| secret.len() >= SECRET_BYTES_MIN)
            .map(str::to_owned)
            .collect();
        // The whole before its words, or a part of it would stay.
        secrets.sort_by_key(|secret| Reverse(secret.len()));
        Self { secrets }
    }

    pub(super) fn clean(&self, words: &str) -> String {
        let words = self.secrets.iter().fold(words.to_owned(), |words, secret| words.replace(secret, "***"));
        let words: String =
            words.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        words.trim().chars().take(QUOTE_CHARS_MAX).collect()
    }

    /// The words as the end of a sentence; nothing when there are none.
    pub(super) fn after_colon(&self, words: &str) -> String {
        let words = self.clean(words);
        if words.is_empty() { words } else { format!(": {words}") }
    }
}

/// An error and all that lies below it; in place of what TLS libraries say, what it means. The libraries say only the
/// uppermost; some say what the one below says too.
pub(super) fn whole(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let more = error.to_string();
        if !words.ends_with(&more) {
            words = format!("{words}: {more}");
        }
        below = error.source();
    }
    tls::explanation(error, &words).unwrap_or(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn a_header_that_a_backend_echoes_is_hidden() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer s3cret-token"));
        headers.insert("x-tenant", HeaderValue::from_static("1"));
        let quotes = Quotes::without(&headers);
        assert_eq!(
            quotes.clean("no user for Bearer s3cret-token, or s3cret-token, tenant 1"),
            "no user for ***, or ***, tenant 1"
        );
    }

    #[test]
    fn words_are_cut_and_hold_no_control_characters() {
        assert_eq!(Quotes::default().clean("\u{1b}[31mred\r\n"), "[31mred");
        assert_eq!(Quotes::default().clean(&"é".repeat(QUOTE_CHARS_MAX + 1)), "é".repeat(QUOTE_CHARS_MAX));
    }
}
