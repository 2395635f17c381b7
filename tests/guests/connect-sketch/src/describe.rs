//! What the sketch emits, and the indices by which the mapping refers to it.

use crate::exports::callspan::transform::plugin::{AttributeDefinition, Description, MetricDefinition};

pub(crate) const SERVICE_NAME: u32 = 0;
pub(crate) const CONTACT_ID: u32 = 1;
pub(crate) const CHANNEL: u32 = 2;
pub(crate) const INITIATION_METHOD: u32 = 3;
pub(crate) const DISCONNECT_REASON: u32 = 4;
pub(crate) const CUSTOMER_ADDRESS: u32 = 5;
pub(crate) const QUEUE_NAME: u32 = 6;
pub(crate) const QUEUE_DURATION: u32 = 7;
pub(crate) const AGENT_USERNAME: u32 = 8;
pub(crate) const HOLD_DURATION: u32 = 9;
pub(crate) const ATTRIBUTE: u32 = 10;
pub(crate) const LINK_TYPE: u32 = 11;

pub(crate) const CONTACT: u32 = 0;
pub(crate) const TRANSFERRED_CONTACT: u32 = 1;
pub(crate) const QUEUE: u32 = 2;
pub(crate) const AGENT: u32 = 3;

pub(crate) const CONNECTED_TO_SYSTEM: u32 = 0;

/// Key, type, sensitivity, meaning: in the order of the indices above.
const ATTRIBUTES: [(&str, &str, &str, &str); 12] = [
    ("service.name", "text", "none", "Always `connect`."),
    ("connect.contact.id", "text", "none", "The contact's identifier."),
    ("connect.channel", "text", "none", "VOICE, CHAT, TASK or EMAIL."),
    ("connect.initiation.method", "text", "none", "How the contact began."),
    ("connect.disconnect.reason", "text", "none", "How the contact ended."),
    ("connect.customer.address", "text", "phone", "The customer's number."),
    ("connect.queue.name", "text", "none", "The queue the contact waited in."),
    ("connect.queue.duration", "int", "none", "Seconds in the queue, as Connect counted them."),
    ("connect.agent.username", "text", "account", "The agent who took the contact."),
    ("connect.hold.duration", "int", "none", "Seconds the customer spent on hold."),
    ("connect.attribute", "entries", "free-text", "What the contact flow's author kept."),
    ("connect.link.type", "text", "none", "`transfer`: the contact this one was transferred from."),
];

pub(crate) fn description() -> Description {
    Description {
        name: "connect-sketch".into(),
        version: "0.1.0".into(),
        schema_url: None,
        attributes: ATTRIBUTES.map(attribute).to_vec(),
        span_names: ["contact", "transferred contact", "queue", "agent"].map(String::from).to_vec(),
        events: vec!["connect.connected_to_system".into()],
        metrics: vec![MetricDefinition {
            name: "connect.contact.duration".into(),
            unit: "s".into(),
            brief: "How long contacts last, each leg of a transferred one by itself.".into(),
            measure: "span-duration".into(),
            spans: vec![CONTACT, TRANSFERRED_CONTACT],
            attribute: None,
            dimensions: vec![CHANNEL, INITIATION_METHOD],
        }],
        options_schema: r#"{"type":"object","additionalProperties":false}"#.into(),
        extensions: vec![],
    }
}

fn attribute((key, value_type, sensitivity, brief): (&str, &str, &str, &str)) -> AttributeDefinition {
    AttributeDefinition {
        key: key.into(),
        value_type: value_type.into(),
        sensitivity: sensitivity.into(),
        brief: brief.into(),
        examples: vec![],
    }
}
