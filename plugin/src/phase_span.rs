//! What a session went through before anybody served it: the IVR and the queue. Only the vendor's own times count here;
//! where an end is not known, there is no phase.

use crate::bindings::{Span, SpanKind, SpanReference, SpanStatus};
use crate::description::SpanName;
use crate::end_status::ended_in_ivr;
use crate::facts::Facts;
use crate::participant_span::Participant;
use crate::resources;
use crate::timestamp::Time;

/// A phase that took some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phase {
    name: SpanName,
    start: Time,
    end: Time,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Phases {
    ivr: Option<Phase>,
    pub(crate) queue: Option<Phase>,
}

impl Phase {
    fn new(name: SpanName, start: Time, end: Time) -> Option<Self> {
        (start < end).then_some(Phase { name, start, end })
    }

    /// Its length, rounded down.
    pub(crate) fn seconds(self) -> i64 {
        self.end.seconds_since(self.start)
    }
}

impl Phases {
    pub(crate) fn iter(&self) -> std::vec::IntoIter<Phase> {
        self.ivr.into_iter().chain(self.queue).collect::<Vec<_>>().into_iter()
    }
}

pub(crate) fn phases(facts: &Facts<'_>, participants: &[Participant<'_>]) -> Phases {
    Phases { ivr: ivr(facts), queue: queue(facts, participants) }
}

/// From the start to the queue; where the caller never came to a queue, to the end, if the record says that it ended in
/// the IVR.
fn ivr(facts: &Facts<'_>) -> Option<Phase> {
    let end = match facts.times.queued {
        Some(queued) => queued,
        None => facts.times.ended.filter(|_| ended_in_ivr(facts.end_status))?,
    };
    Phase::new(SpanName::Ivr, facts.times.start?, end)
}

/// From the queue to whatever came first after it: an agent's start or ring, the session's ring, or the end.
fn queue(facts: &Facts<'_>, participants: &[Participant<'_>]) -> Option<Phase> {
    let queued = facts.times.queued?;
    let served = participants.iter().flat_map(|participant| [participant.times.start, participant.times.ring]);
    let end = served.chain([facts.times.ring, facts.times.ended]).flatten().filter(|time| *time >= queued).min()?;
    Phase::new(SpanName::Queue, queued, end)
}

pub(crate) fn span(phase: Phase) -> Span {
    Span {
        key: if phase.name == SpanName::Ivr { "phase/ivr" } else { "phase/queue" }.to_owned(),
        parent: Some(SpanReference::Local(0)),
        resource: resources::SESSION,
        name: phase.name as u32,
        kind: SpanKind::Internal,
        start_unix_nano: phase.start.unix_nano(),
        end_unix_nano: phase.end.unix_nano(),
        status: SpanStatus::Unset,
        attributes: Vec::new(),
        events: Vec::new(),
        links: Vec::new(),
    }
}
