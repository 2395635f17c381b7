//! Traces on their way in one request, each still apart from the others, so that a batch that a backend finds too large
//! can be halved. A trace is never split.

use super::request::{Scope, joined, resource_spans};
use crate::span::Trace;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::ResourceSpans;
use prost::Message;

/// The size that a gRPC receiver takes unless told otherwise, counted in protocol buffers. JSON is about twice as long,
/// and receivers of it take several times as much.
pub const REQUEST_BYTES_MAX_DEFAULT: usize = 4 * 1024 * 1024;

/// At least one trace.
#[derive(Debug)]
pub(super) struct Batch(Vec<Part>);

#[derive(Debug)]
struct Part {
    /// Which of the traces given this is.
    index: usize,
    spans: Vec<ResourceSpans>,
    /// What the trace adds to a request at most: traces of equal resources share them.
    bytes: usize,
}

/// Divides traces, in their order, into batches whose requests are not larger than the limit. A trace that is larger
/// all by itself gets a batch of its own: the limit is a guess about the backend, and only the backend can refuse.
pub(super) fn batches(traces: Vec<Trace>, scope: &Scope, request_bytes_max: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut bytes = 0;
    for (index, trace) in traces.into_iter().enumerate() {
        let part = Part::new(index, trace, scope);
        bytes += part.bytes;
        match batches.last_mut() {
            Some(batch) if bytes <= request_bytes_max => batch.0.push(part),
            _ => {
                bytes = part.bytes;
                batches.push(Batch(vec![part]));
            }
        }
    }
    batches
}

impl Part {
    fn new(index: usize, trace: Trace, scope: &Scope) -> Self {
        let request = ExportTraceServiceRequest { resource_spans: resource_spans(trace, scope) };
        let bytes = request.encoded_len();
        Self { index, spans: request.resource_spans, bytes }
    }
}

impl Batch {
    /// The request to send. It is a copy, for the batch may have to be halved.
    pub(super) fn request(&self) -> ExportTraceServiceRequest {
        joined(self.0.iter().flat_map(|part| part.spans.iter().cloned()))
    }

    /// Which of the traces given are in it.
    pub(super) fn indices(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|part| part.index)
    }

    /// Two batches of about half the traces each, or the batch as it was when it is a single trace.
    pub(super) fn halves(mut self) -> Result<[Self; 2], Self> {
        if self.0.len() < 2 {
            return Err(self);
        }
        let second = self.0.split_off(self.0.len().div_ceil(2));
        Ok([self, Self(second)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::{answered_call, scope, text};

    fn indices(batches: &[Batch]) -> Vec<Vec<usize>> {
        batches.iter().map(|batch| batch.indices().collect()).collect()
    }

    #[test]
    fn a_batch_is_filled_up_to_the_limit_and_not_a_byte_further() {
        let size = Part::new(0, answered_call(1), &scope()).bytes;
        let traces = || (1..=5).map(answered_call).collect::<Vec<_>>();
        assert_eq!(indices(&batches(traces(), &scope(), 2 * size)), [vec![0, 1], vec![2, 3], vec![4]]);
        assert_eq!(indices(&batches(traces(), &scope(), 2 * size - 1)), [vec![0], vec![1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn no_request_is_larger_than_the_limit() {
        let traces: Vec<_> = (0..100)
            .map(|number| {
                let mut trace = answered_call(number);
                if let Some(root) = trace.spans.first_mut() {
                    root.attributes.push(text("note", &"x".repeat(usize::from(number) * 37)));
                }
                trace
            })
            .collect();
        for batch in batches(traces, &scope(), 10_000) {
            assert!(batch.request().encoded_len() <= 10_000);
        }
    }

    #[test]
    fn a_trace_larger_than_the_limit_goes_alone() {
        assert_eq!(indices(&batches(vec![answered_call(1), answered_call(2)], &scope(), 1)), [vec![0], vec![1]]);
    }

    #[test]
    fn a_batch_is_halved_down_to_single_traces() {
        let mut batches = batches((1..=3).map(answered_call).collect(), &scope(), usize::MAX);
        let [first, second] = batches.pop().expect("one batch").halves().expect("three traces");
        assert_eq!(indices(&[first, second]), [vec![0, 1], vec![2]]);
        let single = Batch(vec![Part::new(0, answered_call(1), &scope())]);
        assert!(single.halves().is_err());
    }

    #[test]
    fn the_default_limit_is_what_a_grpc_receiver_takes() {
        assert_eq!(REQUEST_BYTES_MAX_DEFAULT, 4_194_304);
    }
}
