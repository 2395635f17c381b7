//! Traces on their way, in batches that each go in one request. What a backend took or refused is done; what it could
//! not take yet stays, encoded as it is, and is sent again. A trace is never split.

use super::pieces::{Encoding, Pieces};
use crate::span::Trace;
use bytes::Bytes;
use std::ops::Range;

/// The size that a gRPC receiver takes unless told otherwise. Receivers of JSON, which is about twice as long, take several
/// times as much.
pub const REQUEST_BYTES_MAX_DEFAULT: usize = 4 * 1024 * 1024;

/// Traces that were encoded and are not settled yet.
#[derive(Debug)]
pub struct Prepared {
    pieces: Pieces,
    encoding: Encoding,
    request_bytes_max: usize,
    /// In reverse: what goes first is last.
    batches: Vec<Batch>,
}

/// At least one trace.
#[derive(Debug)]
struct Batch {
    /// By their positions among the traces given.
    traces: Range<usize>,
    /// The request, once it was made.
    request: Option<Bytes>,
}

impl Prepared {
    /// Divides traces, in their order, into batches whose requests are not larger than the limit. A trace that is
    /// larger all by itself gets a batch of its own: the limit is a guess about the backend, and only the backend can
    /// refuse.
    pub(super) fn new(traces: Vec<Trace>, encoding: Encoding, request_bytes_max: usize) -> Self {
        Self::divided(Pieces::new(traces, &encoding), encoding, request_bytes_max)
    }

    fn divided(pieces: Pieces, encoding: Encoding, request_bytes_max: usize) -> Self {
        let mut batches: Vec<Batch> = Vec::new();
        let mut bytes = 0;
        for trace in 0..pieces.len() {
            bytes += pieces.request_bytes(trace);
            match batches.last_mut() {
                Some(batch) if bytes <= request_bytes_max => batch.traces.end = trace + 1,
                _ => {
                    bytes = pieces.request_bytes(trace);
                    batches.push(Batch::new(trace..trace + 1));
                }
            }
        }
        batches.reverse();
        Self { pieces, encoding, request_bytes_max, batches }
    }

    /// Leaves out the traces whose place has false, before anything is sent.
    #[must_use]
    pub fn keep(mut self, places: &[bool]) -> Self {
        if places.iter().all(|is_kept| *is_kept) {
            return self;
        }
        self.pieces.keep(places);
        Self::divided(self.pieces, self.encoding, self.request_bytes_max)
    }

    /// Whether every trace is settled, so that there is nothing left to send.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.batches.is_empty()
    }

    /// The traces of the request to send next, by their positions among those that were given. Empty when there is none.
    #[must_use]
    pub fn next(&self) -> Range<usize> {
        self.batches.last().map(|batch| batch.traces.clone()).unwrap_or_default()
    }

    /// How many spans the next request has.
    #[must_use]
    pub fn next_spans(&self) -> u64 {
        self.next().map(|trace| self.pieces.spans(trace)).sum()
    }

    /// How long the next request is at most, in bytes before compression.
    #[must_use]
    pub fn next_bytes(&self) -> usize {
        self.next().map(|trace| self.pieces.request_bytes(trace)).sum()
    }

    /// The request to send next, if there is one. It stays the next until it is settled.
    pub fn request(&mut self) -> Option<Bytes> {
        let batch = self.batches.last_mut()?;
        let request = batch.request.get_or_insert_with(|| self.pieces.request(batch.traces.clone(), &self.encoding));
        Some(request.clone())
    }

    /// Takes the traces of the next request out: it is known what becomes of them.
    pub fn settle(&mut self) -> Range<usize> {
        self.batches.pop().map(|batch| batch.traces).unwrap_or_default()
    }

    /// Makes two requests of the next one, or says that it is a single trace.
    pub fn halve(&mut self) -> bool {
        let length = self.next().len();
        self.divide(length.div_ceil(2))
    }

    /// Has the first trace of the next request go alone.
    pub fn single_out(&mut self) {
        self.divide(1);
    }

    /// Has the next request go last.
    pub fn postpone(&mut self) {
        if let Some(batch) = self.batches.pop() {
            self.batches.insert(0, batch);
        }
    }

    /// Has the first so many traces of the next request go in one of their own. False when none are left over.
    fn divide(&mut self, first: usize) -> bool {
        let Some(batch) = self.batches.pop_if(|batch| batch.traces.len() > first) else { return false };
        let Range { start, end } = batch.traces;
        let middle = start + first;
        self.batches.extend([Batch::new(middle..end), Batch::new(start..middle)]);
        true
    }

    /// The positions of the traces that are still to be sent, among those that were given.
    pub fn unsettled(&self) -> impl Iterator<Item = usize> + '_ {
        self.batches.iter().rev().flat_map(|batch| batch.traces.clone())
    }
}

