//! Every metric there is, by the names of Vector's instrumentation specification where they mean the same.

use super::Metric;

/// The stage of every error of a source; those of a transform say `processing`, those of a sink `sending`.
pub const RECEIVING: (&str, &str) = ("stage", "receiving");

// Of every component.

pub const RECEIVED_EVENTS: Metric = Metric {
    name: "component_received_events",
    brief: "Records, or traces, that came in; a transform's once for each sink.",
};
/// By `error_code`, `error_type` and `stage`.
pub const ERRORS: Metric = Metric { name: "component_errors", brief: "What went wrong, or was refused, by its code." };

// Of sources.

/// As they arrived, before anything is inflated.
pub const RECEIVED_BYTES: Metric =
    Metric { name: "component_received_bytes", brief: "Bytes that the source received, as they came." };
/// By `settlement`: `acknowledged`, `rejected`, `to_be_retried` or `abandoned`. Once every sender is answered they add
/// up to the records received; a source that tries again by itself settles a record more than once.
pub const SETTLED_EVENTS: Metric =
    Metric { name: "component_settled_events", brief: "Records of the source, by what became of them." };
/// By `status`.
pub const REQUESTS: Metric = Metric { name: "requests", brief: "Requests, by the status they were answered with." };
/// From the head of a request to its answer.
pub const REQUEST_DURATION: Metric =
    Metric { name: "request_duration", brief: "How long requests took, from their head to their answer." };
pub const OTHER_ACTIONS: Metric =
    Metric { name: "other_actions", brief: "Pushes of recordings and voicemails, answered and not stored." };
pub const UNKNOWN_ACTIONS: Metric =
    Metric { name: "unknown_actions", brief: "Pushes of an unknown action, stored all the same." };
pub const UNKNOWN_VERSIONS: Metric =
    Metric { name: "unknown_versions", brief: "Pushes of another version than 1, stored all the same." };
/// By `reason`: `missing`, `malformed`, `wrong`, `expired`, `insufficient_scope`, `path_secret`, `origin`, `locked_out`, or
/// `undecided`, where the keys of an issuer are not known.
pub const AUTH_FAILURES: Metric =
    Metric { name: "auth_failures", brief: "Requests of senders that were not let in, by the reason." };
pub const TOKENS: Metric = Metric { name: "tokens_issued", brief: "Tokens that clients were given." };
pub const BODIES_BYTES: Metric =
    Metric { name: "bodies_bytes", brief: "Bytes that bodies of requests take in memory, with what they become." };
pub const BODIES_BYTES_MAX: Metric = Metric { name: "bodies_bytes_max", brief: "What they may take." };
/// By `reason`: `queue`, `disk`, `share` or `room`.
pub const REFUSED_BODIES: Metric =
    Metric { name: "refused_bodies", brief: "Bodies that there was no room for, mostly before they were read." };
pub const FILES_OPEN: Metric = Metric { name: "files_open", brief: "Files that are followed and open." };

// Of the connections of a source that listens: those accepted are those open, ended, refused, and failed in the handshake.

pub const CONNECTIONS_ACCEPTED: Metric =
    Metric { name: "connections_accepted", brief: "Connections that were accepted." };
/// As Vector calls it.
pub const OPEN_CONNECTIONS: Metric = Metric { name: "open_connections", brief: "Connections that are open." };
pub const CONNECTIONS_ENDED: Metric =
    Metric { name: "connections_ended", brief: "Connections that were served and have ended." };
/// By `reason`, the limit that was reached.
pub const CONNECTIONS_REFUSED: Metric = Metric {
    name: "connections_refused",
    brief: "Connections that were closed at once, by the limit that was reached.",
};
/// By `reason`: `timeout`, `broken_off`, `not_tls`, `incompatible`, `no_certificate`, `wrong_certificate`, `declined`, where
/// the sender did not want to go on, or `other`.
pub const HANDSHAKES_FAILED: Metric =
    Metric { name: "tls_handshakes_failed", brief: "Connections on which TLS was not agreed, by the reason." };
pub const CONNECTIONS_DELAYED: Metric = Metric {
    name: "connections_delayed",
    brief: "Times that as many connections were open as may be, and the next had to wait.",
};

// Of the queue.

pub const BUFFER_EVENTS: Metric = Metric { name: "buffer_size_events", brief: "Records that are not settled yet." };
pub const BUFFER_BYTES: Metric =
    Metric { name: "buffer_size_bytes", brief: "Bytes of the records that are not settled yet." };

