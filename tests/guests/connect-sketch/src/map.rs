//! One contact record to what it contributes to its call's trace.
//!
//! All contacts of a chain share the trace, which is named by the first of them. The first contact's span is the root;
//! every later one is its child and links to the contact it was transferred from. Both references are to spans of other
//! records, which may arrive later or never: names are enough.

use crate::describe::{
    AGENT, AGENT_USERNAME, ATTRIBUTE, CHANNEL, CONNECTED_TO_SYSTEM, CONTACT, CONTACT_ID, CUSTOMER_ADDRESS,
    DISCONNECT_REASON, HOLD_DURATION, INITIATION_METHOD, LINK_TYPE, QUEUE, QUEUE_DURATION, QUEUE_NAME, SERVICE_NAME,
    TRANSFERRED_CONTACT,
};
use crate::exports::callspan::transform::plugin::{
    Attribute, Event, Link, Rejection, RemoteSpan, Span, SpanKind, SpanReference, SpanStatus, Trace, Value,
};
use crate::record::{Agent, Contact, Queue};
use crate::timestamp::Timestamp;

const FORMAT_VERSION: &str = "2017-03-10";

pub(crate) fn contact(body: &[u8]) -> Result<Trace, Rejection> {
    let contact: Contact = serde_json::from_slice(body).map_err(unreadable)?;
    if let Some(version) = &contact.format_version
        && version != FORMAT_VERSION
    {
        return Err(rejection(
            "unsupported",
            "format_version",
            Some("AWSContactTraceRecordFormatVersion"),
            format!("format version is not {FORMAT_VERSION}"),
        ));
    }
    let Some((start, end)) = extent(&contact) else {
        return Err(rejection(
            "incomplete",
            "no_time",
            Some("InitiationTimestamp"),
            "the contact has no beginning".into(),
        ));
    };

    let trace_key = trace_key(&contact);
    let mut spans = vec![contact_span(&contact, &trace_key, start, end)];
    spans.extend(contact.queue.as_ref().and_then(|queue| queue_span(&contact, queue, end)));
    spans.extend(contact.agent.as_ref().and_then(|agent| agent_span(&contact, agent)));
    Ok(Trace {
        key: trace_key,
        // Connect sends a record again when it has grown, and says when it was last changed.
        revision: contact.last_update_timestamp.map_or(0, Timestamp::unix_millis),
        resources: vec![vec![text(SERVICE_NAME, "connect")]],
        spans,
    })
}

/// Contact ids are unique, but only within an instance is that promised: so the instance is part of the name.
fn trace_key(contact: &Contact) -> String {
    let instance = contact.instance_arn.as_deref().unwrap_or_default();
    let instance = instance.rsplit_once('/').map_or(instance, |(_, name)| name);
    let first = contact.initial_contact_id.as_ref().unwrap_or(&contact.contact_id);
    format!("connect/{instance}/{first}")
}

fn span_key(contact_id: &str) -> String {
    format!("contact/{contact_id}")
}

fn extent(contact: &Contact) -> Option<(Timestamp, Timestamp)> {
    let start = contact.initiation_timestamp?;
    let end = contact.disconnect_timestamp.or(contact.last_update_timestamp).unwrap_or(start);
    Some((start, end.max(start)))
}

