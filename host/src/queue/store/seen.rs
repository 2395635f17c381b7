//! What was taken in before, so that it is not taken in, or delivered, again.
//!
//! | fingerprint | of | its row |
//! |---|---|---|
//! | `p` hash(16) | a push: its source, its push id and the digest of the record's body | when |
//! | `l` hash(16) | a dead letter of the intake: the same | when |
//! | `t` number(4) trace-id(16) span-id(8) | a delivered trace: the consumer's number, the trace and its first span | when, and the digest of the record's body |
//!
//! Fingerprints lie in generations, tables that are dropped whole: one is written to for as long as the window is, and
//! dropped after as long again. So looking something up asks two tables at most.

use super::rows::SeenRow;
use crate::queue::DuplicateSettings;
use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use smallvec::SmallVec;
use std::time::Duration;

/// A fingerprint, or its row: so short that it lies where it is used, for each record has several of them.
pub(in crate::queue) type Short = SmallVec<[u8; 32]>;

/// When a generation began, in milliseconds since 1970.
pub(in crate::queue) type Generation = u64;

/// A table is not made for less.
const GENERATION_MIN: Duration = Duration::from_secs(60);

/// Tells bodies apart: the first 16 bytes of a SHA-256.
pub(in crate::queue) type BodyDigest = [u8; 16];

/// What a record becomes, whatever is in it: the ids of its trace and of the trace's first span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceIdentity {
    pub trace_id: [u8; 16],
    pub span_id: [u8; 8],
}

/// The digest of a record's body.
pub(in crate::queue) fn digest(body: &[u8]) -> BodyDigest {
    Sha256::digest(body).first_chunk().copied().unwrap_or_default()
}

/// Of a push, or of a letter that the intake makes of one.
pub(in crate::queue) fn of_push(kind: PushKind, source: &str, push_id: &str, digest: &BodyDigest) -> Short {
    let hash = Sha256::new().chain_update((source.len() as u64).to_be_bytes()).chain_update(source);
    let hash = hash.chain_update((push_id.len() as u64).to_be_bytes()).chain_update(push_id).chain_update(digest);
    let hash: BodyDigest = hash.finalize().first_chunk().copied().unwrap_or_default();
    concat([&[kind as u8], &hash])
}

#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(in crate::queue) enum PushKind {
    Record = b'p',
    Letter = b'l',
}

/// Of a trace that was delivered to the consumer of this number.
pub(in crate::queue) fn of_trace(consumer: u32, identity: &TraceIdentity) -> Short {
    concat([b"t".as_slice(), &consumer.to_be_bytes(), &identity.trace_id, &identity.span_id])
}

pub(in crate::queue) fn row(at_ms: u64, digest: Option<&BodyDigest>) -> Short {
    let digest = digest.map(|digest| Bytes::copy_from_slice(digest)).unwrap_or_default();
    let row = SeenRow { at_ms, digest };
    let mut encoded = Short::from_elem(0, row.encoded_len());
    // It has just the room that is needed.
    let _encoded = row.encode(&mut encoded.as_mut_slice());
    encoded
}

/// The row, unless it is older than the window.
pub(in crate::queue) fn within_window(row: &[u8], now_ms: u64, settings: &DuplicateSettings) -> Option<SeenRow> {
    let row = SeenRow::decode(row).ok()?;
    let age_ms = now_ms.saturating_sub(row.at_ms);
    (u128::from(age_ms) <= settings.window.as_millis()).then_some(row)
}

/// Whether a new generation begins, after one that began then.
pub(in crate::queue) fn is_over(generation: Generation, now_ms: u64, settings: &DuplicateSettings) -> bool {
    u128::from(now_ms.saturating_sub(generation)) > settings.window.max(GENERATION_MIN).as_millis()
}

fn concat<const N: usize>(parts: [&[u8]; N]) -> Short {
    let mut whole = Short::new();
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn fingerprints_differ_by_every_part() {
        let digest_of = |body: &str| digest(body.as_bytes());
        let all = [
            of_push(PushKind::Record, "a", "bc", &digest_of("x")),
            of_push(PushKind::Letter, "a", "bc", &digest_of("x")),
            of_push(PushKind::Record, "ab", "c", &digest_of("x")),
            of_push(PushKind::Record, "a", "bd", &digest_of("x")),
            of_push(PushKind::Record, "a", "bc", &digest_of("y")),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(all.map(|key| key.len()), [17; 5]);
    }

    #[test]
    fn a_row_counts_up_to_the_end_of_the_window() {
        let settings = DuplicateSettings { window: Duration::from_secs(10), ..DuplicateSettings::default() };
        let at = |now_ms| within_window(&row(1_000, None), now_ms, &settings).is_some();
        assert_eq!([0, 1_000, 11_000, 11_001].map(at), [true, true, true, false]);
        assert!(within_window(b"\xff", 0, &settings).is_none(), "damaged");
        assert_eq!([61_000, 61_001].map(|now_ms| is_over(1_000, now_ms, &settings)), [false, true]);
        let settings = DuplicateSettings { window: Duration::from_secs(100), ..settings };
        assert_eq!([101_000, 101_001].map(|now_ms| is_over(1_000, now_ms, &settings)), [false, true]);
    }
}
