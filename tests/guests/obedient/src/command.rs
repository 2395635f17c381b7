//! The commands. Each says what a well-meant plugin would never do, or rarely; what the host makes of it is asserted by
//! the tests.

use crate::describe::{
    DOUBLE, ENTRIES, INT, NUMBERED, PART, PHONE, SECRET, SERVICE_NAME, TEXT, TEXTS, TICK, UNDECLARED, UNDECLARED_EVENT,
    UNDECLARED_NAME, WORK,
};
use crate::exports::callspan::transform::plugin::{
    Attribute, Event, Link, Outcome, Rejection, RemoteSpan, Span, SpanKind, SpanReference, SpanStatus, Trace, Value,
};
use crate::record::Record;
use std::sync::atomic::{AtomicI64, Ordering};

const SECOND: u64 = 1_000_000_000;
/// 2023-02-23T08:14:28Z: fixed, since a plugin knows no clock.
const START: u64 = 1_677_140_068 * SECOND;
const MEBIBYTE: usize = 1 << 20;

/// How many records this instance has seen. A host that hands state from one batch to the next would show it.
static SEEN: AtomicI64 = AtomicI64::new(0);

pub(crate) fn obey(record: &Record) -> Outcome {
    let seen = SEEN.fetch_add(1, Ordering::Relaxed) + 1;
    match record.command.as_str() {
        // Never comes back, or comes back dead.
        "loop" => forever(),
        "allocate" => attributes(record, vec![int(INT, allocate(record.count_or(usize::MAX)))]),
        "trap" => panic!("told to"),
        "recurse" => trace(record, |trace| trace.revision = recurse(record.count_or(usize::MAX))),

        // Too much of something.
        "too-many-spans" => trace(record, |trace| many_spans(trace, record.count_or(100_000))),
        "too-many-attributes" => trace(record, |trace| {
            many_attributes(trace, record.count_or(100_000));
        }),
        "many-events" => trace(record, |trace| many_events(trace, record.count_or(100_000))),
        "many-links" => trace(record, |trace| many_links(trace, record.count_or(100_000))),
        "many-resources" => trace(record, |trace| {
            trace.resources = vec![vec![]; record.count_or(100_000)];
        }),
        "long-text" => attributes(record, vec![text(TEXT, "x".repeat(record.count_or(MEBIBYTE)))]),
        "long-texts" => attributes(
            record,
            vec![Attribute { key: TEXTS, value: Value::Texts(vec!["x".into(); record.count_or(100_000)]) }],
        ),
        "not-utf8" => attributes(record, vec![text(TEXT, not_utf8())]),
        "huge-message" => reject("policy", "told_to", "x".repeat(record.count_or(64 * MEBIBYTE))),

        // Against the declarations.
        "undeclared-attribute" => attributes(record, vec![text(UNDECLARED, "x".into())]),
        "wrong-value-type" => attributes(record, vec![text(INT, "not an integer".into())]),
        "attribute-twice" => attributes(record, vec![text(TEXT, "a".into()), text(TEXT, "b".into())]),
        "undeclared-span-name" => trace(record, |trace| trace.spans[0].name = UNDECLARED_NAME),
        "undeclared-event" => trace(record, |trace| {
            trace.spans[0].events = vec![event(UNDECLARED_EVENT, START)];
        }),
        "undeclared-resource" => trace(record, |trace| trace.spans[0].resource = 7),
        "unknown-sensitivity" => attributes(record, vec![text(SECRET, "must never be seen".into()), int(INT, 1)]),

        // Against the shape of a trace.
        "empty-trace" => trace(record, |trace| trace.spans.clear()),
        "empty-key" => trace(record, |trace| trace.key.clear()),
        "long-key" => trace(record, |trace| {
            trace.key = "k".repeat(record.count_or(513));
        }),
        "empty-span-key" => trace(record, |trace| trace.spans[0].key.clear()),
        "duplicate-span-key" => trace(record, |trace| {
            let copy = trace.spans[1].clone();
            trace.spans.push(copy);
        }),
        "forward-parent" => trace(record, |trace| {
            trace.spans[0].parent = Some(SpanReference::Local(1));
        }),
        "own-parent" => trace(record, |trace| {
            trace.spans[0].parent = Some(SpanReference::Local(0));
        }),
        "forward-link" => trace(record, |trace| {
            trace.spans[0].links = vec![link(SpanReference::Local(1))];
        }),
        "parent-nowhere" => trace(record, |trace| {
            trace.spans[1].parent = Some(SpanReference::Local(u32::MAX));
        }),
        "link-nowhere" => trace(record, |trace| {
            trace.spans[1].links = vec![link(SpanReference::Local(u32::MAX))];
        }),
        "link-with-undeclared-attribute" => trace(record, |trace| {
            let link = Link { attributes: vec![int(UNDECLARED, 1)], ..link(SpanReference::Local(0)) };
            trace.spans[1].links = vec![link];
        }),
        "event-with-wrong-value-type" => trace(record, |trace| {
            trace.spans[0].events = vec![Event { attributes: vec![int(TEXT, 1)], ..event(TICK, START) }];
        }),
        "resource-with-undeclared-attribute" => trace(record, |trace| {
            trace.resources = vec![vec![int(u32::MAX, 1)]];
        }),
        "end-before-start" => trace(record, |trace| trace.spans[0].end_unix_nano = START - 1),
        "foreign-parent" => trace(record, |trace| {
            trace.spans[0].parent = Some(remote("obedient/another", "work"));
        }),
        "bad-code" => reject("policy", "Not A Code!", "told to".into()),
        "bad-class" => reject("no-such-class", "told_to", "told to".into()),
        "class-of-the-host" => reject("partially_refused", "told_to", "told to".into()),

        // Unusual, and allowed.
        "remote-parent" => trace(record, |trace| {
            trace.spans[0].parent = Some(remote(&trace.key, "elsewhere"));
        }),
        "end-of-time" => trace(record, |trace| {
            trace.spans[0].start_unix_nano = 0;
            trace.spans[0].end_unix_nano = u64::MAX;
            trace.spans[0].events = vec![event(TICK, 0), event(TICK, u64::MAX)];
            trace.spans[1].start_unix_nano = u64::MAX;
            trace.spans[1].end_unix_nano = u64::MAX;
        }),
        "control-characters" => trace(record, |trace| {
            trace.key = format!("obedient/\u{1b}[31m{}\n", record.id);
            trace.spans[1].key = "part\u{1b}]0;\u{7}\0".into();
            trace.spans[0].attributes = vec![text(TEXT, "\u{1b}[2J\r\n\0\u{9b}\u{202e}".into())];
        }),
        "control-characters-in-a-refusal" => reject("policy", "told_to", "\u{1b}[2J\r\n\0\u{9b}".into()),
        "remote-link" => trace(record, |trace| {
            trace.spans[0].links = vec![link(remote("obedient/another", "work"))];
        }),
        "entries" => attributes(record, vec![entries(&mixed_entries())]),
        "many-entries" => attributes(record, vec![entries(&numbered(record.count_or(100_000)))]),
        "metadata" => attributes(record, vec![entries(&record.metadata)]),
        "phone" => attributes(record, vec![text(PHONE, "+1 202 555 0147".into())]),
        "not-a-number" => attributes(record, vec![Attribute { key: DOUBLE, value: Value::Double(f64::NAN) }]),
        "revision" => trace(record, |trace| {
            trace.revision = record.count_or(7).try_into().unwrap_or(u64::MAX);
        }),
        "seen" => attributes(record, vec![int(INT, seen)]),
        "spin" => attributes(record, vec![int(INT, spin(record.count_or(100_000_000)))]),
        "reject" => reject("policy", "told_to", "told to".into()),
        "skip" => Outcome::Skipped("told to".into()),
        _ => trace(record, |_| ()),
    }
}

