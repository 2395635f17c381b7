//! A raw record, and why it may be refused. The record's bytes are what is kept; everything else can be made again from
//! them.

use bytes::Bytes;
use serde::Serialize;

/// A record as it was received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    pub body: Bytes,
    /// What the intake knows and a mapping may use: never a clock reading, a push identifier or a credential.
    pub metadata: Vec<(String, String)>,
}

/// Why a record became no trace. Only `class` and `code` may reach a log or a metric: the rest may quote the record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rejection {
    /// `malformed`, `incomplete`, `unsupported` or `policy` as a mapping says it; `plugin` when the plugin failed;
    /// `backend` when the backend refused the trace.
    pub class: String,
    /// `[a-z_]{1,64}`, stable.
    pub code: String,
    /// The field concerned.
    pub path: Option<String>,
    /// A lower-case fragment for a person.
    pub message: String,
}
