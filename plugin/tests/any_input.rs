//! No input makes the mapping panic, and whatever it returns keeps to the contract.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test fails on the spot")]

use callspan_tccc::bindings::{Attribute, Outcome, Rejection, Span, SpanReference, Trace, Value};
use callspan_tccc::{Mapping, description};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::collections::HashSet;

const EXAMPLE: &str = include_str!("../../examples/records/01-transferred.json");

/// Fields of every object of a record, some of them unknown or in another spelling.
const NAMES: [&str; 40] = [
    "SdkAppId",
    "SessionId",
    "sessionid",
    "Caller",
    "Direction",
    "CallType",
    "Duration",
    "SeatUser",
    "IVRDuration",
    "RingTimestamp",
    "AcceptTimestamp",
    "EndedTimestamp",
    "StartTimestamp",
    "StartTimeStamp",
    "IVRKeyPressed",
    "IVRKeyPressedEx",
    "ServeParticipants",
    "EndStatusString",
    "QueuedTimestamp",
    "PostIVRKeyPressed",
    "QueuedSkillGroupId",
    "UserRemark",
    "Uui",
    "UUI",
    "TelLocation",
    "SkillGroupNameList",
    "Mail",
    "Phone",
    "Type",
    "TransferFrom",
    "TransferFromType",
    "TransferTo",
    "SkillGroupId",
    "SkillGroupName",
    "Sequence",
    "Key",
    "Label",
    "Timestamp",
    "VoicemailRecordURL",
    "__proto__",
];

/// Values, as JSON, that a sender might put anywhere.
const VALUES: [&str; 38] = [
    "null",
    "true",
    "0",
    "-1",
    "1",
    "2",
    "5",
    "6",
    "1.0",
    "1.5",
    "1e3",
    "1e400",
    "-0",
    "9223372036854775807",
    "9223372036854775808",
    "1677140068",
    "\"1677140068\"",
    "1677140068123",
    "1677140068123456",
    "1677140068123456789",
    "4102444801",
    "946684799",
    "\"\"",
    "\" \"",
    "\"ok\"",
    "\"seatGiveUp\"",
    "\"error\"",
    "\"ivrEnd\"",
    "\"agent@example.com\"",
    "\"Agent@Example.com\"",
    "\"0086 138-0000-0000\"",
    "\"Sales\"",
    "\"\\ud800\"",
    "\"\\u0000\\u001b[31m\"",
    "\"{\\\"City\\\": 1}\"",
    "\"[{\\\"Sequence\\\": 1}]\"",
    "[]",
    "{}",
];

/// JSON whose objects use the vendor's names.
fn record() -> impl Strategy<Value = String> {
    let scalar = select(VALUES.as_slice()).prop_map(str::to_owned).boxed();
    let value = scalar.prop_recursive(4, 64, 12, |inner| {
        let member = (select(NAMES.as_slice()), inner.clone()).prop_map(|(name, value)| format!("\"{name}\": {value}"));
        prop_oneof![
            vec(member, 0..12).prop_map(|members| format!("{{{}}}", members.join(", "))),
            vec(inner, 0..8).prop_map(|elements| format!("[{}]", elements.join(", "))),
        ]
    });
    vec((select(NAMES.as_slice()), value), 0..16).prop_map(|members| {
        let members: Vec<String> = members.into_iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
        format!(
            "{{\"SessionId\": \"s\", \"EndedTimestamp\": 1677140081, {}\"x\": 0}}",
            members.iter().map(|member| format!("{member}, ")).collect::<String>()
        )
    })
}

fn map(body: &[u8]) -> Outcome {
    Mapping::default().map(body)
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_mapped(body in vec(any::<u8>(), 0..256)) {
        check(map(&body));
    }

    #[test]
    fn a_damaged_record_is_refused_or_mapped(damage in vec((any::<Index>(), any::<u8>()), 0..6), cut in any::<Index>()) {
        let mut body = EXAMPLE.as_bytes().to_vec();
        for (place, byte) in damage {
            let length = body.len();
            body[place.index(length)] = byte;
        }
        check(map(&body));
        body.truncate(cut.index(EXAMPLE.len()));
        check(map(&body));
    }

    #[test]
    fn odd_values_in_known_fields_never_refuse_a_record_with_session_and_time(body in record()) {
        // A later spelling of these two may be worse than the first.
        prop_assume!(!body[45..].contains("essionId\"") && !body[45..].contains("\"EndedTimestamp\""));
        let outcome = map(body.as_bytes());
        prop_assert!(matches!(outcome, Outcome::Trace(_)), "{outcome:?}");
        check(outcome);
    }

    #[test]
    fn the_same_record_gives_the_same_trace(body in record()) {
        prop_assert_eq!(map(body.as_bytes()), map(body.as_bytes()));
    }
}

fn check(outcome: Outcome) {
    match outcome {
        Outcome::Trace(trace) => check_trace(&trace),
        Outcome::Skipped(reason) => panic!("this mapping skips nothing: {reason}"),
        Outcome::Rejected(Rejection { class, code, .. }) => {
            let is_name = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            assert!(is_name(&class) && is_name(&code), "{class} {code}");
        }
    }
}

fn check_trace(trace: &Trace) {
    let description = description();
    let keys: HashSet<&str> = trace.spans.iter().map(|span| span.key.as_str()).collect();
    assert_eq!(keys.len(), trace.spans.len(), "span keys are unique");
    for (place, span) in trace.spans.iter().enumerate() {
        let is_child = matches!(span.parent, Some(SpanReference::Local(0)));
        assert_eq!(is_child, place > 0, "the first span is the root of all others");
        assert!(span.start_unix_nano < span.end_unix_nano, "no span is empty");
        assert!((span.resource as usize) < trace.resources.len());
        assert!((span.name as usize) < description.span_names.len());
        for link in &span.links {
            assert!(
                matches!(link.target, SpanReference::Local(target) if (target as usize) < place),
                "links lead back"
            );
        }
        for attributes in lists(span).chain(trace.resources.iter().map(Vec::as_slice)) {
            let keys: HashSet<u32> = attributes.iter().map(|attribute| attribute.key).collect();
            assert_eq!(keys.len(), attributes.len(), "a key stands once in a list");
            for attribute in attributes {
                let definition = &description.attributes[attribute.key as usize];
                assert_eq!(definition.value_type, value_type(&attribute.value), "{}", definition.key);
            }
        }
    }
}

fn lists(span: &Span) -> impl Iterator<Item = &[Attribute]> {
    let of_events = span.events.iter().map(|event| event.attributes.as_slice());
    let of_links = span.links.iter().map(|link| link.attributes.as_slice());
    std::iter::once(span.attributes.as_slice()).chain(of_events).chain(of_links)
}

fn value_type(value: &Value) -> &'static str {
    match value {
        Value::Text(_) => "text",
        Value::Boolean(_) => "boolean",
        Value::Int(_) => "int",
        Value::Double(_) => "double",
        Value::Texts(_) => "texts",
        Value::Booleans(_) => "booleans",
        Value::Ints(_) => "ints",
        Value::Doubles(_) => "doubles",
        Value::Entries(_) => "entries",
    }
}
