//! Pieces of OTLP/JSON: resources as objects, spans as objects with commas between them.

use super::{Joined, Pieces};
use crate::export::json;
use crate::export::request::{Scope, resource_spans};
use crate::span::Trace;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;

const BEFORE_ALL: &[u8] = br#"{"resourceSpans":["#;
const AFTER_ALL: &[u8] = b"]}";
const BEFORE_RESOURCE: &[u8] = br#"{"resource":"#;

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

    /// Adds the trace's pieces, and gives the length of a request with this trace alone.
    pub(super) fn write(&self, trace: Trace, pieces: &mut Pieces) -> usize {
        let first = pieces.groups.len();
        for part in resource_spans(trace, &self.scope) {
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
        let groups = pieces.groups.iter().skip(first);
        self.request_len(groups.map(|group| self.resource_spans_len(group.resource.len(), group.spans.len())))
    }

    pub(super) fn request(&self, joined: &[Joined<'_>]) -> Vec<u8> {
        let lens = joined.iter().map(|joined| {
            let commas = joined.spans.len().saturating_sub(1);
            self.resource_spans_len(joined.resource.len(), joined.spans_len() + commas)
        });
        let mut out = Vec::with_capacity(self.request_len(lens));
        out.extend_from_slice(BEFORE_ALL);
        for (at, joined) in joined.iter().enumerate() {
            out.extend((at > 0).then_some(b','));
            out.extend_from_slice(BEFORE_RESOURCE);
            out.extend_from_slice(joined.resource);
            out.extend_from_slice(&self.before_spans);
            for (at, spans) in joined.spans.iter().enumerate() {
                out.extend((at > 0).then_some(b','));
                out.extend_from_slice(spans);
            }
            out.extend_from_slice(&self.after_spans);
        }
        out.extend_from_slice(AFTER_ALL);
        out.extend_from_slice(self.end.as_bytes());
        out
    }

    fn resource_spans_len(&self, resource: usize, spans: usize) -> usize {
        BEFORE_RESOURCE.len() + resource + self.before_spans.len() + spans + self.after_spans.len()
    }

    /// Of a request with `ResourceSpans` of these lengths.
    fn request_len(&self, resource_spans: impl Iterator<Item = usize>) -> usize {
        let around = BEFORE_ALL.len() + AFTER_ALL.len() + self.end.len();
        let with_commas = resource_spans.map(|length| length + 1).sum::<usize>().saturating_sub(1);
        around + with_commas
    }
}
