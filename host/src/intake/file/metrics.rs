//! What sources count, under the names of Vector's instrumentation specification.

use crate::telemetry::Metric;

pub(in crate::intake) const COMPONENT_RECEIVED_EVENTS: Metric =
    Metric { name: "component_received_events", brief: "Records that were taken in." };
pub(in crate::intake) const COMPONENT_RECEIVED_BYTES: Metric =
    Metric { name: "component_received_bytes", brief: "Bytes of the records that were taken in." };
/// With the label `settlement`: `acknowledged`, `rejected` or `to_be_retried`. A record that is retried is settled more
/// than once.
pub(in crate::intake) const COMPONENT_SETTLED_EVENTS: Metric =
    Metric { name: "component_settled_events", brief: "Records that were settled, by settlement." };
/// With the labels `error_code`, `error_type` and `stage`.
pub(in crate::intake) const COMPONENT_ERRORS: Metric =
    Metric { name: "component_errors", brief: "Errors of this component." };
pub(in crate::intake) const FILES_OPEN: Metric = Metric { name: "files_open", brief: "Files that are followed." };

/// The stage of every error of a source.
pub(in crate::intake) const RECEIVING: (&str, &str) = ("stage", "receiving");
