//! A participant's span: one stretch of service by one agent or external line.

use crate::anomalies::{Anomalies, Anomaly};
use crate::attributes::{Attributes, Key, constant};
use crate::bindings::{Event, Link, Span, SpanKind, SpanReference, SpanStatus};
use crate::description::{EventName, SpanName};
use crate::end_status::Outcome;
use crate::facts::Bounds;
use crate::options::{Errors, Options};
use crate::record::{self, Session};
use crate::resources::Resources;
use crate::scalar::cut;
use crate::timestamp::Time;
use std::collections::BTreeSet;

/// A participant, interpreted. A list of them stands in the order of their spans.
#[derive(Debug)]
pub(crate) struct Participant<'a> {
    /// Its place in the array of the record.
    index: usize,
    /// The vendor's number of it, as it was given.
    sequence: Option<i64>,
    key: String,
    kind: Option<&'a str>,
    end_status: Option<&'a str>,
    pub(crate) times: Times,
    pub(crate) mail: Option<&'a str>,
    pub(crate) phone: Option<&'a str>,
    recording_id: Option<&'a str>,
    pub(crate) transfer_from: Option<&'a str>,
    pub(crate) transfer_from_type: Option<&'a str>,
    pub(crate) transfer_to: Option<&'a str>,
    transfer_to_type: Option<&'a str>,
    pub(crate) skill_group_id: Option<i64>,
    pub(crate) skill_group_name: Option<&'a str>,
    skill_group_priority: Option<i64>,
    /// Where in the list the participant stands that this one's call was transferred from.
    pub(crate) predecessor: Option<usize>,
}

/// The vendor's own times of a participant, where they are valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start: Option<Time>,
    pub(crate) ring: Option<Time>,
    pub(crate) accept: Option<Time>,
    pub(crate) ended: Option<Time>,
}

impl Times {
    pub(crate) fn all(self) -> [Option<Time>; 4] {
        [self.start, self.ring, self.accept, self.ended]
    }
}

/// Reads the participants and puts them in the order of their spans: by sequence, those without one last, and by place
/// in the array where that says nothing.
pub(crate) fn read_all<'a>(
    session: &Session<'a>,
    options: &Options,
    anomalies: &mut Anomalies,
) -> Vec<Participant<'a>> {
    let Some(list) = session.participants.present("ServeParticipants", anomalies) else { return Vec::new() };
    if list.has_wrong_element {
        anomalies.type_mismatch("ServeParticipants");
    }
    if list.is_truncated {
        anomalies.add(Anomaly::ParticipantsTruncated);
    }
    let mut participants: Vec<Participant<'a>> = list
        .list
        .iter()
        .map(|(index, participant)| Participant::read(*index, participant, options, anomalies))
        .collect();
    name_all(&mut participants, anomalies);
    participants.sort_by_key(|participant| (participant.sequence.is_none(), participant.sequence, participant.index));
    participants
}

