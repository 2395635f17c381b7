//! What stands on disk, field by field. The rows are protocol buffers, so that a later version may add fields and an
//! earlier one still reads them; what a field means never changes.
//!
//! | table | key | row |
//! |---|---|---|
//! | `records-N`, one for each segment | record id, 8 bytes big-endian | [`RecordRow`], sealed |
//! | `state` | `log` | [`LogRow`] |
//! | `state` | `segment/N` | [`SegmentRow`] |
//! | `state` | `copy/N`, for a segment that was copied | which copy counts, 4 bytes big-endian; it is `records-N.COPY` |
//! | `state` | `consumer/NAME` | [`ConsumerRow`] |
//! | `letters` | record id | [`LetterRow`], sealed |
//! | `letter-bodies` | record id | [`RecordRow`], sealed |
//! | `seen-N`, two generations | a fingerprint, see `duplicates.rs` | [`SeenRow`] |
//!
//! A record id counts up from 1 and is never used again, whatever becomes of the record.

use bytes::Bytes;
use prost::Message;

/// A record, as it was taken in.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct RecordRow {
    /// Milliseconds since 1970.
    #[prost(uint64, tag = "1")]
    pub received_ms: u64,
    #[prost(string, tag = "2")]
    pub source: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub body: Bytes,
    #[prost(message, repeated, tag = "4")]
    pub metadata: Vec<PairRow>,
    /// The first 16 bytes of the body's SHA-256.
    #[prost(bytes = "bytes", tag = "5")]
    pub digest: Bytes,
    /// The consumers it is meant for, if not for all.
    #[prost(string, repeated, tag = "6")]
    pub only: Vec<String>,
    /// Somebody asked for it to be delivered once more.
    #[prost(bool, tag = "7")]
    pub is_replay: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct PairRow {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The log of records as a whole, written with every transaction.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct LogRow {
    /// The id of the next record.
    #[prost(uint64, tag = "1")]
    pub next_id: u64,
    /// The number of the next consumer.
    #[prost(uint32, tag = "2")]
    pub next_consumer: u32,
    #[prost(uint64, tag = "3")]
    pub letters: u64,
    #[prost(uint64, tag = "4")]
    pub letter_bytes: u64,
    /// The beginning of the key's hash, once something was encrypted.
    #[prost(bytes = "bytes", tag = "5")]
    pub key_id: Bytes,
}

/// Records that are given back to the disk together.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct SegmentRow {
    /// The id of its first record.
    #[prost(uint64, tag = "1")]
    pub first_id: u64,
    #[prost(uint64, tag = "2")]
    pub records: u64,
    #[prost(uint64, tag = "3")]
    pub bytes: u64,
    /// When its first and its last record were received.
    #[prost(uint64, tag = "4")]
    pub first_ms: u64,
    #[prost(uint64, tag = "5")]
    pub last_ms: u64,
}

/// How far a consumer has come.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct ConsumerRow {
    /// Never given to another consumer.
    #[prost(uint32, tag = "1")]
    pub number: u32,
    /// One without an end takes what comes.
    #[prost(message, repeated, tag = "2")]
    pub lanes: Vec<LaneRow>,
    #[prost(message, optional, tag = "4")]
    pub counts: Option<CountsRow>,
    /// The sources whose records it takes.
    #[prost(string, repeated, tag = "5")]
    pub sources: Vec<String>,
    /// With which mapping it has run, and since which record.
    #[prost(message, repeated, tag = "6")]
    pub mappings: Vec<MappingRow>,
}

/// A way through the log.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct LaneRow {
    /// The next record to be taken.
    #[prost(uint64, tag = "1")]
    pub next: u64,
    /// Records before it that are not settled, as stretches: first and last, first and last, …
    #[prost(uint64, repeated, tag = "2")]
    pub open: Vec<u64>,
    /// Where it ends; 0 when it does not.
    #[prost(uint64, tag = "3")]
    pub end: u64,
    /// Its records are delivered once more, whether they were before or not.
    #[prost(bool, tag = "4")]
    pub is_replay: bool,
}

/// What became of a consumer's records so far.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(in crate::queue) struct CountsRow {
    #[prost(uint64, tag = "1")]
    pub received: u64,
    #[prost(uint64, tag = "2")]
    pub delivered: u64,
    #[prost(uint64, tag = "3")]
    pub skipped: u64,
    #[prost(uint64, tag = "4")]
    pub duplicates: u64,
    #[prost(uint64, tag = "5")]
    pub superseded: u64,
    #[prost(uint64, tag = "6")]
    pub dead_lettered: u64,
    #[prost(uint64, tag = "7")]
    pub dropped: u64,
    #[prost(uint64, tag = "8")]
    pub damaged: u64,
    #[prost(uint64, tag = "9")]
    pub erased: u64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(in crate::queue) struct MappingRow {
    #[prost(uint64, tag = "1")]
    pub since_id: u64,
    #[prost(string, tag = "2")]
    pub fingerprint: String,
}

/// A record that no retry can help, without its body.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct LetterRow {
    #[prost(uint64, tag = "1")]
    pub received_ms: u64,
    #[prost(string, tag = "2")]
    pub source: String,
    #[prost(uint64, tag = "3")]
    pub body_bytes: u64,
    #[prost(message, repeated, tag = "4")]
    pub refusals: Vec<RefusalRow>,
}

/// Who refused it, and why.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct RefusalRow {
    /// The consumer; empty when the intake refused it.
    #[prost(string, tag = "1")]
    pub consumer: String,
    #[prost(uint64, tag = "2")]
    pub at_ms: u64,
    #[prost(string, tag = "3")]
    pub class: String,
    #[prost(string, tag = "4")]
    pub code: String,
    #[prost(string, optional, tag = "5")]
    pub path: Option<String>,
    #[prost(string, tag = "6")]
    pub message: String,
    /// Its name and version.
    #[prost(string, tag = "7")]
    pub mapper: String,
    /// The consumer has the record all the same, but for a part of it.
    #[prost(bool, tag = "8")]
    pub is_delivered: bool,
}

/// Something that was taken in before.
#[derive(Clone, PartialEq, Message)]
pub(in crate::queue) struct SeenRow {
    #[prost(uint64, tag = "1")]
    pub at_ms: u64,
    /// Of the record's body; empty where the key holds it.
    #[prost(bytes = "bytes", tag = "2")]
    pub digest: Bytes,
}