/// The small valid trace, changed by `change`.
fn trace(record: &Record, change: impl FnOnce(&mut Trace)) -> Outcome {
    let mut trace = Trace {
        key: format!("obedient/{}", record.id),
        revision: 0,
        resources: vec![vec![text(SERVICE_NAME, "obedient".into())]],
        spans: vec![span("work", WORK, None), span("part", PART, Some(0))],
    };
    change(&mut trace);
    Outcome::Trace(trace)
}

fn attributes(record: &Record, attributes: Vec<Attribute>) -> Outcome {
    trace(record, |trace| trace.spans[0].attributes = attributes)
}

fn span(key: &str, name: u32, parent: Option<u32>) -> Span {
    Span {
        key: key.into(),
        parent: parent.map(SpanReference::Local),
        resource: 0,
        name,
        kind: SpanKind::Internal,
        start_unix_nano: START,
        end_unix_nano: START + SECOND,
        status: SpanStatus::Unset,
        attributes: vec![],
        events: vec![],
        links: vec![],
    }
}

fn text(key: u32, text: String) -> Attribute {
    Attribute { key, value: Value::Text(text) }
}

fn int(key: u32, int: i64) -> Attribute {
    Attribute { key, value: Value::Int(int) }
}

fn entries(entries: &[(String, String)]) -> Attribute {
    Attribute { key: ENTRIES, value: Value::Entries(entries.to_vec()) }
}

