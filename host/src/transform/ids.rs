//! Identifiers, derived from names: the same record has the same ids wherever and whenever it is mapped, and no plugin
//! can make an id that is zero, random or somebody else's.
//!
//! With `lp(x)` the length of `x` in four bytes, most significant first, followed by `x`:
//!
//! ```text
//! trace id = SHA-256(lp("callspan/1 trace") lp(trace key))[0..16]
//! span id  = SHA-256(lp("callspan/1 span") lp(trace key) lp(span key))[0..8]
//! ```
//!
//! An id that comes out as all zero, which OpenTelemetry forbids, ends in 1 instead.

use crate::span::{SpanId, TraceId};
use sha2::{Digest, Sha256};

/// The id of the trace with this key.
pub fn trace_id(trace_key: &str) -> TraceId {
    let digest = Sha256::new().chain_length_prefixed("callspan/1 trace").chain_length_prefixed(trace_key).finalize();
    TraceId(first_bytes(&digest))
}

/// The id of the span with this key in the trace with that key.
pub fn span_id(trace_key: &str, span_key: &str) -> SpanId {
    SpanIds::of(trace_key).id(span_key)
}

/// Span ids of one trace; what they have in common is hashed once.
pub(super) struct SpanIds(Sha256);

impl SpanIds {
    pub(super) fn of(trace_key: &str) -> Self {
        SpanIds(Sha256::new().chain_length_prefixed("callspan/1 span").chain_length_prefixed(trace_key))
    }

    pub(super) fn id(&self, span_key: &str) -> SpanId {
        let digest = self.0.clone().chain_length_prefixed(span_key).finalize();
        SpanId(first_bytes(&digest))
    }
}

trait ChainLengthPrefixed {
    fn chain_length_prefixed(self, text: &str) -> Self;
}

impl ChainLengthPrefixed for Sha256 {
    fn chain_length_prefixed(self, text: &str) -> Self {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        self.chain_update(length.to_be_bytes()).chain_update(text)
    }
}

fn first_bytes<const N: usize>(digest: &[u8]) -> [u8; N] {
    let mut bytes = digest.first_chunk::<N>().copied().unwrap_or([0; N]);
    if bytes == [0; N]
        && let Some(last) = bytes.last_mut()
    {
        *last = 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_of_the_published_example() {
        let key = "tccc/1400482256/99a1c8f8-eb3d-4xxx-8401-5f6aa8761232";
        assert_eq!(trace_id(key).to_string(), "5bfc1a4b39bb81e7343973207e5b7395");
        assert_eq!(span_id(key, "session").to_string(), "81dfc56499f61a80");
        assert_eq!(span_id(key, "participant/0").to_string(), "2862e526f9b8d1b2");
    }

    #[test]
    fn an_id_is_never_zero() {
        assert_eq!(first_bytes::<4>(&[0; 32]), [0, 0, 0, 1]);
        assert_eq!(first_bytes::<4>(&[7; 32]), [7; 4]);
    }
}