/// Always 1; its `durability` says when a record counts as stored.
pub const QUEUE_INFO: Metric = Metric { name: "queue_info", brief: "How the queue keeps its records." };
pub const QUEUE_BYTES: Metric =
    Metric { name: "queue_bytes", brief: "Bytes of the records and dead letters that the queue holds." };
pub const QUEUE_DISK_BYTES: Metric =
    Metric { name: "queue_disk_bytes", brief: "Bytes that the queue takes on disk, journals included." };
pub const DEAD_LETTERS: Metric = Metric { name: "dead_letters", brief: "Dead letters that are kept." };
pub const DEAD_LETTER_BYTES: Metric = Metric { name: "dead_letter_bytes", brief: "Bytes of the dead letters." };
pub const EXPIRED_DEAD_LETTERS: Metric =
    Metric { name: "expired_dead_letters", brief: "Dead letters given up, being too old or too many." };
pub const EXPIRED_HISTORY: Metric = Metric {
    name: "expired_history_events",
    brief: "Delivered records given back before their time, for want of room.",
};
pub const DUPLICATE_PUSHES: Metric =
    Metric { name: "duplicate_pushes", brief: "Records that were stored already, by their push and their body." };

// Of the consumers of a queue: one for each way from a transform to a sink. They are kept with the records, so they count
// on over restarts: what was received is what was settled and what waits, at any moment.

pub const CONSUMER_RECEIVED_EVENTS: Metric =
    Metric { name: "consumer_received_events", brief: "Records stored for this consumer." };
/// By `outcome`: `delivered`, `skipped`, `duplicate`, `superseded`, `dead_lettered`, `dropped`, `damaged`, `erased`.
pub const CONSUMER_SETTLED_EVENTS: Metric =
    Metric { name: "consumer_settled_events", brief: "Records of this consumer, by what became of them." };
pub const CONSUMER_WAITING_EVENTS: Metric =
    Metric { name: "consumer_waiting_events", brief: "Records that wait for this consumer." };

// Of transforms and sinks. A transform that several sinks take from maps each record once for each of them.

pub const SENT_EVENTS: Metric = Metric { name: "component_sent_events", brief: "Traces that the component passed on." };
/// By `intentional`.
pub const DISCARDED_EVENTS: Metric =
    Metric { name: "component_discarded_events", brief: "Records, or traces, that went no further." };
pub const TRANSFORM_BATCHES: Metric = Metric { name: "transform_batches", brief: "Batches that were mapped." };
pub const TRANSFORM_DURATION: Metric =
    Metric { name: "transform_duration", brief: "How long batches took to be mapped." };
pub const EXPORT_TRIES: Metric = Metric { name: "export_tries", brief: "Times that a batch was offered to the sink." };
pub const EXPORT_DURATION: Metric = Metric { name: "export_duration", brief: "How long the sink took for a batch." };
/// As Vector calls it, whether the limit is adaptive or not.
pub const CONCURRENCY_LIMIT: Metric =
    Metric { name: "adaptive_concurrency_limit", brief: "Batches that the sink may have under way at one time." };
/// As Vector calls it.
pub const CONCURRENCY_IN_FLIGHT: Metric = Metric {
    name: "adaptive_concurrency_in_flight",
    brief: "Requests that were sent to the sink and are not answered yet.",
};
pub const REJECTED_SPANS: Metric = Metric {
    name: "rejected_spans",
    brief: "Spans that the backend left out of requests that it took; OTLP does not say which.",
};
/// 1 or 0.
pub const TRANSFORM_HELD: Metric = Metric {
    name: "transform_held",
    brief: "Whether the transform is held: its plugin fails whatever it is given, and records wait.",
};
/// By `result`: `same`, `differs`, `refused` (by the candidate alone), `not_refused` (by the candidate alone), `failed` or
/// `skipped`.
pub const SHADOW_RECORDS: Metric =
    Metric { name: "shadow_records", brief: "Records that a candidate was to map too, by how it compares." };
/// By `result`: `replaced`, `unchanged`, `failed`, `promoted` or `rolled_back`.
pub const PLUGIN_RELOADS: Metric = Metric {
    name: "plugin_reloads",
    brief: "Times that another plugin was to be put into service, by what came of it.",
};
/// 1 or 0.
pub const SINK_HELD: Metric = Metric {
    name: "sink_held",
    brief: "Whether the sink is held: its backend refuses whatever it is sent, and records wait.",
};
pub const GIVEN_BACK_EVENTS: Metric =
    Metric { name: "given_back_events", brief: "Records handed back to their sender, since the sink took nothing." };
