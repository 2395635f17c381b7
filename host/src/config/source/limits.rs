//! What a source that listens is held to.

use crate::config::decode::{Options, Table};
use crate::config::value::Whole;
use crate::connections::ConnectionLimits;
use schemars::JsonSchema;

/// How much is taken from a sender, and for how long.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Limits<const BODY_BYTES_MAX: u64> {
    /// The largest body, in bytes, before and after it is inflated.
    pub(super) body_bytes_max: Whole<1, 1_073_741_824>,
    /// How many records one body may hold.
    pub(super) body_records_max: Whole<1, 1_000_000>,
    /// How long a sender may take to send a body, in seconds.
    pub(super) body_timeout_secs: Whole<1, 3600>,
    /// How long a sender is kept waiting for its answer, in seconds; after that it is asked to come again.
    pub(super) answer_timeout_secs: Whole<1, 3600>,
    /// How many connections there may be at once.
    pub(super) connections_max: Whole<1, 1_000_000>,
    /// How long a connection may be open without a request, in seconds.
    pub(super) idle_timeout_secs: Whole<1, 86_400>,
}

impl<const BODY_BYTES_MAX: u64> Default for Limits<BODY_BYTES_MAX> {
    fn default() -> Self {
        Limits {
            body_bytes_max: Whole(BODY_BYTES_MAX),
            body_records_max: Whole(10_000),
            body_timeout_secs: Whole(10),
            answer_timeout_secs: Whole(4),
            connections_max: Whole(1024),
            idle_timeout_secs: Whole(60),
        }
    }
}

impl<const BODY_BYTES_MAX: u64> Options for Limits<BODY_BYTES_MAX> {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Limits {
            body_bytes_max: table.take("body_bytes_max", default.body_bytes_max),
            body_records_max: table.take("body_records_max", default.body_records_max),
            body_timeout_secs: table.take("body_timeout_secs", default.body_timeout_secs),
            answer_timeout_secs: table.take("answer_timeout_secs", default.answer_timeout_secs),
            connections_max: table.take("connections_max", default.connections_max),
            idle_timeout_secs: table.take("idle_timeout_secs", default.idle_timeout_secs),
        }
    }
}

impl<const BODY_BYTES_MAX: u64> Limits<BODY_BYTES_MAX> {
    pub(super) fn connections(&self) -> ConnectionLimits {
        ConnectionLimits {
            connections_max: self.connections_max.size(),
            idle_timeout: self.idle_timeout_secs.seconds(),
        }
    }
}
