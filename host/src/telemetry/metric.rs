//! Metrics that mean the same for every component, by the names of Vector's instrumentation specification.

use super::Metric;

pub const RECEIVED_EVENTS: Metric =
    Metric { name: "component_received_events", brief: "Records, or traces, that the component took in." };
pub const RECEIVED_BYTES: Metric =
    Metric { name: "component_received_bytes", brief: "Bytes that the source received, as they came." };
pub const SENT_EVENTS: Metric =
    Metric { name: "component_sent_events", brief: "Records, or traces, that the component passed on." };
pub const DISCARDED_EVENTS: Metric =
    Metric { name: "component_discarded_events", brief: "Records, or traces, that went no further." };
pub const ERRORS: Metric = Metric { name: "component_errors", brief: "What went wrong, by its code." };
pub const BUFFER_EVENTS: Metric = Metric { name: "buffer_size_events", brief: "Records that are not settled yet." };
pub const BUFFER_BYTES: Metric =
    Metric { name: "buffer_size_bytes", brief: "Bytes of the records that are not settled yet." };
