//! The part of a contact record that is mapped. Field names are the vendor's.

use crate::timestamp::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Contact {
    #[serde(rename = "AWSContactTraceRecordFormatVersion")]
    pub(crate) format_version: Option<String>,
    #[serde(rename = "InstanceARN")]
    pub(crate) instance_arn: Option<String>,
    pub(crate) contact_id: String,
    /// The first contact of the chain; absent on the first one itself.
    pub(crate) initial_contact_id: Option<String>,
    /// The contact this one was transferred from.
    pub(crate) previous_contact_id: Option<String>,
    pub(crate) channel: Option<String>,
    pub(crate) initiation_method: Option<String>,
    pub(crate) initiation_timestamp: Option<Timestamp>,
    pub(crate) connected_to_system_timestamp: Option<Timestamp>,
    pub(crate) disconnect_timestamp: Option<Timestamp>,
    pub(crate) disconnect_reason: Option<String>,
    pub(crate) last_update_timestamp: Option<Timestamp>,
    pub(crate) customer_endpoint: Option<Endpoint>,
    pub(crate) queue: Option<Queue>,
    pub(crate) agent: Option<Agent>,
    /// Whatever the author of the contact flow chose to keep: keys and values are theirs.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Endpoint {
    pub(crate) address: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Queue {
    pub(crate) name: Option<String>,
    pub(crate) enqueue_timestamp: Option<Timestamp>,
    pub(crate) dequeue_timestamp: Option<Timestamp>,
    /// Seconds.
    pub(crate) duration: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Agent {
    pub(crate) username: Option<String>,
    pub(crate) connected_to_agent_timestamp: Option<Timestamp>,
    /// Seconds of talk, without the time on hold.
    pub(crate) agent_interaction_duration: Option<u32>,
    /// Seconds.
    pub(crate) customer_hold_duration: Option<u32>,
}
