//! The host's own trace: what a plugin returned, checked, with identifiers derived and privacy applied.
//!
//! Everything downstream of the transform speaks these types; nothing in them refers to a plugin, a sink or a protocol.

mod name;

use std::fmt;

pub use name::Name;

/// Sixteen bytes, never all zero (OpenTelemetry trace specification, "SpanContext").
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(pub [u8; 16]);

/// Eight bytes, never all zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub [u8; 8]);

/// All that one record contributes to one trace. Its spans leave together, in one export request.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    pub id: TraceId,
    /// The name the plugin gave the trace; the identifier is derived from it.
    pub key: String,
    /// Orders the versions of one record.
    pub revision: u64,
    /// What spans refer to by index.
    pub resources: Vec<Vec<Attribute>>,
    /// At least one; the first stands for the record as a whole.
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub id: SpanId,
    /// The name the plugin gave the span within its trace.
    pub key: String,
    pub parent: Option<SpanId>,
    /// Index into [`Trace::resources`]; checked.
    pub resource: usize,
    pub name: Name,
    pub kind: Kind,
    pub start_unix_nano: u64,
    /// Not before the start.
    pub end_unix_nano: u64,
    pub status: Status,
    pub attributes: Vec<Attribute>,
    pub events: Vec<Event>,
    pub links: Vec<Link>,
}

/// OpenTelemetry's span kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// OpenTelemetry's span status, without a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Unset,
    Ok,
    Error,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Attribute {
    pub key: Name,
    pub value: Value,
}

/// The kinds of attribute value that OpenTelemetry's common specification allows on every signal.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Boolean(bool),
    Integer(i64),
    Double(f64),
    Texts(Vec<String>),
    Booleans(Vec<bool>),
    Integers(Vec<i64>),
    Doubles(Vec<f64>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub name: Name,
    pub time_unix_nano: u64,
    pub attributes: Vec<Attribute>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    pub trace_id: TraceId,
    pub span_id: SpanId,
    pub attributes: Vec<Attribute>,
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lower_hex(&self.0, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lower_hex(&self.0, f)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lower_hex(&self.0, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        lower_hex(&self.0, f)
    }
}

fn lower_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
