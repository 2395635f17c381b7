//! How a row that holds a record lies on disk: in clear, or encrypted with the operator's key.
//!
//! ```text
//! 0 row                                   in clear
//! 1 key-id(4) nonce(24) ciphertext        XChaCha20-Poly1305; the table and the key of the row are authenticated
//! ```
//!
//! The nonce is random: a record id may be used twice when the power goes before it was synced. Records that were stored
//! before encryption was turned on stay readable, and lie in clear until they are given back.

use crate::queue::Key;
use bytes::Bytes;
use chacha20poly1305::aead::{Aead as _, AeadCore as _, KeyInit as _, OsRng, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

/// Seals and opens rows.
#[derive(Clone, Default)]
pub(in crate::queue) struct Seal(Option<(KeyId, XChaCha20Poly1305)>);

/// Tells keys apart without telling anything of them: the beginning of a hash.
pub(in crate::queue) type KeyId = [u8; 4];

/// Why a row cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::queue) enum CannotOpen {
    #[error("it is encrypted, and no key is configured")]
    NoKey,
    #[error("it is encrypted with another key than the configured one")]
    OtherKey,
    #[error("it is damaged")]
    Damaged,
}

const CLEAR: u8 = 0;
const ENCRYPTED: u8 = 1;
const NONCE_BYTES: usize = 24;

impl Seal {
    /// With this key, if there is one.
    pub(in crate::queue) fn new(key: Option<&Key>) -> Self {
        Seal(key.map(|key| (key_id(key), XChaCha20Poly1305::new(key.bytes().into()))))
    }

    pub(in crate::queue) fn key_id(&self) -> Option<KeyId> {
        self.0.as_ref().map(|(id, _)| *id)
    }

    /// The bytes of a row of this table under this key.
    pub(in crate::queue) fn seal(&self, table: &str, id: u64, row: &impl prost::Message) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(1 + row.encoded_len());
        sealed.push(CLEAR);
        // Memory never lacks room.
        let _encoded = row.encode(&mut sealed);
        let Some((key_id, cipher)) = &self.0 else { return sealed };
        let nonce = XChaCha20Poly1305::generate_nonce(&mut OsRng);
        let clear = sealed.get(1..).unwrap_or_default();
        // It fails for texts of many gigabytes alone.
        let Ok(ciphertext) = cipher.encrypt(&nonce, Payload { msg: clear, aad: &place(table, id) }) else {
            return Vec::new();
        };
        [&[ENCRYPTED], key_id.as_slice(), nonce.as_slice(), &ciphertext].concat()
    }

    /// The row in these bytes.
    ///
    /// # Errors
    /// When the key is another one, or the bytes are not those that were sealed.
    pub(in crate::queue) fn open<M: prost::Message + Default>(
        &self,
        table: &str,
        id: u64,
        sealed: &Bytes,
    ) -> Result<M, CannotOpen> {
        let decode = |row: Bytes| M::decode(row).map_err(|_| CannotOpen::Damaged);
        match sealed.first() {
            Some(&CLEAR) => decode(sealed.slice(1..)),
            Some(&ENCRYPTED) => {
                let (known, cipher) = self.0.as_ref().ok_or(CannotOpen::NoKey)?;
                let (key_id, rest) = sealed.get(1..).and_then(<[u8]>::split_first_chunk).ok_or(CannotOpen::Damaged)?;
                if key_id != known {
                    return Err(CannotOpen::OtherKey);
                }
                let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(CannotOpen::Damaged)?;
                let payload = Payload { msg: ciphertext, aad: &place(table, id) };
                let row = cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| CannotOpen::Damaged)?;
                decode(row.into())
            }
            _ => Err(CannotOpen::Damaged),
        }
    }
}

fn key_id(key: &Key) -> KeyId {
    let hash = Sha256::new().chain_update(b"callspan queue key id").chain_update(key.bytes()).finalize();
    hash.first_chunk().copied().unwrap_or_default()
}

/// A sealed row cannot be put in another row's place.
fn place(table: &str, id: u64) -> Vec<u8> {
    [table.as_bytes(), &[0], &id.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::rows::RecordRow;
    use super::*;

    fn row() -> RecordRow {
        RecordRow { body: Bytes::from_static(b"the body"), source: "tccc".to_owned(), ..RecordRow::default() }
    }

    fn key(byte: u8) -> Seal {
        Seal::new(Some(&Key::parse(&[byte; 32]).expect("32 bytes")))
    }

    #[test]
    fn what_is_sealed_is_opened_and_encrypted_says_nothing() {
        for seal in [Seal::default(), key(1)] {
            let sealed = Bytes::from(seal.seal("records", 7, &row()));
            assert_eq!(seal.open("records", 7, &sealed), Ok(row()));
            let shows = sealed.windows(8).any(|window| window == b"the body");
            assert_eq!(shows, seal.key_id().is_none());
        }
        assert_ne!(key(1).seal("records", 7, &row()), key(1).seal("records", 7, &row()), "a nonce is used once");
    }

    #[test]
    fn what_was_stored_in_clear_stays_readable() {
        let clear = Bytes::from(Seal::default().seal("records", 7, &row()));
        assert_eq!(key(1).open("records", 7, &clear), Ok(row()));
    }

    #[test]
    fn another_key_another_place_and_other_bytes_are_told() {
        let sealed = Bytes::from(key(1).seal("records", 7, &row()));
        let open = |seal: &Seal, table, id, bytes: &Bytes| seal.open::<RecordRow>(table, id, bytes).err();
        assert_eq!(open(&Seal::default(), "records", 7, &sealed), Some(CannotOpen::NoKey));
        assert_eq!(open(&key(2), "records", 7, &sealed), Some(CannotOpen::OtherKey));
        assert_eq!(open(&key(1), "records", 8, &sealed), Some(CannotOpen::Damaged));
        assert_eq!(open(&key(1), "letters", 7, &sealed), Some(CannotOpen::Damaged));
        for place in 5..sealed.len() {
            let mut flipped = sealed.to_vec();
            if let Some(byte) = flipped.get_mut(place) {
                *byte ^= 1;
            }
            assert_eq!(open(&key(1), "records", 7, &flipped.into()), Some(CannotOpen::Damaged), "{place}");
        }
        for length in 0..sealed.len() {
            assert!(open(&key(1), "records", 7, &sealed.slice(..length)).is_some(), "{length}");
        }
        assert_eq!(open(&key(1), "records", 7, &Bytes::from_static(&[9])), Some(CannotOpen::Damaged));
    }
}
