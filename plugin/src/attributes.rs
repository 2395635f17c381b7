//! Every attribute the mapping can emit: its key, type, sensitivity and meaning, in one table. Units stand in the
//! description; a duration is in whole seconds.

use crate::bindings::{Attribute, AttributeDefinition, Value};
use crate::scalar::cut;

/// Declares the attributes: `Name = "key", type, sensitivity, "brief", ["example", …];`
macro_rules! attributes {
    ($($name:ident = $key:literal, $value_type:literal, $sensitivity:literal, $brief:literal, [$($example:literal),*];)*) => {
        /// An attribute, by its place in the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u32)]
        #[expect(clippy::enum_variant_names, reason = "IvrKey names the attribute of a key the caller pressed")]
        pub(crate) enum Key { $($name,)* }

        /// The table: key, type, sensitivity, brief, examples.
        const TABLE: &[(&str, &str, &str, &str, &[&str])] = &[$(($key, $value_type, $sensitivity, $brief, &[$($example),*]),)*];
    };
}

attributes! {
    // Resource
    ServiceName = "service.name", "text", "none", "The contact centre or, on a participant, the contact centre and its skill group.", ["tccc", "tccc/Billing"];
    CloudProvider = "cloud.provider", "text", "none", "Always tencent_cloud.", ["tencent_cloud"];
    AppId = "tccc.app.id", "text", "none", "The contact centre's application id (SdkAppId).", ["1400000001"];
    HostName = "host.name", "text", "none", "A constant name that the operator chose.", ["contact-centre"];
    // Session
    SessionId = "tccc.session.id", "text", "none", "The vendor's id of the session.", ["6c5a7e0c-0000-4000-8000-000000000001"];
    CallerNumber = "tccc.caller.number", "text", "phone", "The number that called.", ["008613800000000"];
    CalleeNumber = "tccc.callee.number", "text", "phone", "The number that was called.", ["0086400000000"];
    CallerProtectedId = "tccc.caller.protected_id", "text", "account", "Stands for the caller's number where the number is protected.", ["protected-1"];
    CalleeProtectedId = "tccc.callee.protected_id", "text", "account", "Stands for the callee's number where the number is protected.", ["protected-2"];
    CallDirection = "tccc.call.direction", "text", "none", "inbound, outbound or unknown.", ["inbound"];
    CallDirectionCode = "tccc.call.direction_code", "int", "none", "The vendor's number for a direction that is unknown.", ["7"];
    CallType = "tccc.call.type", "text", "none", "voice_outbound, voice_inbound, audio_inbound, predictive_dialing, internal or unknown.", ["voice_inbound"];
    CallTypeCode = "tccc.call.type_code", "int", "none", "The vendor's number for a call type that is unknown.", ["4"];
    SessionTalkDuration = "tccc.session.talk.duration", "int", "none", "Seconds from answer to end, as the vendor computed them.", ["95"];
    IvrDuration = "tccc.ivr.duration", "int", "none", "Seconds in the IVR, as the vendor computed them.", ["22"];
    SessionAnswered = "tccc.session.answered", "boolean", "none", "Whether somebody answered: the agent of an inbound call, the customer of an outbound one.", ["true"];
    SessionAnswerWait = "tccc.session.answer.wait", "int", "none", "Seconds from the queue, or else from the start, to the answer.", ["41"];
    QueueDuration = "tccc.queue.duration", "int", "none", "Seconds in the queue.", ["45"];
    HangupSide = "tccc.hangup.side", "text", "none", "Who hung up, as the vendor says it: user, seat, system.", ["user"];
    HangupReasonCode = "tccc.hangup.reason_code", "int", "none", "The vendor's number for the reason of a hang-up.", ["0"];
    HangupReason = "tccc.hangup.reason", "text", "none", "The vendor's text for the reason of a hang-up.", ["normal"];
    SessionEndStatus = "tccc.session.end_status", "text", "none", "The vendor's EndStatusString of the session.", ["ok"];
    SessionOutcome = "tccc.session.outcome", "text", "none", "What the end status means: completed, abandoned, agent_missed, transferred, unserved, unanswered, rejected, unreachable, cancelled, blocked, failed or unknown.", ["completed"];
    QueueSkillGroupId = "tccc.queue.skill_group.id", "text", "none", "The skill group in whose queue the call waited.", ["2734"];
    QueueSkillGroupName = "tccc.queue.skill_group.name", "text", "none", "The name of that skill group.", ["Sales"];
    SkillGroupId = "tccc.skill_group.id", "text", "none", "The skill group of the session or of the participant.", ["2734"];
    SkillGroupName = "tccc.skill_group.name", "text", "none", "The name of that skill group.", ["Sales"];
    SkillGroupPriority = "tccc.skill_group.priority", "int", "none", "The priority with which the skill group assigned the call.", ["0"];
    AgentId = "tccc.agent.id", "text", "account", "The user id of the session's last agent.", ["agent-17"];
    AgentMail = "tccc.agent.mail", "text", "email", "The agent's mail address.", ["agent@example.com"];
    AgentName = "tccc.agent.name", "text", "name", "The agent's name.", ["Robin Example"];
    AgentNick = "tccc.agent.nick", "text", "name", "The agent's nickname.", ["Rob"];
    AgentPhone = "tccc.agent.phone", "text", "phone", "The agent's or the external line's number.", ["008613800000001"];
    AgentStaffNumber = "tccc.agent.staff_number", "text", "account", "The agent's staff number.", ["8546"];
    AgentExtension = "tccc.agent.extension", "text", "account", "The agent's extension.", ["1001"];
    AgentSkillGroups = "tccc.agent.skill_groups", "texts", "none", "The skill groups the agent belongs to.", ["Sales"];
    CallerLocation = "tccc.caller.location", "text", "place", "Where the caller's number belongs.", ["Guizhou Anshun"];
    NumberValue = "tccc.number.value", "text", "phone", "The number whose place is given.", ["008613800000000"];
    NumberCountry = "tccc.number.country", "text", "none", "Its country.", ["China"];
    NumberProvince = "tccc.number.province", "text", "none", "Its province.", ["Guizhou"];
    NumberOperator = "tccc.number.operator", "text", "none", "Its carrier.", ["mobile"];
    NumberCity = "tccc.number.city", "text", "place", "Its city.", ["Anshun"];
    IvrKeys = "tccc.ivr.keys", "texts", "keypad", "The keys the caller pressed in the IVR.", ["1"];
    IvrLabels = "tccc.ivr.labels", "texts", "none", "What those keys stand for, one label for each key.", ["sales"];
    IvrKeyCount = "tccc.ivr.key_count", "int", "none", "How many keys the caller pressed in the IVR.", ["1"];
    SurveyKeys = "tccc.survey.keys", "texts", "keypad", "The keys the caller pressed in the survey after the call.", ["1"];
    SurveyLabels = "tccc.survey.labels", "texts", "none", "What those keys stand for, one label for each key.", ["very satisfied"];
    SurveyKey = "tccc.survey.key", "text", "keypad", "The first of those keys.", ["1"];
    RecordingId = "tccc.recording.id", "text", "none", "The id of the recording; its URL is never exported.", ["dbe87035-0000-4000-8000-000000000001"];
    Remark = "tccc.remark", "text", "free-text", "What the agent noted.", ["call back on Monday"];
    Uui = "tccc.uui", "text", "free-text", "What the customer's own system attached to the call.", ["order 7"];
    AiAgentId = "tccc.ai_agent.id", "text", "none", "The AI agent that took the call.", ["12"];
    AiAgentName = "tccc.ai_agent.name", "text", "none", "The AI agent's name.", ["Reception"];
    VoicemailCount = "tccc.voicemail.count", "int", "none", "How many voicemails the caller left; their URLs are never exported.", ["1"];
    AsrStatus = "tccc.asr.status", "text", "none", "The state of the transcript; its URL is never exported.", ["Complete"];
    ParticipantCount = "tccc.participant.count", "int", "none", "How many participants the record lists, those beyond the limit included.", ["2"];
    TransferCount = "tccc.transfer.count", "int", "none", "How many participants came by a transfer.", ["1"];
    UnknownFieldCount = "tccc.unknown_field.count", "int", "none", "How many fields of the record the mapping does not know.", ["3"];
    AnomalyCodes = "tccc.anomalies", "texts", "none", "What is odd about the record, by code.", ["duration_mismatch"];
    AnomalyCount = "tccc.anomaly.count", "int", "none", "How many codes there are.", ["1"];
    ErrorType = "error.type", "text", "none", "The end status, where it is an error.", ["seatGiveUp"];
    // Participant
    ParticipantSequence = "tccc.participant.sequence", "int", "none", "The participant's number in the session, from 0.", ["0"];
    ParticipantType = "tccc.participant.type", "text", "none", "Through what the participant took part, as the vendor says it.", ["staffSeat"];
    ParticipantEndStatus = "tccc.participant.end_status", "text", "none", "The vendor's EndStatusString of the participant.", ["ok"];
    ParticipantOutcome = "tccc.participant.outcome", "text", "none", "What that end status means.", ["completed"];
    ParticipantAnswered = "tccc.participant.answered", "boolean", "none", "Whether the participant answered.", ["true"];
    ParticipantRingDuration = "tccc.participant.ring.duration", "int", "none", "Seconds from ring to answer.", ["5"];
    ParticipantTalkDuration = "tccc.participant.talk.duration", "int", "none", "Seconds from answer to end.", ["90"];
    TransferFrom = "tccc.transfer.from", "text", "account", "Who transferred the call to this participant.", ["agent-17"];
    TransferTo = "tccc.transfer.to", "text", "account", "To whom this participant transferred the call.", ["Billing"];
    TransferFromType = "tccc.transfer.from.type", "text", "none", "Of what kind the source of the transfer is.", ["staffSeat"];
    TransferToType = "tccc.transfer.to.type", "text", "none", "Of what kind the destination of the transfer is.", ["skillGroup"];
    TransferFromSequence = "tccc.transfer.from.sequence", "int", "none", "The number of the participant that the link leads to, for backends that drop the attributes of links.", ["0"];
    // Links and events
    LinkType = "tccc.link.type", "text", "none", "Always transfer.", ["transfer"];
    Leg = "tccc.leg", "text", "none", "Whose phone it was: agent or customer.", ["agent"];
    IvrKey = "tccc.ivr.key", "text", "keypad", "The key the caller pressed at this moment.", ["1"];
    IvrLabel = "tccc.ivr.label", "text", "none", "What that key stands for.", ["sales"];
}

