//! The secret from which pseudonyms are made.

use super::PolicyError;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::fmt::Write as _;

/// The operator's secret. Never printed.
#[derive(Clone)]
pub struct HmacKey(Hmac<Sha256>);

impl HmacKey {
    /// A shorter key could be guessed by trying.
    pub const BYTES_MIN: usize = 16;

    /// # Errors
    /// When the key is shorter than [`HmacKey::BYTES_MIN`].
    pub fn new(key: &[u8]) -> Result<Self, PolicyError> {
        let short = || PolicyError::ShortKey { bytes: key.len() };
        if key.len() < Self::BYTES_MIN {
            return Err(short());
        }
        Hmac::new_from_slice(key).map(HmacKey).map_err(|_| short())
    }

    /// `v1:` and the first half of the authentication code, in hexadecimal.
    pub(super) fn pseudonym(&self, class: &str, normalised: &str) -> String {
        let mut mac = self.0.clone();
        for part in ["callspan/1 hmac ", class, "\n", normalised] {
            mac.update(part.as_bytes());
        }
        let mut pseudonym = String::with_capacity(35);
        pseudonym.push_str("v1:");
        for byte in mac.finalize().into_bytes().iter().take(16) {
            // Writing to a string does not fail.
            let _written = write!(pseudonym, "{byte:02x}");
        }
        pseudonym
    }
}

impl fmt::Debug for HmacKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HmacKey(redacted)")
    }
}