impl Batch {
    fn new(traces: Range<usize>) -> Self {
        Self { traces, request: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::{answered_call, scope, text};
    use crate::export::pieces::Format;

    fn prepared(traces: Vec<Trace>, request_bytes_max: usize) -> Prepared {
        prepared_as(Format::Protobuf, traces, request_bytes_max)
    }

    fn prepared_as(format: Format, traces: Vec<Trace>, request_bytes_max: usize) -> Prepared {
        Prepared::new(traces, Encoding::new(format, &scope()), request_bytes_max)
    }

    const FORMATS: [Format; 3] = [Format::Protobuf, Format::Json, Format::JsonLines];

    fn batches(prepared: &Prepared) -> Vec<Range<usize>> {
        prepared.batches.iter().rev().map(|batch| batch.traces.clone()).collect()
    }

    #[test]
    fn a_batch_is_filled_up_to_the_limit_and_not_a_byte_further() {
        for format in FORMATS {
            let prepared = |traces, bytes_max| prepared_as(format, traces, bytes_max);
            let size = prepared(vec![answered_call(1)], 0).pieces.request_bytes(0);
            let traces = || (1..=5).map(answered_call).collect::<Vec<_>>();
            assert_eq!(batches(&prepared(traces(), 2 * size)), [0..2, 2..4, 4..5]);
            assert_eq!(batches(&prepared(traces(), 2 * size - 1)), [0..1, 1..2, 2..3, 3..4, 4..5]);
        }
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
        for format in FORMATS {
            let mut prepared = prepared_as(format, traces.clone(), 10_000);
            let mut settled = 0;
            while let Some(request) = prepared.request() {
                assert!(request.len() <= 10_000 && request.len() <= prepared.next_bytes());
                settled += prepared.settle().len();
            }
            assert_eq!((settled, prepared.is_done()), (100, true));
        }
    }

    #[test]
    fn what_is_left_out_is_in_no_request() {
        for (kept, numbers) in [([true, true, true], vec![1, 2, 3]), ([false, true, false], vec![2])] {
            let mut prepared = prepared((1..=3).map(answered_call).collect(), usize::MAX).keep(&kept);
            let mut expected = self::prepared(numbers.into_iter().map(answered_call).collect(), usize::MAX);
            assert_eq!((prepared.next(), prepared.next_spans()), (expected.next(), expected.next_spans()));
            assert_eq!(prepared.request(), expected.request());
        }
        assert!(prepared(vec![answered_call(1)], usize::MAX).keep(&[false]).is_done());
    }

    #[test]
    fn a_trace_larger_than_the_limit_goes_alone() {
        assert_eq!(batches(&prepared(vec![answered_call(1), answered_call(2)], 1)), [0..1, 1..2]);
    }

    #[test]
    fn a_batch_is_halved_down_to_single_traces() {
        let mut prepared = prepared((1..=3).map(answered_call).collect(), usize::MAX);
        assert!(prepared.halve());
        assert_eq!(batches(&prepared), [0..2, 2..3]);
        assert!(prepared.halve());
        assert_eq!(batches(&prepared), [0..1, 1..2, 2..3]);
        assert!(!prepared.halve());
        assert_eq!(prepared.unsettled().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn a_trace_goes_alone_or_last() {
        let mut prepared = prepared((1..=3).map(answered_call).collect(), usize::MAX);
        assert_eq!((prepared.next(), prepared.next_spans()), (0..3, 12));
        prepared.single_out();
        prepared.single_out();
        assert_eq!(batches(&prepared), [0..1, 1..3]);
        prepared.postpone();
        assert_eq!(batches(&prepared), [1..3, 0..1]);
        assert_eq!((prepared.next_spans(), prepared.settle()), (8, 1..3));
    }

    #[test]
    fn a_request_is_made_once_however_often_it_is_sent() {
        let mut prepared = prepared(vec![answered_call(1)], usize::MAX);
        let [first, second] = [(); 2].map(|()| prepared.request().expect("a batch"));
        assert_eq!(first.as_ptr(), second.as_ptr());
    }

    #[test]
    fn the_default_limit_is_what_a_grpc_receiver_takes() {
        assert_eq!(REQUEST_BYTES_MAX_DEFAULT, 4_194_304);
    }
}