/// The table, as the description of the plugin states it.
pub(crate) fn definitions() -> Vec<AttributeDefinition> {
    let definition = |(key, value_type, sensitivity, brief, examples): &(&str, &str, &str, &str, &[&str])| {
        let examples = examples.iter().map(|example| (*example).to_owned()).collect();
        AttributeDefinition {
            key: (*key).to_owned(),
            value_type: (*value_type).to_owned(),
            sensitivity: (*sensitivity).to_owned(),
            brief: (*brief).to_owned(),
            examples,
        }
    };
    TABLE.iter().map(definition).collect()
}

/// A list of attributes in the making. What is absent is left out.
#[derive(Debug)]
pub(crate) struct Attributes {
    list: Vec<Attribute>,
    text_bytes_max: usize,
}

impl Attributes {
    pub(crate) fn with_capacity(capacity: usize, text_bytes_max: usize) -> Self {
        Attributes { list: Vec::with_capacity(capacity), text_bytes_max }
    }

    pub(crate) fn text(&mut self, key: Key, text: Option<&str>) {
        if let Some(text) = text {
            let text = cut(text, self.text_bytes_max).to_owned();
            self.push(key, Value::Text(text));
        }
    }

    pub(crate) fn texts<'t>(&mut self, key: Key, texts: impl IntoIterator<Item = &'t str>) {
        let texts: Vec<String> = texts.into_iter().map(|text| cut(text, self.text_bytes_max).to_owned()).collect();
        if !texts.is_empty() {
            self.push(key, Value::Texts(texts));
        }
    }

    pub(crate) fn int(&mut self, key: Key, number: Option<i64>) {
        if let Some(number) = number {
            self.push(key, Value::Int(number));
        }
    }

    pub(crate) fn boolean(&mut self, key: Key, truth: bool) {
        self.push(key, Value::Boolean(truth));
    }

    /// A number that identifies something, as text.
    pub(crate) fn id(&mut self, key: Key, id: Option<i64>) {
        if let Some(id) = id {
            self.push(key, Value::Text(id.to_string()));
        }
    }

    pub(crate) fn into_list(self) -> Vec<Attribute> {
        self.list
    }

    fn push(&mut self, key: Key, value: Value) {
        self.list.push(Attribute { key: key as u32, value });
    }
}

/// A list that holds one constant text.
pub(crate) fn constant(key: Key, text: &str) -> Vec<Attribute> {
    vec![Attribute { key: key as u32, value: Value::Text(text.to_owned()) }]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_key_is_declared_once_with_a_meaning() {
        let definitions = definitions();
        let keys: BTreeSet<&str> = definitions.iter().map(|definition| definition.key.as_str()).collect();
        assert_eq!(keys.len(), definitions.len());
        for definition in &definitions {
            assert!(definition.brief.ends_with('.') && !definition.examples.is_empty(), "{}", definition.key);
        }
    }
}
