//! A real collector: rotel, which prints each span it has decoded.

use crate::child::Child;
use crate::peers::{self, Endpoint, Protocol};
use crate::span::{Attributes, Event, Link, Span};
use serde_json::Value;
use std::cell::RefCell;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// A running collector. Killed when it goes out of scope.
pub struct Rotel {
    child: RefCell<Child>,
    grpc: u16,
    http: u16,
}

impl Rotel {
    /// Starts it, and waits until it listens. None when it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_with(&["--exporter", "blackhole", "--debug-log", "traces", "--debug-log-verbosity", "detailed"])
    }

    /// One that passes on what it gets, as an agent beside an application does, and tries again soon what it could not.
    pub fn passing_on_to(endpoint: &Endpoint) -> Option<Self> {
        let protocol = if endpoint.protocol == Protocol::Grpc { "grpc" } else { "http" };
        Self::start_with(&[
            "--exporter",
            "otlp",
            "--otlp-exporter-endpoint",
            &endpoint.url,
            "--otlp-exporter-protocol",
            protocol,
            "--otlp-exporter-retry-initial-backoff",
            "100ms",
        ])
    }

    fn start_with(arguments: &[&str]) -> Option<Self> {
        let (grpc, http) = (peers::free_port(), peers::free_port());
        let mut command = Command::new(peers::packaged("rotel/rotel-agent")?);
        command.args(["start", "--log-format", "json"]).args(arguments);
        command.args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{grpc}")]);
        command.args(["--otlp-http-endpoint", &format!("127.0.0.1:{http}")]);
        let rotel = Self { child: RefCell::new(Child::start("rotel", command)), grpc, http };
        rotel.wait_until_it_listens();
        Some(rotel)
    }

    /// Where it listens.
    pub fn endpoint(&self, protocol: Protocol) -> Endpoint {
        Endpoint::local(protocol, if protocol == Protocol::Grpc { self.grpc } else { self.http })
    }

    /// All spans that were printed before the first one of this trace, once that one is there. What precedes it is then
    /// printed to the end: rotel prints what it receives in order.
    pub fn spans_before(&self, trace_id: &str) -> Vec<Span> {
        self.child.borrow_mut().wait_for("span of the closing trace", |lines| {
            let mut spans = Printed::spans(lines);
            let closing = spans.iter().position(|span| span.trace_id == trace_id)?;
            spans.truncate(closing);
            Some(spans)
        })
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + crate::child::PATIENCE;
        while [self.grpc, self.http].iter().any(|port| TcpStream::connect(("127.0.0.1", *port)).is_err()) {
            assert!(Instant::now() < deadline, "rotel does not listen:\n{}", self.child.borrow().lines().join("\n"));
            thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Reads what `--debug-log-verbosity detailed` prints: a heading for each resource, span, event and link, their fields
/// as `Name : value` or `Name: value`, and attributes as `-> key: Type(value)`.
#[derive(Default)]
struct Printed {
    resource: Attributes,
    spans: Vec<Span>,
    /// Which list the next attribute belongs to.
    place: Place,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Resource,
    Span,
    Event,
    Link,
}

impl Printed {
    fn spans(lines: &[String]) -> Vec<Span> {
        let mut printed = Self::default();
        for line in lines {
            printed.line(line.trim());
        }
        printed.spans
    }

    fn line(&mut self, line: &str) {
        if line.starts_with("ResourceSpans #") {
            (self.resource, self.place) = (Attributes::new(), Place::Resource);
        } else if line.starts_with("Span #") {
            self.spans.push(Span { resource: self.resource.clone(), ..Span::default() });
            self.place = Place::Span;
        } else if let Some((name, value)) = line.strip_prefix("-> ").unwrap_or(line).split_once(':') {
            self.field(name.trim_end(), value.trim_start());
        } else if let Some(span) = self.spans.last_mut() {
            match line.split(" #").next() {
                Some("SpanEvent") => {
                    span.events.push(Event::default());
                    self.place = Place::Event;
                }
                Some("SpanLink") => {
                    span.links.push(Link::default());
                    self.place = Place::Link;
                }
                _ => {}
            }
        }
    }

    fn field(&mut self, name: &str, text: &str) {
        if let Some(value) = attribute_value(text) {
            let span = self.spans.last_mut();
            let attributes = match self.place {
                Place::Resource => Some(&mut self.resource),
                Place::Span => span.map(|span| &mut span.attributes),
                Place::Event => span.and_then(|span| span.events.last_mut()).map(|event| &mut event.attributes),
                Place::Link => span.and_then(|span| span.links.last_mut()).map(|link| &mut link.attributes),
            };
            attributes.expect("rotel prints a heading first").insert(name.to_owned(), value);
            return;
        }
        let Some(span) = self.spans.last_mut() else { return };
        match (self.place, name) {
            (Place::Event, "Name") => span.events.last_mut().unwrap().name = text.to_owned(),
            (Place::Event, "Timestamp") => span.events.last_mut().unwrap().time_unix_nano = text.parse().unwrap(),
            (Place::Link, "Trace ID") => span.links.last_mut().unwrap().trace_id = text.to_owned(),
            (Place::Link, "ID") => span.links.last_mut().unwrap().span_id = text.to_owned(),
            (Place::Span, "Trace ID") => span.trace_id = text.to_owned(),
            (Place::Span, "Parent ID") => span.parent_span_id = text.to_owned(),
            (Place::Span, "ID") => span.span_id = text.to_owned(),
            (Place::Span, "Name") => span.name = text.to_owned(),
            (Place::Span, "Kind") => span.kind = number(&KINDS, text),
            (Place::Span, "Start time") => span.start_unix_nano = text.parse().unwrap(),
            (Place::Span, "End time") => span.end_unix_nano = text.parse().unwrap(),
            (_, "Status code") => span.status = number(&STATUSES, text),
            _ => {}
        }
    }
}

const KINDS: [&str; 4] = ["SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"];
const STATUSES: [&str; 3] = ["STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"];

fn number(names: &[&str], name: &str) -> i64 {
    let index = names.iter().position(|known| *known == name);
    index.and_then(|index| i64::try_from(index).ok()).unwrap_or_else(|| panic!("rotel prints `{name}`"))
}

/// `Str(x)`, `Int(5)`, `Bool(true)`, `Slice(Str(x), Str(y))`. A text that holds `), ` in a slice would be taken apart.
fn attribute_value(text: &str) -> Option<Value> {
    let (kind, value) = text.strip_suffix(')')?.split_once('(')?;
    match kind {
        "Str" => Some(Value::from(value)),
        "Int" | "Bool" | "Double" => serde_json::from_str(value).ok(),
        "Slice" => {
            let items = value.strip_suffix(')').unwrap_or(value).split("), ");
            items.map(|item| attribute_value(&format!("{item})"))).collect()
        }
        _ => None,
    }
}
