//! What sources count, under Vector's names where they mean the same.

use crate::telemetry::Metric;

/// Bytes as they arrived, before anything is inflated.
pub const RECEIVED_BYTES: Metric =
    Metric { name: "component_received_bytes", brief: "Bytes that arrived, before they are inflated." };
/// Records that the queue has taken.
pub const RECEIVED_EVENTS: Metric =
    Metric { name: "component_received_events", brief: "Records that were taken into the queue." };
/// Records that the queue has taken and that are settled, by their `settlement`: `acknowledged`, `to_be_retried`,
/// `rejected` or `abandoned`. Once everybody is answered, they add up to the records received.
pub const SETTLED_EVENTS: Metric = Metric {
    name: "component_settled_events",
    brief: "Records that were taken into the queue, by what became of them.",
};
/// Requests and records that were not taken, by `error_code`, `error_type` and `stage`.
pub const ERRORS: Metric = Metric { name: "component_errors", brief: "Requests and records that were refused." };
/// Requests, by the `status` they were answered with.
pub const REQUESTS: Metric = Metric { name: "requests", brief: "Requests, by the status they were answered with." };
/// From the head of a request to its answer.
pub const REQUEST_DURATION: Metric =
    Metric { name: "request_duration", brief: "How long requests took, from their head to their answer." };
/// Pushes that are known and not ours.
pub const OTHER_ACTIONS: Metric =
    Metric { name: "other_actions", brief: "Pushes of recordings and voicemails, answered and not stored." };
/// Pushes that nobody has heard of.
pub const UNKNOWN_ACTIONS: Metric =
    Metric { name: "unknown_actions", brief: "Pushes of an unknown action, answered and not stored." };
/// Pushes of a version that may be mapped or not.
pub const UNKNOWN_VERSIONS: Metric =
    Metric { name: "unknown_versions", brief: "Pushes of another version than 1, stored all the same." };
