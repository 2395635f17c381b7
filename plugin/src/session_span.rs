//! The root span: the session as the customer lived it.

use crate::anomalies::{Anomalies, Anomaly};
use crate::attributes::{Attributes, Key};
use crate::bindings::{Event, Span, SpanStatus};
use crate::call_kind::{CallType, Direction};
use crate::description::EventName;
use crate::end_status::Outcome;
use crate::facts::{Bounds, Facts, Times};
use crate::options::{Errors, Options};
use crate::phase_span::Phase;
use crate::pressed_keys::PressedKeys;
use crate::record::{SeatUser, Session, TelLocation, Texts};
use crate::resources;
use crate::timestamp::Time;

/// The finished root. Takes the anomalies last, once all that could find one has run.
pub(crate) fn span(
    session: &Session<'_>,
    facts: &Facts<'_>,
    bounds: Bounds,
    queue: Option<Phase>,
    transfer_count: usize,
    mut anomalies: Anomalies,
    options: &Options,
) -> Span {
    let anomalies = &mut anomalies;
    session.names.report(anomalies);
    let outcome = Outcome::of(facts.end_status);
    let status = status(outcome, options.errors);
    let ivr_keys = PressedKeys::read(
        (&session.ivr_keys_ex, "IVRKeyPressedEx"),
        (&session.ivr_keys, "IVRKeyPressed"),
        options.limits.ivr_keys_max,
        true,
        anomalies,
    );
    let mut attributes = Attributes::with_capacity(48, options.limits.text_bytes_max);

    attributes.text(Key::SessionId, Some(facts.session_id));
    add_parties(&mut attributes, session, facts, anomalies);
    add_times(&mut attributes, session, facts, queue, anomalies);
    add_end(&mut attributes, session, facts, outcome, anomalies);
    add_skill_groups(&mut attributes, session, facts, anomalies);
    if let Some(seat_user) = session.seat_user.present("SeatUser", anomalies) {
        add_agent(&mut attributes, seat_user, anomalies);
    }
    attributes.text(Key::CallerLocation, session.caller_location.get().text("CallerLocation", anomalies));
    if let Some(location) = session.tel_location.present("TelLocation", anomalies) {
        add_number(&mut attributes, location, anomalies);
    }
    add_ivr_keys(&mut attributes, &ivr_keys);
    add_survey_keys(&mut attributes, session, options, anomalies);
    add_extras(&mut attributes, session, anomalies);

    let participants = session.participants.present("ServeParticipants", anomalies);
    attributes
        .int(Key::ParticipantCount, Some(participants.map_or(0, |participants| count(participants.object_count))));
    attributes.int(Key::TransferCount, Some(count(transfer_count)));
    if status == SpanStatus::Error {
        attributes.text(Key::ErrorType, facts.end_status);
    }
    let events = events(facts, &ivr_keys, options);
    add_anomalies(&mut attributes, std::mem::take(anomalies));

    Span {
        key: "session".to_owned(),
        parent: None,
        resource: resources::SESSION,
        name: facts.kind.span_name() as u32,
        kind: facts.kind.span_kind(),
        start_unix_nano: bounds.start.unix_nano(),
        end_unix_nano: bounds.end_unix_nano(),
        status,
        attributes: attributes.into_list(),
        events,
        links: Vec::new(),
    }
}

/// A missed call is an error of the participant that missed it, never of the session, which went on.
fn status(outcome: Outcome, errors: Errors) -> SpanStatus {
    let is_error = match errors {
        Errors::Faults => outcome == Outcome::Failed,
        Errors::NotConnected => outcome == Outcome::Failed || outcome.is_not_connected(),
        Errors::None => false,
    };
    if is_error { SpanStatus::Error } else { SpanStatus::Unset }
}

fn add_parties(attributes: &mut Attributes, session: &Session<'_>, facts: &Facts<'_>, anomalies: &mut Anomalies) {
    attributes.text(Key::CallerNumber, session.caller.get().text("Caller", anomalies));
    attributes.text(Key::CalleeNumber, session.callee.get().text("Callee", anomalies));
    attributes.text(Key::CallerProtectedId, session.protected_caller.get().text("ProtectedCaller", anomalies));
    attributes.text(Key::CalleeProtectedId, session.protected_callee.get().text("ProtectedCallee", anomalies));
    attributes.text(Key::CallDirection, facts.direction.map(Direction::as_str));
    if let Some(Direction::Unknown(code)) = facts.direction {
        attributes.int(Key::CallDirectionCode, Some(code));
    }
    attributes.text(Key::CallType, facts.call_type.map(CallType::as_str));
    if let Some(CallType::Unknown(code)) = facts.call_type {
        attributes.int(Key::CallTypeCode, Some(code));
    }
}

