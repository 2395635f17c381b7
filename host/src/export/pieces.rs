//! Traces written down in pieces that any number of requests can be put together from: each trace is encoded once, and
//! a request of some of them only copies bytes, however often traces are divided anew.
//!
//! ```text
//! trace 0          trace 1             request of both
//! resource A  ┐    resource A  ┐       resource A
//!   spans 1 2 │      spans 5   │   ──▶   spans 1 2 5
//! resource B  │    resource B  │       resource B
//!   spans 3 4 ┘      spans 6   ┘         spans 3 4 6
//! ```
//!
//! The pieces of all traces lie in one buffer, one behind the other. Resources are equal if their bytes are.

mod json;
mod protobuf;

#[cfg(test)]
mod tests;

use super::console::{Style, waterfall};
use super::request::Scope;
use crate::span::Trace;
use bytes::Bytes;
use json::Json;
use protobuf::Protobuf;
use std::collections::HashMap;
use std::ops::Range;

/// How traces are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    /// `ExportTraceServiceRequest` in protocol buffers.
    Protobuf,
    /// `ExportTraceServiceRequest` in OTLP/JSON.
    Json,
    /// The same, each request ended by a line break.
    JsonLines,
    /// Each trace drawn for people.
    Waterfall(Style),
}

/// A format, with what stands around the traces of one scope in a request.
#[derive(Clone, Debug)]
pub(super) enum Encoding {
    /// `ExportTraceServiceRequest` in protocol buffers.
    Protobuf(Protobuf),
    /// `ExportTraceServiceRequest` in OTLP/JSON.
    Json(Json),
    /// Each trace drawn for people.
    Waterfall(Style),
}

/// Traces in the order in which they were given.
#[derive(Debug)]
pub(super) struct Pieces {
    bytes: Vec<u8>,
    groups: Vec<Group>,
    traces: Vec<Place>,
}

/// The spans of one trace that are of one resource.
#[derive(Debug)]
struct Group {
    resource: Range<usize>,
    spans: Range<usize>,
}

#[derive(Debug)]
struct Place {
    groups: Range<usize>,
    /// What the trace adds to a request at most: traces of equal resources share them.
    request_bytes: usize,
    spans: usize,
}

/// The spans of all traces of a request that are of one resource.
struct Joined<'p> {
    resource: &'p [u8],
    spans: Vec<&'p [u8]>,
}

/// What a usual trace takes, to begin with.
const TRACE_BYTES: usize = 2048;

impl Encoding {
    pub(super) fn new(format: Format, scope: &Scope) -> Self {
        match format {
            Format::Protobuf => Self::Protobuf(Protobuf::new(scope)),
            Format::Json => Self::Json(Json::new(scope.clone(), "")),
            Format::JsonLines => Self::Json(Json::new(scope.clone(), "\n")),
            Format::Waterfall(style) => Self::Waterfall(style),
        }
    }
}

impl Pieces {
    pub(super) fn new(traces: Vec<Trace>, encoding: &Encoding) -> Self {
        let mut pieces = Self {
            bytes: Vec::with_capacity(traces.len() * TRACE_BYTES),
            groups: Vec::with_capacity(traces.len() * 2),
            traces: Vec::with_capacity(traces.len()),
        };
        for trace in traces {
            let (first, spans) = (pieces.groups.len(), trace.spans.len());
            let request_bytes = match encoding {
                Encoding::Protobuf(protobuf) => protobuf.write(&trace, &mut pieces),
                Encoding::Json(json) => json.write(trace, &mut pieces),
                Encoding::Waterfall(style) => {
                    let mut picture = waterfall(&trace, *style);
                    picture.push('\n');
                    pieces.add(|_| {}, |out| out.extend_from_slice(picture.as_bytes()));
                    picture.len()
                }
            };
            let groups = first..pieces.groups.len();
            pieces.traces.push(Place { groups, request_bytes, spans });
        }
        pieces
    }

    /// Leaves out the traces whose place has false.
    pub(super) fn keep(&mut self, places: &[bool]) {
        let mut places = places.iter();
        self.traces.retain(|_| places.next().is_none_or(|is_kept| *is_kept));
    }

    /// How many traces there are.
    pub(super) fn len(&self) -> usize {
        self.traces.len()
    }

    /// What this trace adds to a request at most.
    pub(super) fn request_bytes(&self, trace: usize) -> usize {
        self.traces.get(trace).map_or(0, |place| place.request_bytes)
    }

    /// How many spans this trace has.
    pub(super) fn spans(&self, trace: usize) -> u64 {
        self.traces.get(trace).map_or(0, |place| place.spans as u64)
    }

    /// One request with all spans of these traces. Spans of equal resources come together, in the order in which the
    /// resources first appear.
    pub(super) fn request(&self, traces: Range<usize>, encoding: &Encoding) -> Bytes {
        let joined = self.joined(traces);
        let request = match encoding {
            Encoding::Protobuf(protobuf) => protobuf.request(&joined),
            Encoding::Json(json) => json.request(&joined),
            Encoding::Waterfall(_) => joined.iter().flat_map(|joined| joined.spans.concat()).collect(),
        };
        request.into()
    }

    fn add(&mut self, resource: impl FnOnce(&mut Vec<u8>), spans: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        resource(&mut self.bytes);
        let middle = self.bytes.len();
        spans(&mut self.bytes);
        self.groups.push(Group { resource: start..middle, spans: middle..self.bytes.len() });
    }

    fn joined(&self, traces: Range<usize>) -> Vec<Joined<'_>> {
        let mut joined: Vec<Joined<'_>> = Vec::new();
        let mut places: HashMap<&[u8], usize> = HashMap::new();
        let groups = self.traces.get(traces).into_iter().flatten().flat_map(|place| place.groups.clone());
        for group in groups.filter_map(|group| self.groups.get(group)) {
            let resource = self.bytes.get(group.resource.clone()).unwrap_or_default();
            let spans = self.bytes.get(group.spans.clone()).unwrap_or_default();
            let place = *places.entry(resource).or_insert(joined.len());
            match joined.get_mut(place) {
                Some(known) => known.spans.push(spans),
                None => joined.push(Joined { resource, spans: vec![spans] }),
            }
        }
        joined
    }
}

impl Joined<'_> {
    fn spans_len(&self) -> usize {
        self.spans.iter().map(|spans| spans.len()).sum()
    }
}
