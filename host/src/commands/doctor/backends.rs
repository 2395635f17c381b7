//! Whether sinks can take traces: backends answer, files can be written.

use super::finding::Finding;
use super::folder::is_writable;
use crate::config::plan::{Part, SinkKind, SinkPlan};
use crate::export::{Answer, Endpoint, Exporter, Protocol, Scope};
use crate::span::{Attribute, Kind, Span, SpanId, Status, Trace, TraceId, Value};
use rustix::fs::{Access, access};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// To be called within a tokio runtime.
pub(super) async fn check(sink: &Part<SinkPlan>, sends_test_trace: bool) -> Finding {
    let check = format!("sinks.{}", sink.name);
    match &sink.plan.kind {
        SinkKind::Opentelemetry(sink) => backend(check, &sink.endpoint, sends_test_trace).await,
        SinkKind::File { path } => file(check, path),
        SinkKind::Console { .. } => Finding::ok(check, "a console, which is there"),
    }
}

async fn backend(check: String, endpoint: &Endpoint, sends_test_trace: bool) -> Finding {
    let scope = Scope { name: "callspan/doctor".to_owned(), ..Scope::default() };
    let exporter = match Exporter::new(endpoint) {
        Ok(exporter) => exporter,
        Err(error) => return Finding::error(check, format!("failed to {error}"), "correct the sink's options"),
    };
    let (sent, answer) = if sends_test_trace {
        let trace = test_trace(SystemTime::now());
        let sent = format!("a test trace, {}", trace.id);
        (sent, exporter.send(&mut exporter.prepare(vec![trace], &scope)).await)
    } else {
        ("a request without a span".to_owned(), Some(exporter.probe().await))
    };
    let at = format!("{endpoint} by {}", protocol_name(endpoint.protocol()));
    match answer {
        Some(Answer::Accepted | Answer::PartiallyAccepted { rejected_spans: 0, .. }) => {
            Finding::ok(check, format!("{at} takes {sent}"))
        }
        Some(Answer::PartiallyAccepted { .. }) => {
            Finding::error(check, format!("{at} rejects the span of {sent}"), REMEDY_FOR_REFUSAL)
        }
        Some(Answer::Retry { reason, .. }) => {
            let remedy = format!("{}; until then records wait in the queue", endpoint.advice());
            Finding::error(check, format!("{at}: {reason}"), remedy)
        }
        Some(Answer::Refused(refusal)) => {
            let remedy = refusal.advice().unwrap_or_else(|| REMEDY_FOR_REFUSAL.to_owned());
            Finding::error(check, format!("{at}: {}", refusal.reason), remedy)
        }
        Some(Answer::TooLarge { reason }) => Finding::error(check, format!("{at}: {reason}"), REMEDY_FOR_REFUSAL),
        None => Finding::error(check, format!("{at}: nothing was sent"), "try again"),
    }
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Grpc => "grpc",
        Protocol::HttpProtobuf => "http/protobuf",
        Protocol::HttpJson => "http/json",
    }
}

const REMEDY_FOR_REFUSAL: &str =
    "correct `endpoint`, `protocol` and `headers`; if it refuses only what is empty, --send-test-trace tells";

/// One span, which says what it is.
fn test_trace(now: SystemTime) -> Trace {
    let nanos = now.duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok());
    let nanos = nanos.unwrap_or_default();
    let attribute = |key: &str, value| Attribute { key: key.into(), value };
    Trace {
        id: TraceId(fastrand::u128(1..).to_be_bytes()),
        key: String::new(),
        revision: 0,
        resources: vec![vec![attribute("service.name", Value::Text("callspan-doctor".to_owned()))]],
        spans: vec![Span {
            id: SpanId(fastrand::u64(1..).to_be_bytes()),
            key: String::new(),
            parent: None,
            resource: 0,
            name: "callspan doctor".into(),
            kind: Kind::Internal,
            start_unix_nano: nanos,
            end_unix_nano: nanos,
            status: Status::Unset,
            attributes: vec![attribute("callspan.test", Value::Boolean(true))],
            events: Vec::new(),
            links: Vec::new(),
        }],
    }
}

fn file(check: String, path: &Path) -> Finding {
    if path.is_dir() {
        let found = format!("{} is a folder", path.display());
        return Finding::error(check, found, "set `path` to a file");
    }
    if path.exists() {
        return match access(path, Access::WRITE_OK) {
            Ok(()) => Finding::ok(check, format!("{} can be written to", path.display())),
            Err(error) => {
                let found = format!("{} cannot be written to: {error}", path.display());
                Finding::error(check, found, "let this user write it, or set another `path`")
            }
        };
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match is_writable(folder) {
        Ok(()) => Finding::ok(check, format!("{} can be made", path.display())),
        Err(why) => {
            let found = format!("{} cannot be made: {why}", path.display());
            Finding::error(check, found, "make its folder for this user, or set another `path`")
        }
    }
}
