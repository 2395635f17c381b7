//! Pieces of protocol buffers: resources as the field of `ResourceSpans`, spans as the fields of `ScopeSpans`.

use super::{Joined, Pieces};
use crate::export::encode;
use crate::export::request::Scope;
use crate::span::Trace;

/// What all requests have in common.
#[derive(Clone, Debug)]
pub(in crate::export) struct Protobuf {
    /// `ScopeSpans.scope`.
    scope: Vec<u8>,
    /// The schema's address, which is field 3 of `ScopeSpans` and of `ResourceSpans` both.
    schema_url: Vec<u8>,
}

impl Protobuf {
    pub(super) fn new(scope: &Scope) -> Self {
        let (mut wire_scope, mut schema_url) = (Vec::new(), Vec::new());
        encode::message(&mut wire_scope, 1, |out| {
            encode::text(out, 1, &scope.name);
            encode::text(out, 2, &scope.version);
        });
        encode::text(&mut schema_url, 3, scope.schema_url.as_deref().unwrap_or_default());
        Self { scope: wire_scope, schema_url }
    }

    /// Adds the trace's pieces, and gives the length of a request with this trace alone.
    pub(super) fn write(&self, trace: &Trace, pieces: &mut Pieces) -> usize {
        let first = pieces.groups.len();
        for (at, span) in trace.spans.iter().enumerate() {
            let is_known = trace.spans.iter().take(at).any(|earlier| earlier.resource == span.resource);
            if is_known {
                continue;
            }
            let attributes = trace.resources.get(span.resource).map(Vec::as_slice).unwrap_or_default();
            let spans = trace.spans.iter().skip(at).filter(|later| later.resource == span.resource);
            pieces.add(
                |out| encode::resource(out, attributes),
                |out| spans.for_each(|span| encode::span(out, span, trace.id)),
            );
        }
        let groups = pieces.groups.iter().skip(first);
        groups.map(|group| encode::field_len(self.lens(group.resource.len(), group.spans.len()).resource_spans)).sum()
    }

    pub(super) fn request(&self, joined: &[Joined<'_>]) -> Vec<u8> {
        let lens = || joined.iter().map(|joined| (joined, self.lens(joined.resource.len(), joined.spans_len())));
        let mut out = Vec::with_capacity(lens().map(|(_, lens)| encode::field_len(lens.resource_spans)).sum());
        for (joined, lens) in lens() {
            encode::header(&mut out, 1, lens.resource_spans);
            out.extend_from_slice(joined.resource);
            encode::header(&mut out, 2, lens.scope_spans);
            out.extend_from_slice(&self.scope);
            joined.spans.iter().for_each(|spans| out.extend_from_slice(spans));
            out.extend_from_slice(&self.schema_url);
            out.extend_from_slice(&self.schema_url);
        }
        out
    }

    fn lens(&self, resource: usize, spans: usize) -> Lens {
        let scope_spans = self.scope.len() + spans + self.schema_url.len();
        Lens { scope_spans, resource_spans: resource + encode::field_len(scope_spans) + self.schema_url.len() }
    }
}

/// The lengths of the messages around the spans of one resource.
struct Lens {
    scope_spans: usize,
    resource_spans: usize,
}
