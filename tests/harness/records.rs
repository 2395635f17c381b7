//! Records that tests push. The golden corpus has the rest.

/// The vendor's own sample, as its page prints it: a comma is missing after `"Zhang San"`.
pub const SEED_RAW: &str = include_str!("../golden/payloads/seed-sample-raw.json");

/// The same with the comma: two spans, whose ids are published.
pub const SEED: &str = include_str!("../golden/payloads/seed-sample-repaired.json");

/// The id of its trace.
pub const SEED_TRACE: &str = "5bfc1a4b39bb81e7343973207e5b7395";

/// A call that went through IVR and queue, was missed by an agent, answered by another and transferred: six spans.
pub const TRANSFERRED: &str = include_str!("../../examples/records/01-transferred.json");

/// The least record that has a trace: the session span alone.
pub fn call(session: &str) -> String {
    format!(
        r#"{{"SdkAppId":1400000000,"SessionId":"{session}","StartTimestamp":1700000000,"EndedTimestamp":1700000060}}"#
    )
}

/// A record for the guest that does what it is told, on one line.
pub fn command(id: &str, command: &str) -> String {
    format!(r#"{{"id":"{id}","do":"{command}"}}"#)
}

/// A record on one line.
pub fn compact(record: &str) -> String {
    serde_json::from_str::<serde_json::Value>(record).expect("it is JSON").to_string()
}
