//! The options `keepalive` of a source that listens.

use crate::config::decode::{Options, Table};
use crate::config::number::Decimal;
use crate::config::value::Whole;
use schemars::JsonSchema;
use std::time::Duration;

/// For how long connections are kept. Each ends some time, so that a load balancer divides its senders anew.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Keepalive {
    /// The age from which a connection gets no more requests, in seconds.
    max_connection_age_secs: Whole<1, 31_536_000>,
    /// By what part of it ages differ, so that not all connections end at once.
    max_connection_age_jitter_factor: Decimal<1>,
}

impl Default for Keepalive {
    fn default() -> Self {
        Keepalive { max_connection_age_secs: Whole(300), max_connection_age_jitter_factor: Decimal(0.1) }
    }
}

impl Options for Keepalive {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Keepalive {
            max_connection_age_secs: table.take("max_connection_age_secs", default.max_connection_age_secs),
            max_connection_age_jitter_factor: table
                .take("max_connection_age_jitter_factor", default.max_connection_age_jitter_factor),
        }
    }
}

impl Keepalive {
    pub(super) fn age_max(&self) -> Duration {
        self.max_connection_age_secs.seconds()
    }

    pub(super) fn age_jitter_factor(&self) -> f64 {
        self.max_connection_age_jitter_factor.0
    }
}