/// Names each by its sequence, or all by their places if the sequence of one names nobody.
fn name_all(participants: &mut [Participant<'_>], anomalies: &mut Anomalies) {
    let sequences: BTreeSet<i64> = participants.iter().filter_map(Participant::usable_sequence).collect();
    let is_each_named = sequences.len() == participants.len();
    if !is_each_named {
        anomalies.add(Anomaly::SequenceInvalid);
    }
    for participant in participants {
        participant.key = match participant.sequence.filter(|_| is_each_named) {
            Some(sequence) => format!("participant/{sequence}"),
            None => format!("participant/#{}", participant.index),
        };
    }
}

impl<'a> Participant<'a> {
    fn read(index: usize, record: &record::Participant<'a>, options: &Options, anomalies: &mut Anomalies) -> Self {
        record.names.report(anomalies);
        Participant {
            index,
            sequence: record.sequence.get().integer("Sequence", anomalies),
            key: String::new(),
            kind: record.kind.get().text("Type", anomalies),
            end_status: record
                .end_status
                .get()
                .text("EndStatusString", anomalies)
                .map(|text| cut(text, options.limits.text_bytes_max)),
            times: Times {
                start: record.start.get().timestamp("StartTimestamp", anomalies),
                ring: record.ring.get().timestamp("RingTimestamp", anomalies),
                accept: record.accept.get().timestamp("AcceptTimestamp", anomalies),
                ended: record.ended.get().timestamp("EndedTimestamp", anomalies),
            },
            mail: record.mail.get().text("Mail", anomalies),
            phone: record.phone.get().text("Phone", anomalies),
            recording_id: record.record_id.get().text("RecordId", anomalies),
            transfer_from: record.transfer_from.get().text("TransferFrom", anomalies),
            transfer_from_type: record.transfer_from_type.get().text("TransferFromType", anomalies),
            transfer_to: record.transfer_to.get().text("TransferTo", anomalies),
            transfer_to_type: record.transfer_to_type.get().text("TransferToType", anomalies),
            skill_group_id: record.skill_group_id.get().numeric_id("SkillGroupId", anomalies),
            skill_group_name: record.skill_group_name.get().text("SkillGroupName", anomalies),
            skill_group_priority: record.skill_group_priority.get().integer("SkillGroupPriority", anomalies),
            predecessor: None,
        }
    }

    /// The vendor's number of it, unless that is negative. Another participant may have the same.
    fn usable_sequence(&self) -> Option<i64> {
        self.sequence.filter(|sequence| *sequence >= 0)
    }

    pub(crate) fn answered(&self) -> bool {
        self.times.accept.is_some()
    }

    pub(crate) fn is_transferred(&self) -> bool {
        self.predecessor.is_some()
    }

    fn bounds(&self, session: &Bounds, anomalies: &mut Anomalies) -> Bounds {
        let Times { start, ring, accept, ended } = self.times;
        let start = start.or(ring).or(accept).unwrap_or_else(|| {
            anomalies.add(Anomaly::ParticipantStartMissing);
            session.start
        });
        let bounds = Bounds::new(start, ended.unwrap_or(session.end), anomalies);
        if bounds.start < session.start || bounds.end > session.end {
            anomalies.add(Anomaly::ParticipantOutsideSession);
        }
        bounds
    }
}

/// The spans of all participants. `first_span` is where in the trace the first of them will stand.
pub(crate) fn spans(
    participants: &[Participant<'_>],
    session: &Bounds,
    first_span: usize,
    resources: &mut Resources<'_>,
    options: &Options,
    anomalies: &mut Anomalies,
) -> Vec<Span> {
    let span = |participant: &Participant<'_>| {
        let bounds = participant.bounds(session, anomalies);
        let predecessor = participant
            .predecessor
            .and_then(|place| participants.get(place).map(|predecessor| (first_span + place, predecessor)));
        span(participant, bounds, predecessor, resources.of_skill_group(participant.skill_group_name), options)
    };
    participants.iter().map(span).collect()
}

fn span(
    participant: &Participant<'_>,
    bounds: Bounds,
    predecessor: Option<(usize, &Participant<'_>)>,
    resource: u32,
    options: &Options,
) -> Span {
    let Times { ring, accept, ended, .. } = participant.times;
    let outcome = Outcome::of(participant.end_status);
    let status = status(outcome, options.errors);
    let mut attributes = Attributes::with_capacity(20, options.limits.text_bytes_max);
    attributes.int(Key::ParticipantSequence, participant.usable_sequence());
    attributes.text(Key::ParticipantType, participant.kind);
    attributes.text(Key::ParticipantEndStatus, participant.end_status);
    attributes.text(Key::ParticipantOutcome, Some(outcome.as_str()));
    attributes.boolean(Key::ParticipantAnswered, participant.answered());
    attributes
        .int(Key::ParticipantRingDuration, accept.zip(ring).and_then(|(accept, ring)| accept.seconds_after(ring)));
    attributes
        .int(Key::ParticipantTalkDuration, ended.zip(accept).and_then(|(ended, accept)| ended.seconds_after(accept)));
    attributes.text(Key::AgentMail, participant.mail);
    attributes.text(Key::AgentPhone, participant.phone);
    attributes.text(Key::RecordingId, participant.recording_id);
    attributes.text(Key::TransferFrom, participant.transfer_from);
    attributes.text(Key::TransferFromType, participant.transfer_from_type);
    attributes.text(Key::TransferTo, participant.transfer_to);
    attributes.text(Key::TransferToType, participant.transfer_to_type);
    attributes.int(Key::TransferFromSequence, predecessor.and_then(|(_, from)| from.usable_sequence()));
    attributes.id(Key::SkillGroupId, participant.skill_group_id);
    attributes.text(Key::SkillGroupName, participant.skill_group_name);
    attributes.int(Key::SkillGroupPriority, participant.skill_group_priority);
    if status == SpanStatus::Error {
        attributes.text(Key::ErrorType, participant.end_status);
    }
    Span {
        key: participant.key.clone(),
        parent: Some(SpanReference::Local(0)),
        resource,
        name: span_name(participant.kind) as u32,
        kind: SpanKind::Internal,
        start_unix_nano: bounds.start.unix_nano(),
        end_unix_nano: bounds.end_unix_nano(),
        status,
        attributes: attributes.into_list(),
        events: events(participant.times),
        links: predecessor.into_iter().map(|(place, _)| link(place)).collect(),
    }
}

/// The vendor's set of types is open, the set of span names is not.
fn span_name(kind: Option<&str>) -> SpanName {
    const KNOWN: [(&str, SpanName); 5] = [
        ("staffSeat", SpanName::ServeStaffSeat),
        ("staffPhoneSeat", SpanName::ServeStaffPhoneSeat),
        ("miniProgramSeat", SpanName::ServeMiniProgramSeat),
        ("outboundSeat", SpanName::ServeOutboundSeat),
        ("staffExtensionSeat", SpanName::ServeStaffExtensionSeat),
    ];
    let known = |kind: &str| KNOWN.iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
    kind.and_then(known).map_or(SpanName::ServeAgent, |(_, name)| *name)
}

fn status(outcome: Outcome, errors: Errors) -> SpanStatus {
    let is_fault = matches!(outcome, Outcome::Failed | Outcome::AgentMissed);
    let is_error = match errors {
        Errors::Faults => is_fault,
        Errors::NotConnected => is_fault || outcome.is_not_connected(),
        Errors::None => false,
    };
    if is_error { SpanStatus::Error } else { SpanStatus::Unset }
}

fn events(times: Times) -> Vec<Event> {
    let event = |name: EventName, time: Time| Event {
        name: name as u32,
        time_unix_nano: time.unix_nano(),
        attributes: constant(Key::Leg, "agent"),
    };
    let ring = times.ring.map(|time| event(EventName::Ring, time));
    let answer = times.accept.map(|time| event(EventName::Answer, time));
    let mut events: Vec<Event> = ring.into_iter().chain(answer).collect();
    events.sort_by_key(|event| event.time_unix_nano);
    events
}

fn link(place: usize) -> Link {
    let target = u32::try_from(place).unwrap_or_default();
    Link { target: SpanReference::Local(target), attributes: constant(Key::LinkType, "transfer") }
}
