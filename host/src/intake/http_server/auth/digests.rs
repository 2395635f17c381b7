//! Secrets that somebody shows, compared in a time that tells nothing: by their digests, which are all of one length.

use super::settings::Rotating;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

pub(super) type Digest = [u8; 32];

/// A secret and the one before it.
pub(super) struct Digests {
    current: Digest,
    previous: Digest,
}

impl Digests {
    /// What the secret's source holds now.
    pub(super) fn of(secret: &Rotating) -> Result<Self, String> {
        let (current, previous) = secret.read()?;
        let current = digest(current.expose().as_bytes());
        // Without a previous one the current one is compared twice, which costs the same.
        let previous = previous.map_or(current, |previous| digest(previous.expose().as_bytes()));
        Ok(Self { current, previous })
    }

    pub(super) fn has(&self, shown: &Digest) -> Choice {
        self.current.ct_eq(shown) | self.previous.ct_eq(shown)
    }
}

pub(super) fn digest(text: &[u8]) -> Digest {
    Sha256::digest(text).into()
}
