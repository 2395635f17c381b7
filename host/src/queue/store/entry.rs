//! A record in the log, as it is in memory.

use super::rows::{PairRow, RecordRow};
use super::seen::BodyDigest;
use crate::record::Record;
use bytes::Bytes;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::queue) struct Entry {
    /// Counts up, and is never used again.
    pub(in crate::queue) id: u64,
    /// Milliseconds since 1970.
    pub(in crate::queue) received_ms: u64,
    pub(in crate::queue) source: Arc<str>,
    pub(in crate::queue) record: Record,
    pub(in crate::queue) digest: BodyDigest,
    /// The consumers it is meant for, if not for all.
    pub(in crate::queue) only: Vec<String>,
    /// Somebody asked for it to be delivered once more, whether it was before or not.
    pub(in crate::queue) is_replay: bool,
}

/// What a record takes on disk beside its body, about.
const OVERHEAD_BYTES: u64 = 96;

impl Entry {
    /// What it counts for, where bytes are limited.
    pub(in crate::queue) fn bytes(&self) -> u64 {
        bytes_with(self.record.body.len() as u64)
    }

    pub(in crate::queue) fn to_row(&self) -> RecordRow {
        let pair = |(name, value): &(String, String)| PairRow { name: name.clone(), value: value.clone() };
        RecordRow {
            received_ms: self.received_ms,
            source: self.source.to_string(),
            body: self.record.body.clone(),
            metadata: self.record.metadata.iter().map(pair).collect(),
            digest: Bytes::copy_from_slice(&self.digest),
            only: self.only.clone(),
            is_replay: self.is_replay,
        }
    }

    pub(in crate::queue) fn of_row(id: u64, row: RecordRow) -> Self {
        Entry {
            id,
            received_ms: row.received_ms,
            source: row.source.into(),
            record: Record {
                body: row.body,
                metadata: row.metadata.into_iter().map(|pair| (pair.name, pair.value)).collect(),
            },
            digest: row.digest.as_ref().try_into().unwrap_or_default(),
            only: row.only,
            is_replay: row.is_replay,
        }
    }
}

/// What a record with so many bytes in its body counts for.
pub(super) fn bytes_with(body_bytes: u64) -> u64 {
    body_bytes + OVERHEAD_BYTES
}
