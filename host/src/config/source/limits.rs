//! What a source that listens is held to.

use super::keepalive::Keepalive;
use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::problem::Report;
use crate::config::value::Whole;
use crate::connections::ConnectionLimits;
use crate::intake::RECORD_BYTES;
use schemars::JsonSchema;

/// What bodies may take together by default: so much, or as many of the largest.
const BODIES_BYTES: usize = 32 * 1024 * 1024;
const LARGEST_BODIES: usize = 4;

/// How much is taken from a sender, and for how long.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Limits<const BODY_BYTES_MAX: u64> {
    /// The largest body, in bytes, as it comes.
    pub(super) body_bytes_max: Whole<1, 1_073_741_824>,
    /// The largest body after it is inflated, in bytes; by default as many as it may have as it comes.
    pub(super) expanded_bytes_max: Option<Whole<1, 1_073_741_824>>,
    /// How many records one body may hold.
    pub(super) body_records_max: Whole<1, 1_000_000>,
    /// What all bodies together may take of memory, in bytes, from when their heads are there until they are answered; the
    /// next are asked to come again. A body takes as many bytes as are announced, or as it may have, with those it is
    /// inflated to, and 512 for each of several records. One address gets at most three quarters, and less while others
    /// want in. At least twice the largest body; by default 32 MiB, or four of the largest bodies if that is more.
    pub(super) bodies_bytes_max: Option<Whole<1, 1_099_511_627_776>>,
    /// How long a sender may take to send a body, in seconds.
    pub(super) body_timeout_secs: Whole<1, 3600>,
    /// How long a sender is kept waiting for its answer, in seconds; after that it is asked to come again.
    pub(super) answer_timeout_secs: Whole<1, 3600>,
    /// How many connections there may be at once; the next wait.
    pub(super) connections_max: Whole<1, 1_000_000>,
    /// How many connections there may be from one address; the next are closed. One of IPv6 stands for its network of 64
    /// bits. Behind a proxy all connections have the proxy's.
    pub(super) connections_per_address_max: Whole<1, 1_000_000>,
    /// How many requests may be answered at once; the next are asked to come again.
    pub(super) requests_max: Whole<1, 1_000_000>,
    /// How many requests there may be at once on a connection of HTTP/2.
    pub(super) streams_max: Whole<1, 10_000>,
    /// How many requests a connection of HTTP/2 may have taken back before anybody looked at them; with the next it is
    /// closed.
    pub(super) pending_resets_max: Whole<1, 10_000>,
    /// How many requests a connection of HTTP/2 may have had that were broken off for being wrong; with the next it is
    /// closed.
    pub(super) error_resets_max: Whole<1, 10_000>,
    /// The longest path of a request, its query included, in bytes.
    pub(super) uri_bytes_max: Whole<1, 65_534>,
    /// How long the headers of a request may be together, in bytes: names, values, and 32 for each.
    pub(super) header_bytes_max: Whole<256, 1_048_576>,
    /// How many headers a request may have.
    pub(super) headers_max: Whole<1, 1000>,
    /// How long TLS may take to be agreed on, in seconds.
    pub(super) handshake_timeout_secs: Whole<1, 3600>,
    /// How long the head of a request may take, in seconds, and a new connection to ask something; a connection that
    /// takes longer is closed, after at most twice the time.
    pub(super) header_timeout_secs: Whole<1, 3600>,
    /// How long a connection may be open without a request, in seconds.
    pub(super) idle_timeout_secs: Whole<1, 86_400>,
}

impl<const BODY_BYTES_MAX: u64> Default for Limits<BODY_BYTES_MAX> {
    fn default() -> Self {
        Limits {
            body_bytes_max: Whole(BODY_BYTES_MAX),
            expanded_bytes_max: None,
            body_records_max: Whole(10_000),
            bodies_bytes_max: None,
            body_timeout_secs: Whole(10),
            answer_timeout_secs: Whole(4),
            connections_max: Whole(1024),
            connections_per_address_max: Whole(768),
            requests_max: Whole(1024),
            streams_max: Whole(100),
            pending_resets_max: Whole(20),
            error_resets_max: Whole(128),
            uri_bytes_max: Whole(4096),
            header_bytes_max: Whole(16_384),
            headers_max: Whole(100),
            handshake_timeout_secs: Whole(10),
            header_timeout_secs: Whole(10),
            idle_timeout_secs: Whole(60),
        }
    }
}

