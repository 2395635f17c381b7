//! Maps call detail records of Tencent Cloud Contact Center to traces: one trace for each session, a span for each
//! participant.
//!
//! A pure function from bytes to a trace. It knows no clock, no randomness, no environment and no identifiers: it names
//! spans, the host derives ids from the names. The same code runs natively, in tests and benchmarks, and as a
//! WebAssembly component behind the contract in `wit/`.
//!
//! ```text
//! bytes ─ json ─▶ record ─┬─▶ session_span ──────┐
//!                         ├─▶ phase_span ────────┤
//!                         └─▶ participant_span ──┴─▶ trace
//!                               └─ transfers
//! ```

pub mod bindings;

#[cfg(target_family = "wasm")]
mod allocator;
mod anomalies;
mod attributes;
mod call_kind;
mod description;
mod end_status;
mod facts;
mod json;
mod options;
mod participant_span;
mod phase_span;
mod pressed_keys;
mod record;
mod refusal;
mod resources;
mod scalar;
mod session_span;
mod timestamp;
mod transfers;

pub use description::description;
pub use options::Options;

use anomalies::Anomalies;
use bindings::{Outcome, Trace};
use bumpalo::Bump;
use json::Reader;
use record::{Session, Structure};
use refusal::{Place, Refusal};

/// The mapping under one set of options.
#[derive(Clone, Debug, Default)]
pub struct Mapping {
    options: Options,
}

impl Mapping {
    /// The mapping as the options want it.
    pub fn new(options: Options) -> Self {
        Mapping { options }
    }

    /// Maps one record. Any bytes whatsoever give a trace or a refusal; none makes it panic.
    pub fn map(&self, body: &[u8]) -> Outcome {
        match self.trace(body) {
            Ok(trace) => Outcome::Trace(trace),
            Err(refusal) => Outcome::Rejected(refusal.into()),
        }
    }

    /// Reads one record without mapping it, and says whether it could be read: so that the reading can be measured
    /// alone.
    #[doc(hidden)]
    pub fn reads(&self, body: &[u8]) -> bool {
        let arena = Bump::new();
        std::str::from_utf8(body).is_ok_and(|text| matches!(read(text, &self.options.limits, &arena), Ok(Some(_))))
    }

    fn trace(&self, body: &[u8]) -> Result<Trace, Refusal> {
        let limits = &self.options.limits;
        if body.len() > limits.body_bytes_max {
            return Err(Refusal::BodyTooLarge { limit: limits.body_bytes_max });
        }
        let text = std::str::from_utf8(body)
            .map_err(|error| Refusal::InvalidUtf8 { place: Place::of(body, error.valid_up_to()) })?;
        let (text, text_start) = match text.strip_prefix('\u{feff}') {
            Some(rest) => (rest, body.len() - rest.len()),
            None => (text, 0),
        };
        let arena = Bump::new();
        let session = read(text, limits, &arena)
            .map_err(|malformed| Refusal::malformed(malformed, body, text_start, limits.depth_max))?;
        let session = session.ok_or(Refusal::NotAnObject)?;
        self.session_trace(&session)
    }

    fn session_trace(&self, session: &Session<'_>) -> Result<Trace, Refusal> {
        let mut anomalies = Anomalies::default();
        let mut resources = resources::Resources::new(&self.options);
        let facts = facts::Facts::read(session, &self.options, &mut anomalies)?;
        let mut participants = participant_span::read_all(session, &self.options, &mut anomalies);
        let bounds = facts.bounds(&participants, &mut anomalies)?;
        transfers::link(&mut participants);
        let phases = phase_span::phases(&facts, &participants);

        let first_participant = 1 + if self.options.phases { phases.iter().len() } else { 0 };
        let participant_spans = participant_span::spans(
            &participants,
            &bounds,
            first_participant,
            &mut resources,
            &self.options,
            &mut anomalies,
        );
        let transfer_count = participants.iter().filter(|participant| participant.is_transferred()).count();
        let mut spans =
            vec![session_span::span(session, &facts, bounds, phases.queue, transfer_count, anomalies, &self.options)];
        if self.options.phases {
            spans.extend(phases.iter().map(phase_span::span));
        }
        spans.extend(participant_spans);
        Ok(Trace { key: facts.trace_key(), revision: 0, resources: resources.into_list(facts.app_id), spans })
    }
}

/// The session a text holds; none if it holds something else.
fn read<'a>(
    text: &'a str,
    limits: &'a options::Limits,
    arena: &'a Bump,
) -> Result<Option<Session<'a>>, json::Malformed> {
    let mut reader = Reader::new(text, limits, arena);
    let opening = reader.token()?;
    let session = Session::read(opening, &mut reader)?;
    reader.finish()?;
    Ok(session)
}