fn add_times(
    attributes: &mut Attributes,
    session: &Session<'_>,
    facts: &Facts<'_>,
    queue: Option<Phase>,
    anomalies: &mut Anomalies,
) {
    let Times { start, accept, queued, ended, .. } = facts.times;
    let duration = session.duration.get().integer("Duration", anomalies);
    let ivr_duration = session.ivr_duration.get().integer("IVRDuration", anomalies);
    let talked = match (accept, ended) {
        (Some(accept), Some(ended)) => Some(ended.seconds_since(accept)),
        (None, _) => Some(0),
        (Some(_), None) => None,
    };
    if differ(duration, talked) {
        anomalies.add(Anomaly::DurationMismatch);
    }
    if differ(ivr_duration, queued.zip(start).map(|(queued, start)| queued.seconds_since(start))) {
        anomalies.add(Anomaly::IvrDurationMismatch);
    }
    let waited_from = if facts.kind.is_inbound() { queued.or(start) } else { start };
    attributes.int(Key::SessionTalkDuration, duration);
    attributes.int(Key::IvrDuration, ivr_duration);
    attributes.boolean(Key::SessionAnswered, accept.is_some());
    attributes
        .int(Key::SessionAnswerWait, accept.zip(waited_from).and_then(|(accept, from)| accept.seconds_after(from)));
    attributes.int(Key::QueueDuration, queue.map(|queue| queue.seconds()));
}

/// Whether both are known and are not the same.
fn differ(said: Option<i64>, computed: Option<i64>) -> bool {
    said.zip(computed).is_some_and(|(said, computed)| said != computed)
}

fn add_end(
    attributes: &mut Attributes,
    session: &Session<'_>,
    facts: &Facts<'_>,
    outcome: Outcome,
    anomalies: &mut Anomalies,
) {
    attributes.text(Key::HangupSide, session.hung_up_side.get().text("HungUpSide", anomalies));
    attributes.int(Key::HangupReasonCode, session.hangup_reason.get().integer("SysHangupReason", anomalies));
    attributes.text(Key::HangupReason, session.hangup_reason_text.get().text("SysHangupReasonString", anomalies));
    attributes.text(Key::SessionEndStatus, facts.end_status);
    attributes.text(Key::SessionOutcome, Some(outcome.as_str()));
}

/// On an outbound call that was never queued, the queue's skill group is no queue: it is the group that was chosen for
/// the number, and gives way to what the record names as the session's own.
fn add_skill_groups(attributes: &mut Attributes, session: &Session<'_>, facts: &Facts<'_>, anomalies: &mut Anomalies) {
    let queue_id = session.queued_skill_group_id.get().numeric_id("QueuedSkillGroupId", anomalies);
    let queue_name = session.queued_skill_group_name.get().text("QueuedSkillGroupName", anomalies);
    let id = session.skill_group_id.get().numeric_id("SkillGroupId", anomalies);
    let name = session.skill_group.get().text("SkillGroup", anomalies);
    if facts.kind.is_outbound() && facts.times.queued.is_none() {
        attributes.id(Key::SkillGroupId, id.or(queue_id));
        attributes.text(Key::SkillGroupName, name.or(queue_name));
    } else {
        attributes.id(Key::QueueSkillGroupId, queue_id);
        attributes.text(Key::QueueSkillGroupName, queue_name);
        attributes.id(Key::SkillGroupId, id);
        attributes.text(Key::SkillGroupName, name);
    }
}

fn add_agent(attributes: &mut Attributes, seat_user: &SeatUser<'_>, anomalies: &mut Anomalies) {
    seat_user.names.report(anomalies);
    attributes.text(Key::AgentId, seat_user.user_id.get().text("UserId", anomalies));
    attributes.text(Key::AgentMail, seat_user.mail.get().text("Mail", anomalies));
    attributes.text(Key::AgentName, seat_user.name.get().text("Name", anomalies));
    attributes.text(Key::AgentNick, seat_user.nick.get().text("Nick", anomalies));
    attributes.text(Key::AgentPhone, seat_user.phone.get().text("Phone", anomalies));
    attributes.text(Key::AgentStaffNumber, seat_user.staff_number.get().text("StaffNumber", anomalies));
    attributes.text(Key::AgentExtension, seat_user.extension.get().text("ExtensionNumber", anomalies));
    if let Some(groups) = seat_user.skill_groups.present("SkillGroupNameList", anomalies) {
        note_wrong_elements(groups, "SkillGroupNameList", anomalies);
        attributes.texts(Key::AgentSkillGroups, groups.list.iter().copied());
    }
}

fn add_number(attributes: &mut Attributes, location: &TelLocation<'_>, anomalies: &mut Anomalies) {
    location.names.report(anomalies);
    attributes.text(Key::NumberValue, location.number.get().text("TelNumber", anomalies));
    attributes.text(Key::NumberCountry, location.country.get().text("Country", anomalies));
    attributes.text(Key::NumberProvince, location.province.get().text("Province", anomalies));
    attributes.text(Key::NumberOperator, location.operator.get().text("Operator", anomalies));
    attributes.text(Key::NumberCity, location.city.get().text("City", anomalies));
}

