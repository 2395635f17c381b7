//! Why a request is to be sent again later, and when. Nothing of it is lost, and nothing is wrong with it.

use crate::queue::Refused;
use axum::http::StatusCode;
use std::time::Duration;

/// The text is what the sender reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}; send the whole body again later")]
pub(super) struct Postponed {
    pub(super) why: Why,
    pub(super) retry_after: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Why {
    #[error("the queue is full")]
    QueueFull,
    #[error("not everything could be stored for now")]
    NotStored,
    #[error("requests from this address take as much memory as those of one may")]
    ShareTaken,
    #[error("requests take as much memory as they may")]
    NoRoom,
    #[error("too many requests are being answered")]
    ManyRequests,
}

impl Why {
    /// What any request may meet, whatever is in it.
    pub(super) const OF_REQUESTS: [Self; 3] = [Self::ShareTaken, Self::NoRoom, Self::ManyRequests];
    /// What the queue may say to records.
    pub(super) const OF_RECORDS: [Self; 2] = [Self::QueueFull, Self::NotStored];
}

impl Postponed {
    /// The queue does not take it.
    pub(super) fn by_queue(refused: Refused, retry_after: Duration) -> Self {
        let why = match refused {
            Refused::Full => Why::QueueFull,
            Refused::NoSpace | Refused::Broken => Why::NotStored,
        };
        Self { why, retry_after }
    }

    /// Part of a request did not get through, and another part for another reason: a full queue is the better reason, and
    /// the longest time counts.
    pub(super) fn and(self, other: Self) -> Self {
        let retry_after = self.retry_after.max(other.retry_after);
        let why = if other.why == Why::QueueFull { other.why } else { self.why };
        Self { why, retry_after }
    }

    /// 429 is for what senders can do something about by sending less (RFC 6585, section 4).
    pub(super) fn status(self) -> StatusCode {
        match self.why {
            Why::QueueFull | Why::ShareTaken => StatusCode::TOO_MANY_REQUESTS,
            Why::NotStored | Why::NoRoom | Why::ManyRequests => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Stable, for scripts and metrics.
    pub(super) fn code(self) -> &'static str {
        match self.why {
            Why::QueueFull => "queue_full",
            Why::NotStored => "not_stored",
            Why::ShareTaken => "share_taken",
            Why::NoRoom => "no_room",
            Why::ManyRequests => "too_many_requests",
        }
    }
}
