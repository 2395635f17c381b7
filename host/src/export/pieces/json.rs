//! Pieces of OTLP/JSON: resources as objects, spans as objects with commas between them.

use super::{Joined, Pieces};
use crate::export::json;
use crate::export::request::{Scope, resource_spans};
use crate::span::Trace;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use prost::Message as _;

/// What all requests have in common.
#[derive(Clone, Debug)]
pub(in crate::export) struct Json {
    scope: Scope,
    /// From the end of a resource to its first span.
    before_spans: Vec<u8>,
    /// From the last span of a resource to the end of its `ResourceSpans`.
    after_spans: Vec<u8>,
    /// What ends a request.
    end: &'static str,
}

impl Json {
    pub(super) fn new(scope: Scope, end: &'static str) -> Self {
        let (name, version) = (scope.name.clone(), scope.version.clone());
        let mut wire_scope = Vec::new();
        json::write(&mut wire_scope, &InstrumentationScope { name, version, ..InstrumentationScope::default() });
        let schema_url = match scope.schema_url.as_deref() {
            None | Some("") => String::new(),
            Some(url) => format!(r#","schemaUrl":{}"#, serde_json::Value::from(url)),
        };
        Self {
            before_spans: [br#","scopeSpans":[{"scope":"#, wire_scope.as_slice(), br#","spans":["#].concat(),
            after_spans: format!("]{schema_url}}}]{schema_url}}}").into_bytes(),
            scope,
            end,
        }
    }

    /// Adds the trace's pieces, and gives the length of a request with this trace alone, in protocol buffers: limits
    /// are told in these.
    pub(super) fn write(&self, trace: Trace, pieces: &mut Pieces) -> usize {
        let mut request_bytes = 0;
        for part in resource_spans(trace, &self.scope) {
            let length = part.encoded_len();
            request_bytes += length + prost::length_delimiter_len(length) + 1;
            let resource = part.resource.unwrap_or_default();
            let mut spans = part.scope_spans.iter().flat_map(|scope| &scope.spans);
            pieces.add(
                |out| json::write(out, &resource),
                |out| {
                    spans.next().into_iter().for_each(|span| json::write(out, span));
                    for span in spans {
                        out.push(b',');
                        json::write(out, span);
                    }
                },
            );
        }
        request_bytes
    }

    pub(super) fn request(&self, joined: &[Joined<'_>]) -> Vec<u8> {
        let around = self.before_spans.len() + self.after_spans.len() + r#","resource":{}"#.len();
        let length: usize =
            joined.iter().map(|joined| around + joined.resource.len() + joined.spans_len() + joined.spans.len()).sum();
        let mut out = Vec::with_capacity(length + r#"{"resourceSpans":[]}"#.len() + self.end.len());
        out.extend_from_slice(br#"{"resourceSpans":["#);
        for (at, joined) in joined.iter().enumerate() {
            let start: &[u8] = if at == 0 { br#"{"resource":"# } else { br#",{"resource":"# };
            out.extend_from_slice(start);
            out.extend_from_slice(joined.resource);
            out.extend_from_slice(&self.before_spans);
            for (at, spans) in joined.spans.iter().enumerate() {
                out.extend((at > 0).then_some(b','));
                out.extend_from_slice(spans);
            }
            out.extend_from_slice(&self.after_spans);
        }
        out.extend_from_slice(b"]}");
        out.extend_from_slice(self.end.as_bytes());
        out
    }
}