/// Keys that all have their own times are events alone; otherwise the lists hold them all.
fn add_ivr_keys(attributes: &mut Attributes, ivr_keys: &PressedKeys<'_>) {
    if ivr_keys.count == 0 {
        return;
    }
    if !ivr_keys.have_all_times() {
        attributes.texts(Key::IvrKeys, ivr_keys.keys());
        attributes.texts(Key::IvrLabels, ivr_keys.labels());
    }
    attributes.int(Key::IvrKeyCount, Some(count(ivr_keys.count)));
}

fn add_survey_keys(attributes: &mut Attributes, session: &Session<'_>, options: &Options, anomalies: &mut Anomalies) {
    let lists = ((&session.survey_keys_ex, "PostIVRKeyPressedEx"), (&session.survey_keys, "PostIVRKeyPressed"));
    let survey_keys = PressedKeys::read(lists.0, lists.1, options.limits.ivr_keys_max, false, anomalies);
    attributes.texts(Key::SurveyKeys, survey_keys.keys());
    attributes.texts(Key::SurveyLabels, survey_keys.labels());
    attributes.text(Key::SurveyKey, survey_keys.keys().next());
}

fn add_extras(attributes: &mut Attributes, session: &Session<'_>, anomalies: &mut Anomalies) {
    let user_remark = session.user_remark.get().text("UserRemark", anomalies);
    let remark = session.remark.get().text("Remark", anomalies);
    attributes.text(Key::RecordingId, session.record_id.get().text("RecordId", anomalies));
    attributes.text(Key::Remark, user_remark.or(remark));
    attributes.text(Key::Uui, uui(session, anomalies));
    attributes.text(Key::AiAgentId, session.ai_agent_id.get().text("AIAgentId", anomalies).filter(|id| *id != "0"));
    attributes.text(Key::AiAgentName, session.ai_agent_name.get().text("AIAgentName", anomalies));
    let recordings =
        voicemails(session.voicemail_urls.present("VoicemailRecordURL", anomalies), "VoicemailRecordURL", anomalies);
    let transcripts =
        voicemails(session.voicemail_asr_urls.present("VoicemailAsrURL", anomalies), "VoicemailAsrURL", anomalies);
    attributes.int(Key::VoicemailCount, recordings.max(transcripts));
    attributes.text(Key::AsrStatus, session.asr_status.get().text("AsrStatus", anomalies));
}

/// The vendor spells this field in two ways; whichever holds something counts.
fn uui<'a>(session: &Session<'a>, anomalies: &mut Anomalies) -> Option<&'a str> {
    let lower = session.uui.get().text("Uui", anomalies);
    let upper = session.uui_upper.get().text("UUI", anomalies);
    if session.uui_upper.is_exact() && !session.uui.is_exact() { upper } else { lower.or(upper) }
}

/// How many there are; none when the list is empty.
fn voicemails(urls: Option<&Texts<'_>>, field: &'static str, anomalies: &mut Anomalies) -> Option<i64> {
    let urls = urls?;
    note_wrong_elements(urls, field, anomalies);
    (!urls.list.is_empty()).then(|| count(urls.list.len()))
}

fn note_wrong_elements(texts: &Texts<'_>, field: &'static str, anomalies: &mut Anomalies) {
    if texts.has_wrong_element {
        anomalies.type_mismatch(field);
    }
}

fn add_anomalies(attributes: &mut Attributes, anomalies: Anomalies) {
    attributes.int(Key::UnknownFieldCount, Some(anomalies.unknown_field_count()).filter(|count| *count > 0));
    let codes = anomalies.into_codes();
    attributes.texts(Key::AnomalyCodes, codes.iter().map(String::as_str));
    attributes.int(Key::AnomalyCount, Some(count(codes.len())).filter(|count| *count > 0));
}

/// In the order of their times; at equal times as [`EventName`] orders them.
fn events(facts: &Facts<'_>, ivr_keys: &PressedKeys<'_>, options: &Options) -> Vec<Event> {
    let event = |name: EventName, time: Time, attributes: Attributes| (time, name, attributes.into_list());
    let none = || Attributes::with_capacity(0, options.limits.text_bytes_max);
    let leg = || {
        let mut attributes = none();
        attributes.text(Key::Leg, facts.kind.leg());
        attributes
    };
    let mut events = Vec::new();
    for pressed in &ivr_keys.keys {
        let Some(time) = pressed.time else { continue };
        let mut attributes = none();
        attributes.text(Key::IvrKey, Some(pressed.key));
        attributes.text(Key::IvrLabel, pressed.label);
        events.push(event(EventName::IvrKey, time, attributes));
    }
    events.extend(facts.times.queued.map(|time| event(EventName::QueueEnter, time, none())));
    events.extend(facts.times.ring.map(|time| event(EventName::Ring, time, leg())));
    events.extend(facts.times.accept.map(|time| event(EventName::Answer, time, leg())));
    events.sort_by_key(|(time, name, _)| (*time, *name));
    events
        .into_iter()
        .map(|(time, name, attributes)| Event { name: name as u32, time_unix_nano: time.unix_nano(), attributes })
        .collect()
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
