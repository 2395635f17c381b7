//! What a queue is encrypted with.

use std::fmt;

/// 32 bytes, shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; Key::BYTES]);

/// Something else than a key was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a key of 32 bytes, or 64 hexadecimal digits, for example from `openssl rand -hex 32`")]
pub struct NoKey;

impl Key {
    const BYTES: usize = 32;

    /// Reads what stands in a key file, without a line end: the bytes themselves, or two hexadecimal digits for each.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn parse(text: &[u8]) -> Result<Self, NoKey> {
        if let Ok(bytes) = text.try_into() {
            return Ok(Key(bytes));
        }
        let mut bytes = [0; Self::BYTES];
        let (pairs, rest) = text.as_chunks::<2>();
        if pairs.len() != bytes.len() || !rest.is_empty() {
            return Err(NoKey);
        }
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = digit(*high).ok_or(NoKey)? << 4 | digit(*low).ok_or(NoKey)?;
        }
        Ok(Key(bytes))
    }

    /// The bytes, for the cipher.
    #[must_use]
    pub fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_32_bytes_or_64_digits() {
        let digits = "0f".repeat(32);
        assert_eq!(Key::parse(digits.as_bytes()).map(|key| *key.bytes()), Ok([15; 32]));
        assert_eq!(Key::parse(&[7; 32]).map(|key| *key.bytes()), Ok([7; 32]));
        for wrong in ["", "0f", &"0g".repeat(32), &"0f".repeat(33), &"0f".repeat(32)[1..]] {
            assert_eq!(Key::parse(wrong.as_bytes()), Err(NoKey), "{wrong}");
        }
        assert_eq!(format!("{:?}", Key::parse(&[7; 32])), "Ok(***)");
    }
}
