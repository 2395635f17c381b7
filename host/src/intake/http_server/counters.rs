//! What the intake has done so far, for whoever shows it.

use super::refusal::Refusal;
use crate::intake::body::BodyError;
use crate::queue::Settlement;
use std::sync::atomic::{AtomicU64, Ordering};

/// Only ever counts up. Once all requests are answered, `records` is the sum of `acknowledged`, `to_be_retried`,
/// `rejected` and `abandoned`.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Counters {
    /// Requests of every kind.
    pub requests: AtomicU64,
    /// Requests for `action=record` and `action=voicemail`, which are answered and not stored.
    pub other_actions: AtomicU64,
    /// Requests for an action that nobody has heard of, answered and not stored.
    pub unknown_actions: AtomicU64,
    /// Requests with another version than 1, stored all the same.
    pub unknown_versions: AtomicU64,
    /// Records that the queue has taken.
    pub records: AtomicU64,
    /// Of these, records that are done with.
    pub acknowledged: AtomicU64,
    /// Of these, records that the sender was asked to send again.
    pub to_be_retried: AtomicU64,
    /// Of these, records that were refused for good.
    pub rejected: AtomicU64,
    /// Of these, records whose sender went away before it was answered.
    pub abandoned: AtomicU64,
    /// Bodies that were not taken, or not as a whole, because the queue was full.
    pub queue_full: AtomicU64,
    /// Requests refused for their path or method.
    pub misdirected: AtomicU64,
    /// Requests refused for their content type or encoding.
    pub unsupported: AtomicU64,
    /// Requests refused for their size.
    pub too_large: AtomicU64,
    /// Requests refused because their body was broken, too slow, or held no record.
    pub unreadable: AtomicU64,
}

impl Counters {
    pub(super) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_settlement(&self, settlement: &Settlement) {
        Self::count(match settlement {
            Settlement::Acknowledged => &self.acknowledged,
            Settlement::RetryAfter(_) => &self.to_be_retried,
            Settlement::Rejected(_) => &self.rejected,
        });
    }

    pub(super) fn count_refusal(&self, refusal: &Refusal) {
        Self::count(match refusal {
            Refusal::OtherPath { .. } | Refusal::OtherMethod => &self.misdirected,
            Refusal::Body(BodyError::UnknownEncoding) => &self.unsupported,
            Refusal::Body(BodyError::TooLarge { .. }) | Refusal::TooManyRecords { .. } => &self.too_large,
            Refusal::Body(BodyError::BrokenOff | BodyError::BrokenEncoding | BodyError::Slow) | Refusal::NoRecord => {
                &self.unreadable
            }
        });
    }
}
