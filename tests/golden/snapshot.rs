//! Traces and refusals as text that people can read and compare; the format is told in `README.md`.

use callspan::record::Rejection;
use callspan::span::{Attribute, Kind, Span, Status, Trace, Value};
use callspan::transform::Outcome;
use std::fmt::Write as _;

/// The snapshot of all records of a payload.
pub(crate) fn snapshot(outcomes: &[Outcome]) -> String {
    let records = outcomes.iter().enumerate().map(|(index, outcome)| match outcome {
        Outcome::Trace(trace) => format!("record {index} trace\n{}", of_trace(trace)),
        Outcome::Skipped => format!("record {index} skipped\n"),
        Outcome::Rejected(rejection) => format!("record {index} refused\n{}", of_rejection(rejection)),
    });
    records.collect::<Vec<_>>().join("\n")
}

fn of_rejection(Rejection { class, code, path, message, .. }: &Rejection) -> String {
    format!("class {class}\ncode {code}\npath {}\nmessage {message}\n", path.as_deref().unwrap_or("-"))
}

fn of_trace(trace: &Trace) -> String {
    let mut text = format!("key {}\nid {}\n", visible(&trace.key), trace.id);
    for span in &trace.spans {
        text.push('\n');
        text.push_str(&of_span(span, trace));
    }
    text
}

fn of_span(span: &Span, trace: &Trace) -> String {
    let key_of =
        |id| trace.spans.iter().find(|span| span.id == id).map_or("elsewhere".to_owned(), |span| visible(&span.key));
    let mut lines = vec![format!("span {} {}", span.id, quoted(&span.name)), format!("  key {}", visible(&span.key))];
    lines.extend(span.parent.map(|parent| format!("  parent {}", key_of(parent))));
    lines.push(format!("  kind {}", kind(span.kind)));
    lines.push(format!("  status {}", status(span.status)));
    lines.push(format!("  start {}", span.start_unix_nano));
    lines.push(format!("  end {}", span.end_unix_nano));
    lines.extend(sorted(&trace.resources[span.resource]).map(|line| format!("  resource {line}")));
    lines.extend(sorted(&span.attributes).map(|line| format!("  {line}")));
    for event in &span.events {
        lines.push(format!("  event {} {}", event.time_unix_nano, event.name));
        lines.extend(sorted(&event.attributes).map(|line| format!("    {line}")));
    }
    for link in &span.links {
        assert_eq!(link.trace_id, trace.id, "links of this mapping stay within the trace");
        lines.push(format!("  link {}", key_of(link.span_id)));
        lines.extend(sorted(&link.attributes).map(|line| format!("    {line}")));
    }
    lines.join("\n") + "\n"
}

fn sorted(attributes: &[Attribute]) -> impl Iterator<Item = String> + use<> {
    let mut lines: Vec<(String, String)> =
        attributes.iter().map(|attribute| (attribute.key.to_string(), value(&attribute.value))).collect();
    lines.sort();
    lines.into_iter().map(|(key, value)| format!("{key} = {value}"))
}

fn value(value: &Value) -> String {
    let list = |items: Vec<String>| format!("[{}]", items.join(", "));
    match value {
        Value::Text(text) => quoted(text),
        Value::Boolean(truth) => truth.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::Texts(texts) => list(texts.iter().map(|text| quoted(text)).collect()),
        Value::Booleans(truths) => list(truths.iter().map(bool::to_string).collect()),
        Value::Integers(numbers) => list(numbers.iter().map(i64::to_string).collect()),
        Value::Doubles(numbers) => list(numbers.iter().map(|number| format!("{number:?}")).collect()),
    }
}

/// As Python's `json.dumps` writes text: everything but printable ASCII escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            ' '..='~' => quoted.push(character),
            _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                write!(quoted, "\\u{unit:04x}").expect("a string can be written to");
            }),
        }
    }
    quoted.push('"');
    quoted
}

/// A key with its control characters made visible.
fn visible(key: &str) -> String {
    let show = |character: char| {
        if character.is_control() { format!("\\u{:04x}", u32::from(character)) } else { character.to_string() }
    };
    key.chars().map(show).collect()
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Internal => "internal",
        Kind::Server => "server",
        Kind::Client => "client",
        Kind::Producer => "producer",
        Kind::Consumer => "consumer",
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Unset => "unset",
        Status::Ok => "ok",
        Status::Error => "error",
    }
}