impl<const BODY_BYTES_MAX: u64> Options for Limits<BODY_BYTES_MAX> {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Limits {
            body_bytes_max: table.take("body_bytes_max", default.body_bytes_max),
            expanded_bytes_max: table.take("expanded_bytes_max", default.expanded_bytes_max),
            body_records_max: table.take("body_records_max", default.body_records_max),
            bodies_bytes_max: table.take("bodies_bytes_max", default.bodies_bytes_max),
            body_timeout_secs: table.take("body_timeout_secs", default.body_timeout_secs),
            answer_timeout_secs: table.take("answer_timeout_secs", default.answer_timeout_secs),
            connections_max: table.take("connections_max", default.connections_max),
            connections_per_address_max: table.take("connections_per_address_max", default.connections_per_address_max),
            requests_max: table.take("requests_max", default.requests_max),
            streams_max: table.take("streams_max", default.streams_max),
            pending_resets_max: table.take("pending_resets_max", default.pending_resets_max),
            error_resets_max: table.take("error_resets_max", default.error_resets_max),
            uri_bytes_max: table.take("uri_bytes_max", default.uri_bytes_max),
            header_bytes_max: table.take("header_bytes_max", default.header_bytes_max),
            headers_max: table.take("headers_max", default.headers_max),
            handshake_timeout_secs: table.take("handshake_timeout_secs", default.handshake_timeout_secs),
            header_timeout_secs: table.take("header_timeout_secs", default.header_timeout_secs),
            idle_timeout_secs: table.take("idle_timeout_secs", default.idle_timeout_secs),
        }
    }
}

impl<const BODY_BYTES_MAX: u64> Limits<BODY_BYTES_MAX> {
    pub(super) fn expanded_bytes_max(&self) -> usize {
        self.expanded_bytes_max.unwrap_or(self.body_bytes_max).size()
    }

    /// What all bodies together may take. There has to be room for the largest, and some beside it for others.
    pub(super) fn bodies_bytes_max(&self, at: At<'_>, report: &mut Report<'_>) -> usize {
        let records = self.body_records_max.size().saturating_mul(RECORD_BYTES);
        let largest = self.body_bytes_max.size().saturating_add(self.expanded_bytes_max()).saturating_add(records);
        let Some(wanted) = self.bodies_bytes_max.map(Whole::size) else {
            return BODIES_BYTES.max(largest.saturating_mul(LARGEST_BODIES));
        };
        let (at, least) = (at.key("bodies_bytes_max"), largest.saturating_mul(2));
        if wanted < least && report.is_good(at) {
            report.add(
                at,
                format!(
                    "expected at least {least}: twice body_bytes_max, expanded_bytes_max and {RECORD_BYTES} for each of \
                     body_records_max"
                ),
            );
        }
        wanted
    }

    pub(super) fn connections(&self, keepalive: &Keepalive) -> ConnectionLimits {
        ConnectionLimits {
            connections_max: self.connections_max.size(),
            connections_per_address_max: self.connections_per_address_max.size(),
            requests_max: self.requests_max.size(),
            streams_max: u32::try_from(self.streams_max.0).unwrap_or(u32::MAX),
            pending_resets_max: self.pending_resets_max.size(),
            error_resets_max: self.error_resets_max.size(),
            uri_bytes_max: self.uri_bytes_max.size(),
            header_bytes_max: self.header_bytes_max.size(),
            headers_max: self.headers_max.size(),
            handshake_timeout: self.handshake_timeout_secs.seconds(),
            header_timeout: self.header_timeout_secs.seconds(),
            idle_timeout: self.idle_timeout_secs.seconds(),
            age_max: keepalive.age_max(),
            age_jitter_factor: keepalive.age_jitter_factor(),
        }
    }
}
