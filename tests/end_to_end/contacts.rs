//! The contract serves a second source: Amazon Connect, whose transfers are records of their own, whose records grow, and
//! whose authors add attributes freely.

use callspan_tests::{Callspan, Finished, guests, only};
use serde_json::{Value, json};

/// A call is transferred once: two records, in either order, make one trace with one root.
#[test]
fn contacts_of_a_chain_share_a_trace() {
    let traces = sketch(&[transferred(), first()]).traces();
    let (transferred, first) = (only(&traces[0], "transferred contact"), only(&traces[1], "contact"));
    assert_eq!(transferred.trace_id, first.trace_id);
    assert_eq!((transferred.parent_span_id.as_str(), first.parent_span_id.as_str()), (first.span_id.as_str(), ""));
    assert_eq!(transferred.links.len(), 1);
    assert_eq!(transferred.links[0].span_id, first.span_id, "from where it was transferred");
    assert_eq!(transferred.links[0].attributes["connect.link.type"], "transfer");
}

#[test]
fn a_contact_is_mapped_with_its_queue_and_its_agent() {
    let spans = sketch(&[first()]).trace();
    let (contact, queue, agent) = (only(&spans, "contact"), only(&spans, "queue"), only(&spans, "agent"));
    assert_eq!(
        (queue.parent_span_id.as_str(), agent.parent_span_id.as_str()),
        (contact.span_id.as_str(), contact.span_id.as_str())
    );
    assert_eq!(
        (contact.start_unix_nano, contact.end_unix_nano),
        (1_714_848_725_000_000_000, 1_714_848_985_500_000_000)
    );
    assert_eq!(queue.end_unix_nano - queue.start_unix_nano, 40_000_000_000);
    assert_eq!(queue.attribute("connect.queue.duration"), 40);
    assert_eq!(agent.end_unix_nano - agent.start_unix_nano, 190_000_000_000, "talk and hold");
    assert_eq!(contact.events[0].name, "connect.connected_to_system");
}

/// The flow's author may have kept anything: by default its length alone gets out, and a number is masked.
#[test]
fn free_attributes_and_numbers_follow_the_policy() {
    let masked = sketch(&[first()]).trace();
    let contact = only(&masked, "contact");
    assert!(contact.attribute("connect.attribute.preferred_language").is_null());
    assert_eq!(contact.attribute("connect.attribute.preferred_language.length"), 5);
    assert_eq!(contact.attribute("connect.customer.address"), "***0147");

    let plain = run(&[first()], ["--privacy", "plain"]).trace();
    assert_eq!(only(&plain, "contact").attribute("connect.attribute.preferred_language"), "pt-BR");
}

#[test]
fn what_the_sketch_cannot_map_it_refuses_with_a_reason() {
    let mut another_format = first();
    another_format["AWSContactTraceRecordFormatVersion"] = json!("2031-01-01");
    let mut without_time = first();
    without_time["InitiationTimestamp"] = Value::Null;
    let refusals = sketch(&[another_format, without_time, json!({}), json!([])]).refusals();
    let codes: Vec<&Value> = refusals.iter().map(|refusal| &refusal["code"]).collect();
    assert_eq!(codes, ["format_version", "no_time", "incomplete", "malformed"], "{refusals:#?}");
}

fn sketch(contacts: &[Value]) -> Finished {
    run(contacts, [])
}

fn run<const N: usize>(contacts: &[Value], arguments: [&str; N]) -> Finished {
    let lines: Vec<String> = contacts.iter().map(Value::to_string).collect();
    Callspan::transform()
        .arguments(["--plugin", guests::CONNECT_SKETCH])
        .arguments(arguments)
        .input(lines.join("\n"))
        .run()
}

const FIRST: &str = "0c9e9b0e-5f4f-4a57-9a0e-0d5c1f5a0001";
const SECOND: &str = "0c9e9b0e-5f4f-4a57-9a0e-0d5c1f5a0002";

fn first() -> Value {
    json!({
        "AWSContactTraceRecordFormatVersion": "2017-03-10",
        "InstanceARN": "arn:aws:connect:eu-west-2:111122223333:instance/7d1f0000-aaaa-bbbb-cccc-000000000001",
        "ContactId": FIRST,
        "NextContactId": SECOND,
        "Channel": "VOICE",
        "InitiationMethod": "INBOUND",
        "InitiationTimestamp": "2024-05-04T18:52:05Z",
        "ConnectedToSystemTimestamp": "2024-05-04T18:52:05Z",
        "DisconnectTimestamp": "2024-05-04T18:56:25.500Z",
        "LastUpdateTimestamp": "2024-05-04T18:58:00Z",
        "CustomerEndpoint": {"Address": "+12025550147", "Type": "TELEPHONE_NUMBER"},
        "Queue": {
            "Name": "Bookings",
            "EnqueueTimestamp": "2024-05-04T18:52:30Z",
            "DequeueTimestamp": "2024-05-04T18:53:10Z",
            "Duration": 40
        },
        "Agent": {
            "Username": "priya",
            "ConnectedToAgentTimestamp": "2024-05-04T18:53:10Z",
            "AgentInteractionDuration": 175,
            "CustomerHoldDuration": 15
        },
        "Attributes": {"preferred language": "pt-BR"}
    })
}

fn transferred() -> Value {
    json!({
        "AWSContactTraceRecordFormatVersion": "2017-03-10",
        "InstanceARN": "arn:aws:connect:eu-west-2:111122223333:instance/7d1f0000-aaaa-bbbb-cccc-000000000001",
        "ContactId": SECOND,
        "InitialContactId": FIRST,
        "PreviousContactId": FIRST,
        "Channel": "VOICE",
        "InitiationMethod": "TRANSFER",
        "InitiationTimestamp": "2024-05-04T18:56:20Z",
        "DisconnectTimestamp": "2024-05-04T18:59:40Z",
        "DisconnectReason": "CUSTOMER_DISCONNECT",
        "LastUpdateTimestamp": "2024-05-04T19:01:00Z"
    })
}
