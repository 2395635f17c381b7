//! Why a record whose trace a backend did not take, or not whole, is kept as a dead letter. The backend's own words are
//! in the log.

use crate::record::Rejection;

/// The code of a trace that the backend refused for good.
pub(super) const REFUSED: &str = "backend_refused";

pub(super) fn refused() -> Rejection {
    backend("backend", REFUSED, "the backend refused the trace for good; the log of callspan has its reason".to_owned())
}

pub(super) fn too_large(bytes: usize) -> Rejection {
    let message = format!("the trace is too large for the backend: {bytes} bytes before compression");
    backend("backend", "trace_too_large", message)
}

pub(super) fn partly_refused(rejected_spans: u64, spans: u64) -> Rejection {
    let message = format!("the backend took a request with this trace, but for {rejected_spans} of its {spans} spans");
    backend("partially_refused", "spans_rejected", message)
}

fn backend(class: &str, code: &str, message: String) -> Rejection {
    Rejection { class: class.to_owned(), code: code.to_owned(), path: None, message, position: None }
}
