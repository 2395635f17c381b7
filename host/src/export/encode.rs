//! Spans and resources in protocol buffers, written straight from the host's own types: the protocol's message types
//! want every text and identifier in an allocation of its own. The bytes are those that `request` makes by way of the
//! message types, and the tests hold the two against each other.
//!
//! A message within a message is written behind one byte for its length. Where that is too short, which no attribute of
//! usual size needs, what was written moves on by a byte or two.

use crate::span::{Attribute, Kind, Span, Status, TraceId, Value};

/// The wire types of protocol buffers (encoding guide, "Message Structure").
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;

/// `ScopeSpans.spans`: a span as a field of its parent message.
pub(super) fn span(out: &mut Vec<u8>, span: &Span, trace_id: TraceId) {
    message(out, 2, |out| {
        bytes(out, 1, &trace_id.0);
        bytes(out, 2, &span.id.0);
        if let Some(parent) = span.parent {
            bytes(out, 4, &parent.0);
        }
        text(out, 5, &span.name);
        enumeration(out, 6, kind(span.kind));
        fixed_64(out, 7, span.start_unix_nano);
        fixed_64(out, 8, span.end_unix_nano);
        attributes(out, 9, &span.attributes);
        for event in &span.events {
            message(out, 11, |out| {
                fixed_64(out, 1, event.time_unix_nano);
                text(out, 2, &event.name);
                attributes(out, 3, &event.attributes);
            });
        }
        for link in &span.links {
            message(out, 13, |out| {
                bytes(out, 1, &link.trace_id.0);
                bytes(out, 2, &link.span_id.0);
                attributes(out, 4, &link.attributes);
            });
        }
        match span.status {
            Status::Unset => {}
            Status::Ok => message(out, 15, |out| enumeration(out, 3, 1)),
            Status::Error => message(out, 15, |out| enumeration(out, 3, 2)),
        }
    });
}

/// `ResourceSpans.resource`, also when it is empty.
pub(super) fn resource(out: &mut Vec<u8>, resource: &[Attribute]) {
    message(out, 1, |out| attributes(out, 1, resource));
}

/// A field that holds a message of a known length; the message is to be written next.
pub(super) fn header(out: &mut Vec<u8>, field: u8, length: usize) {
    out.push(key(field, LENGTH_DELIMITED));
    varint(out, length as u64);
}

/// How long a field is that holds a message of this length.
pub(super) fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

/// A text that is not empty: an empty one is the default, and left out.
pub(super) fn text(out: &mut Vec<u8>, field: u8, text: &str) {
    if !text.is_empty() {
        bytes(out, field, text.as_bytes());
    }
}

/// A message whose length is known only once it is written.
pub(super) fn message(out: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&[key(field, LENGTH_DELIMITED), 0]);
    let start = out.len();
    write(out);
    let length = out.len() - start;
    let more = varint_len(length as u64) - 1;
    if more > 0 {
        out.resize(start + length + more, 0);
        out.copy_within(start..start + length, start + more);
    }
    let mut rest = length;
    for (at, byte) in out.iter_mut().skip(start - 1).take(more + 1).enumerate() {
        *byte = low_bits(rest as u64) | if at < more { 0x80 } else { 0 };
        rest >>= 7;
    }
}

fn kind(kind: Kind) -> u8 {
    match kind {
        Kind::Internal => 1,
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
        Kind::Consumer => 5,
    }
}

fn attributes(out: &mut Vec<u8>, field: u8, attributes: &[Attribute]) {
    for attribute in attributes {
        message(out, field, |out| {
            text(out, 1, &attribute.key);
            value(out, 2, &attribute.value);
        });
    }
}

/// `AnyValue`. Its fields are those of a choice, which are written even where they are the default.
fn value(out: &mut Vec<u8>, field: u8, value: &Value) {
    match value {
        Value::Text(text) => text_value(out, field, text),
        Value::Boolean(boolean) => boolean_value(out, field, *boolean),
        Value::Integer(integer) => integer_value(out, field, *integer),
        Value::Double(double) => double_value(out, field, *double),
        Value::Texts(texts) => array(out, field, |out| texts.iter().for_each(|text| text_value(out, 1, text))),
        Value::Booleans(booleans) => array(out, field, |out| booleans.iter().for_each(|it| boolean_value(out, 1, *it))),
        Value::Integers(integers) => array(out, field, |out| integers.iter().for_each(|it| integer_value(out, 1, *it))),
        Value::Doubles(doubles) => array(out, field, |out| doubles.iter().for_each(|it| double_value(out, 1, *it))),
    }
}

fn array(out: &mut Vec<u8>, field: u8, values: impl FnOnce(&mut Vec<u8>)) {
    message(out, field, |out| message(out, 5, values));
}

fn text_value(out: &mut Vec<u8>, field: u8, text: &str) {
    header(out, field, field_len(text.len()));
    bytes(out, 1, text.as_bytes());
}

fn boolean_value(out: &mut Vec<u8>, field: u8, boolean: bool) {
    out.extend_from_slice(&[key(field, LENGTH_DELIMITED), 2, key(2, VARINT), u8::from(boolean)]);
}

/// Negative ones are written in ten bytes, as they are in two's complement.
fn integer_value(out: &mut Vec<u8>, field: u8, integer: i64) {
    let integer = integer.cast_unsigned();
    header(out, field, 1 + varint_len(integer));
    out.push(key(3, VARINT));
    varint(out, integer);
}

fn double_value(out: &mut Vec<u8>, field: u8, double: f64) {
    header(out, field, 1 + size_of::<f64>());
    out.push(key(4, FIXED_64));
    out.extend_from_slice(&double.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    header(out, field, bytes.len());
    out.extend_from_slice(bytes);
}

/// Never the default, which is unspecified.
fn enumeration(out: &mut Vec<u8>, field: u8, number: u8) {
    out.extend_from_slice(&[key(field, VARINT), number]);
}

fn fixed_64(out: &mut Vec<u8>, field: u8, number: u64) {
    if number != 0 {
        out.push(key(field, FIXED_64));
        out.extend_from_slice(&number.to_le_bytes());
    }
}

/// No field that is written here has a number above 15, so that its key is one byte.
const fn key(field: u8, wire_type: u8) -> u8 {
    field << 3 | wire_type
}

fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    out.push(low_bits(number));
}

/// Seven bits to a byte.
fn varint_len(number: u64) -> usize {
    (number | 1).ilog2() as usize / 7 + 1
}

fn low_bits(number: u64) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low & 0x7f
}
