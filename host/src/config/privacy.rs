//! How sensitive values are treated, as it is configured: a choice for each class, and the keys for pseudonyms.

use crate::transform::{HmacKey, Policy, PolicyError};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Variables that hold the keys for pseudonyms, where no file does.
pub(super) const HMAC_KEY: &str = "CALLSPAN_HMAC_KEY";
const HMAC_KEY_PREVIOUS: &str = "CALLSPAN_HMAC_KEY_PREVIOUS";

/// The `privacy` part of a transform.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PrivacyConfig {
    hmac_key_file: Option<PathBuf>,
    previous_hmac_key_file: Option<PathBuf>,
    default_country: Option<String>,
    none: Option<String>,
    phone: Option<String>,
    email: Option<String>,
    name: Option<String>,
    account: Option<String>,
    place: Option<String>,
    free_text: Option<String>,
    keypad: Option<String>,
}

impl PrivacyConfig {
    /// The policy, with a choice of the command line over the file's. Adds what is wrong to the problems.
    pub(super) fn plan(
        self,
        all: Option<&str>,
        variable: &impl Fn(&str) -> Option<String>,
        problems: &mut Vec<String>,
    ) -> Policy {
        let mut policy = Policy::default();
        let mut note = |result: Result<(), PolicyError>| {
            if let Err(error) = result {
                problems.push(format!("privacy: {error}"));
            }
        };
        let choices =
            [self.none, self.phone, self.email, self.name, self.account, self.place, self.free_text, self.keypad];
        for (class, choice) in Policy::CLASSES.into_iter().zip(choices) {
            if let Some(choice) = choice {
                note(policy.set(class, &choice));
            }
        }
        if let Some(choice) = all {
            note(policy.set_all(choice));
        }
        if let Some(country) = &self.default_country {
            note(policy.set_default_country(country));
        }
        let key = read_key(self.hmac_key_file.as_deref(), HMAC_KEY, variable);
        let previous = read_key(self.previous_hmac_key_file.as_deref(), HMAC_KEY_PREVIOUS, variable);
        match (key, previous) {
            (Ok(key), Ok(previous)) => {
                policy.set_keys(key, previous);
                note(policy.check());
            }
            (key, previous) => problems.extend([key, previous].into_iter().filter_map(Result::err)),
        }
        policy
    }
}

/// A key from a file, without the line end that editors leave, or else from a variable.
fn read_key(
    file: Option<&Path>,
    name: &str,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Option<HmacKey>, String> {
    let (place, key) = match file {
        Some(path) => {
            let key = std::fs::read(path).map_err(|error| format!("privacy: read {}: {error}", path.display()))?;
            (path.display().to_string(), key.trim_ascii_end().to_owned())
        }
        None => match variable(name) {
            Some(key) if !key.is_empty() => (name.to_owned(), key.into_bytes()),
            _ => return Ok(None),
        },
    };
    HmacKey::new(&key).map(Some).map_err(|error| format!("privacy: {place}: {error}"))
}