fn contact_span(contact: &Contact, trace_key: &str, start: Timestamp, end: Timestamp) -> Span {
    let another = |contact_id: &str| {
        SpanReference::Remote(RemoteSpan { trace_key: trace_key.to_owned(), span_key: span_key(contact_id) })
    };
    let first = contact.initial_contact_id.as_deref().filter(|first| *first != contact.contact_id);

    let mut span =
        span(span_key(&contact.contact_id), if first.is_some() { TRANSFERRED_CONTACT } else { CONTACT }, start, end);
    span.parent = first.map(another);
    span.kind = match contact.initiation_method.as_deref() {
        Some("INBOUND") => SpanKind::Server,
        Some("OUTBOUND" | "API" | "CALLBACK" | "EXTERNAL_OUTBOUND") => SpanKind::Client,
        _ => SpanKind::Internal,
    };
    span.attributes = [
        Some(text(CONTACT_ID, &contact.contact_id)),
        contact.channel.as_deref().map(|value| text(CHANNEL, value)),
        contact.initiation_method.as_deref().map(|value| text(INITIATION_METHOD, value)),
        contact.disconnect_reason.as_deref().map(|value| text(DISCONNECT_REASON, value)),
        contact
            .customer_endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.address.as_deref())
            .map(|value| text(CUSTOMER_ADDRESS, value)),
        free_attributes(contact),
    ]
    .into_iter()
    .flatten()
    .collect();
    span.events = contact
        .connected_to_system_timestamp
        .map(|time| Event { name: CONNECTED_TO_SYSTEM, time_unix_nano: time.0, attributes: vec![] })
        .into_iter()
        .collect();
    span.links = contact
        .previous_contact_id
        .as_deref()
        .map(|previous| Link { target: another(previous), attributes: vec![text(LINK_TYPE, "transfer")] })
        .into_iter()
        .collect();
    span
}

fn free_attributes(contact: &Contact) -> Option<Attribute> {
    let entries: Vec<_> = contact.attributes.clone().into_iter().collect();
    (!entries.is_empty()).then_some(Attribute { key: ATTRIBUTE, value: Value::Entries(entries) })
}

fn queue_span(contact: &Contact, queue: &Queue, contact_end: Timestamp) -> Option<Span> {
    let start = queue.enqueue_timestamp?;
    let end = queue.dequeue_timestamp.unwrap_or(contact_end).max(start);
    let mut span = span(format!("{}/queue", span_key(&contact.contact_id)), QUEUE, start, end);
    span.parent = Some(SpanReference::Local(0));
    span.attributes = [
        queue.name.as_deref().map(|name| text(QUEUE_NAME, name)),
        queue.duration.map(|seconds| int(QUEUE_DURATION, seconds)),
    ]
    .into_iter()
    .flatten()
    .collect();
    Some(span)
}

fn agent_span(contact: &Contact, agent: &Agent) -> Option<Span> {
    let start = agent.connected_to_agent_timestamp?;
    let talk = agent.agent_interaction_duration.unwrap_or(0);
    let hold = agent.customer_hold_duration.unwrap_or(0);
    let mut span = span(
        format!("{}/agent", span_key(&contact.contact_id)),
        AGENT,
        start,
        start.plus_seconds(talk).plus_seconds(hold),
    );
    span.parent = Some(SpanReference::Local(0));
    span.attributes = [
        agent.username.as_deref().map(|name| text(AGENT_USERNAME, name)),
        agent.customer_hold_duration.map(|seconds| int(HOLD_DURATION, seconds.into())),
    ]
    .into_iter()
    .flatten()
    .collect();
    Some(span)
}

fn span(key: String, name: u32, start: Timestamp, end: Timestamp) -> Span {
    Span {
        key,
        parent: None,
        resource: 0,
        name,
        kind: SpanKind::Internal,
        start_unix_nano: start.0,
        // Backends take a span without length for a mistake.
        end_unix_nano: end.0.max(start.0 + 1),
        status: SpanStatus::Unset,
        attributes: vec![],
        events: vec![],
        links: vec![],
    }
}

fn text(key: u32, value: &str) -> Attribute {
    Attribute { key, value: Value::Text(value.to_owned()) }
}

fn int(key: u32, value: i64) -> Attribute {
    Attribute { key, value: Value::Int(value) }
}

fn unreadable(error: serde_json::Error) -> Rejection {
    let missing = error.is_data() && error.to_string().starts_with("missing field");
    let (class, code) = match missing {
        true => ("incomplete", "incomplete"),
        false => ("malformed", "malformed"),
    };
    rejection(class, code, None, error.to_string())
}

fn rejection(class: &str, code: &str, path: Option<&str>, message: String) -> Rejection {
    Rejection { class: class.into(), code: code.into(), path: path.map(Into::into), message }
}