fn event(name: u32, time_unix_nano: u64) -> Event {
    Event { name, time_unix_nano, attributes: vec![] }
}

fn link(target: SpanReference) -> Link {
    Link { target, attributes: vec![] }
}

fn remote(trace_key: &str, span_key: &str) -> SpanReference {
    SpanReference::Remote(RemoteSpan { trace_key: trace_key.into(), span_key: span_key.into() })
}

fn reject(class: &str, code: &str, message: String) -> Outcome {
    Outcome::Rejected(Rejection { class: class.into(), code: code.into(), path: Some("/do".into()), message })
}

fn many_spans(trace: &mut Trace, count: usize) {
    trace.spans = (0..count).map(|index| span(&format!("part/{index}"), PART, None)).collect();
}

fn many_attributes(trace: &mut Trace, count: usize) {
    trace.spans[0].attributes = (NUMBERED..UNDECLARED).cycle().take(count).map(|key| int(key, 1)).collect();
}

fn many_events(trace: &mut Trace, count: usize) {
    trace.spans[0].events = vec![event(TICK, START); count];
}

fn many_links(trace: &mut Trace, count: usize) {
    trace.spans[1].links = vec![link(SpanReference::Local(0)); count];
}

/// Keys as a sender may really choose them, and keys that only an attacker would.
fn mixed_entries() -> Vec<(String, String)> {
    let entries = [
        ("plan", "gold"),
        ("Preferred Language", "pt-BR"),
        ("plan", "again"),
        ("", "without a name"),
        ("line\nbreak", "control characters"),
        ("service.name", "not the resource's"),
    ];
    let entries = entries.map(|(name, value)| (name.to_owned(), value.to_owned()));
    entries.to_vec()
}

fn numbered(count: usize) -> Vec<(String, String)> {
    (0..count).map(|index| (format!("key{index}"), "x".to_owned())).collect()
}

pub(crate) fn forever() -> Outcome {
    loop {
        std::hint::black_box(());
    }
}

pub(crate) fn allocate(mebibytes: usize) -> i64 {
    let mut hoard = Vec::new();
    while hoard.len() < mebibytes {
        hoard.push(std::hint::black_box(vec![1_u8; MEBIBYTE]));
    }
    i64::try_from(hoard.len()).unwrap_or_default()
}

/// With frames so small that the stack of calls is used up before the guest's own in its memory.
pub(crate) fn recurse(depth: usize) -> u64 {
    match depth {
        0 => 0,
        _ => recurse(std::hint::black_box(depth - 1)).rotate_left(1) ^ depth as u64,
    }
}

/// A string as a faulty guest may make it: its bytes are no text.
fn not_utf8() -> String {
    // SAFETY: nothing looks at it before it leaves the sandbox, which is what is tested.
    unsafe { String::from_utf8_unchecked(vec![0x66, 0xff, 0xfe, 0x80]) }
}

fn spin(rounds: usize) -> i64 {
    (0..rounds).fold(1, |value: i64, round| std::hint::black_box(value ^ i64::try_from(round).unwrap_or_default()))
}
