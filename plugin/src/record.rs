//! The record as it was sent, read once and leniently: every known field under any spelling of its name, in any shape.
//! What the fields mean is decided where they are used.
//!
//! Names are matched exactly first, then without regard to ASCII case. The last of two fields of the same spelling
//! counts, an exact spelling before an inexact one, and of several inexact ones the first.

use crate::anomalies::{Anomalies, Anomaly};
use crate::json::{Malformed, Reader, Token};
use crate::scalar::{Scalar, is_blank};

type Read<T> = Result<T, Malformed>;

/// Something that can be read from a value, whatever its shape.
pub(crate) trait Value<'a>: Sized + Default {
    fn read(reader: &mut Reader<'a>) -> Read<Self>;
}

/// Something that needs an array or an object.
pub(crate) trait Structure<'a>: Sized {
    /// Reads on after the opening. None, with the value read over, if it needs the other kind of opening.
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>>;
}

/// A field of an object: its value, and whether it came under the exact name.
#[derive(Debug, Default)]
pub(crate) struct Field<V> {
    value: V,
    is_exact: bool,
}

/// A field for a structure. An absent one may also be null or blank text; a present one may also be JSON inside a text.
#[derive(Debug, Default)]
pub(crate) enum Nested<T> {
    #[default]
    Absent,
    WrongShape,
    Present(T),
}

/// A field that is known and deliberately not looked at.
#[derive(Debug, Default)]
pub(crate) struct Ignored;

/// What was noticed about the fields of one object.
#[derive(Debug, Default)]
pub(crate) struct Names<'a> {
    unknown_count: u32,
    has_duplicate: bool,
    /// Known names in other than their exact spelling, as they came.
    inexact: Vec<&'a str>,
}

/// Declares an object of the record: its fields with their names.
macro_rules! object {
    ($(#[$meta:meta])* $object:ident { $($field:ident: $kind:ty = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        pub(crate) struct $object<'a> {
            $(pub(crate) $field: Field<$kind>,)*
            pub(crate) names: Names<'a>,
        }

        impl<'a> $object<'a> {
            fn read_field(&mut self, name: &'a str, reader: &mut Reader<'a>) -> Read<()> {
                match name {
                    $($name => self.$field.set_exact(reader, &mut self.names),)*
                    $(_ if name.eq_ignore_ascii_case($name) => self.$field.set_inexact(name, reader, &mut self.names),)*
                    _ => {
                        self.names.unknown_count = self.names.unknown_count.saturating_add(1);
                        reader.skip()
                    }
                }
            }
        }

        impl<'a> Structure<'a> for $object<'a> {
            fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>> {
                if opening != Token::Object {
                    reader.skip_rest(opening)?;
                    return Ok(None);
                }
                let mut object = $object::default();
                let mut first = true;
                while let Some(name) = reader.member(&mut first)? {
                    object.read_field(name, reader)?;
                }
                Ok(Some(object))
            }
        }
    };
}

object! {
    /// The root: one session.
    Session {
        sdk_app_id: Scalar<'a> = "SdkAppId",
        session_id: Scalar<'a> = "SessionId",
        caller: Scalar<'a> = "Caller",
        callee: Scalar<'a> = "Callee",
        direction: Scalar<'a> = "Direction",
        call_type: Scalar<'a> = "CallType",
        duration: Scalar<'a> = "Duration",
        seat_user: Nested<SeatUser<'a>> = "SeatUser",
        caller_location: Scalar<'a> = "CallerLocation",
        ivr_duration: Scalar<'a> = "IVRDuration",
        ring: Scalar<'a> = "RingTimestamp",
        accept: Scalar<'a> = "AcceptTimestamp",
        ended: Scalar<'a> = "EndedTimestamp",
        start: Scalar<'a> = "StartTimestamp",
        ivr_keys: Nested<Keys<'a>> = "IVRKeyPressed",
        ivr_keys_ex: Nested<Keys<'a>> = "IVRKeyPressedEx",
        hung_up_side: Scalar<'a> = "HungUpSide",
        participants: Nested<Participants<'a>> = "ServeParticipants",
        end_status: Scalar<'a> = "EndStatusString",
        queued: Scalar<'a> = "QueuedTimestamp",
        survey_keys: Nested<Keys<'a>> = "PostIVRKeyPressed",
        survey_keys_ex: Nested<Keys<'a>> = "PostIVRKeyPressedEx",
        queued_skill_group_name: Scalar<'a> = "QueuedSkillGroupName",
        queued_skill_group_id: Scalar<'a> = "QueuedSkillGroupId",
        record_id: Scalar<'a> = "RecordId",
        user_remark: Scalar<'a> = "UserRemark",
        remark: Scalar<'a> = "Remark",
        uui: Scalar<'a> = "Uui",
        uui_upper: Scalar<'a> = "UUI",
        tel_location: Nested<TelLocation<'a>> = "TelLocation",
        skill_group: Scalar<'a> = "SkillGroup",
        skill_group_id: Scalar<'a> = "SkillGroupId",
        protected_caller: Scalar<'a> = "ProtectedCaller",
        protected_callee: Scalar<'a> = "ProtectedCallee",
        asr_status: Scalar<'a> = "AsrStatus",
        voicemail_urls: Nested<Texts<'a>> = "VoicemailRecordURL",
        ai_agent_id: Scalar<'a> = "AIAgentId",
        ai_agent_name: Scalar<'a> = "AIAgentName",
        hangup_reason: Scalar<'a> = "SysHangupReason",
        hangup_reason_text: Scalar<'a> = "SysHangupReasonString",
        time: Ignored = "Time",
        end_status_code: Ignored = "EndStatus",
        record_url: Ignored = "RecordURL",
        custom_record_url: Ignored = "CustomRecordURL",
        asr_url: Ignored = "AsrUrl",
        voicemail_asr_urls: Nested<Texts<'a>> = "VoicemailAsrURL",
    }
}

object! {
    /// The last agent of the session.
    SeatUser {
        mail: Scalar<'a> = "Mail",
        name: Scalar<'a> = "Name",
        nick: Scalar<'a> = "Nick",
        phone: Scalar<'a> = "Phone",
        user_id: Scalar<'a> = "UserId",
        staff_number: Scalar<'a> = "StaffNumber",
        skill_groups: Nested<Texts<'a>> = "SkillGroupNameList",
        extension: Scalar<'a> = "ExtensionNumber",
        role: Ignored = "Role",
    }
}

object! {
    /// One stretch of service by one agent or external line.
    Participant {
        mail: Scalar<'a> = "Mail",
        phone: Scalar<'a> = "Phone",
        ring: Scalar<'a> = "RingTimestamp",
        accept: Scalar<'a> = "AcceptTimestamp",
        ended: Scalar<'a> = "EndedTimestamp",
        record_id: Scalar<'a> = "RecordId",
        kind: Scalar<'a> = "Type",
        transfer_from: Scalar<'a> = "TransferFrom",
        transfer_from_type: Scalar<'a> = "TransferFromType",
        transfer_to: Scalar<'a> = "TransferTo",
        transfer_to_type: Scalar<'a> = "TransferToType",
        skill_group_id: Scalar<'a> = "SkillGroupId",
        end_status: Scalar<'a> = "EndStatusString",
        sequence: Scalar<'a> = "Sequence",
        start: Scalar<'a> = "StartTimestamp",
        skill_group_name: Scalar<'a> = "SkillGroupName",
        skill_group_priority: Scalar<'a> = "SkillGroupPriority",
        record_url: Ignored = "RecordURL",
        custom_record_url: Ignored = "CustomRecordURL",
    }
}

object! {
    /// Where a number belongs.
    TelLocation {
        number: Scalar<'a> = "TelNumber",
        country: Scalar<'a> = "Country",
        province: Scalar<'a> = "Province",
        city: Scalar<'a> = "City",
        operator: Scalar<'a> = "Operator",
    }
}

object! {
    /// A key the caller pressed.
    Key {
        key: Scalar<'a> = "Key",
        label: Scalar<'a> = "Label",
        timestamp: Scalar<'a> = "Timestamp",
        node_label: Ignored = "NodeLabel",
        original_content: Ignored = "OriginalContent",
        prompt: Ignored = "TTSPrompt",
    }
}

/// The participants, as far as the limit goes.
#[derive(Debug, Default)]
pub(crate) struct Participants<'a> {
    /// Each with its index in the array, where elements that are no objects count too.
    pub(crate) list: Vec<(usize, Participant<'a>)>,
    /// Objects in the array, those beyond the limit included.
    pub(crate) object_count: usize,
    pub(crate) is_truncated: bool,
    pub(crate) has_wrong_element: bool,
}

/// A list of text.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a> {
    pub(crate) list: Vec<&'a str>,
    pub(crate) has_wrong_element: bool,
}

/// A list of keys, each a text or an object.
#[derive(Debug, Default)]
pub(crate) struct Keys<'a> {
    pub(crate) list: Vec<Key<'a>>,
    pub(crate) has_wrong_element: bool,
}

impl<'a, V: Value<'a>> Field<V> {
    fn set_exact(&mut self, reader: &mut Reader<'a>, names: &mut Names<'a>) -> Read<()> {
        names.has_duplicate |= self.is_exact;
        self.is_exact = true;
        self.value = V::read(reader)?;
        Ok(())
    }

    fn set_inexact(&mut self, name: &'a str, reader: &mut Reader<'a>, names: &mut Names<'a>) -> Read<()> {
        let first_spelling = names.inexact.iter().find(|seen| seen.eq_ignore_ascii_case(name)).copied();
        if names.inexact.contains(&name) {
            names.has_duplicate = true;
        } else {
            names.inexact.push(name);
        }
        let value = V::read(reader)?;
        if !self.is_exact && first_spelling.is_none_or(|first| first == name) {
            self.value = value;
        }
        Ok(())
    }
}

impl<'a> Field<Scalar<'a>> {
    /// The value, not yet interpreted.
    pub(crate) fn get(&self) -> Scalar<'a> {
        self.value
    }

    /// Whether the field came under its exact name.
    pub(crate) fn is_exact(&self) -> bool {
        self.is_exact
    }
}

impl<T> Field<Nested<T>> {
    /// The structure, if there is one; an anomaly if there is something else.
    pub(crate) fn present(&self, field: &'static str, anomalies: &mut Anomalies) -> Option<&T> {
        match &self.value {
            Nested::Absent => None,
            Nested::WrongShape => {
                anomalies.type_mismatch(field);
                None
            }
            Nested::Present(structure) => Some(structure),
        }
    }
}

impl Names<'_> {
    /// Adds what was noticed about this object's names to what is known of the record.
    pub(crate) fn report(&self, anomalies: &mut Anomalies) {
        anomalies.unknown_fields(self.unknown_count);
        if self.has_duplicate {
            anomalies.add(Anomaly::DuplicateKey);
        }
    }
}

impl<'a> Value<'a> for Ignored {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        reader.skip()?;
        Ok(Ignored)
    }
}

impl<'a> Value<'a> for Scalar<'a> {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let token = reader.token()?;
        Scalar::of(token, reader)
    }
}

impl<'a> Scalar<'a> {
    fn of(token: Token<'a>, reader: &mut Reader<'a>) -> Read<Self> {
        Ok(match token {
            Token::Null => Scalar::Absent,
            Token::Boolean(truth) => Scalar::Boolean(truth),
            Token::Number(spelling) => Scalar::Number(spelling),
            Token::Text(text) => Scalar::Text(text),
            Token::Array | Token::Object => {
                reader.skip_rest(token)?;
                Scalar::Structure
            }
        })
    }
}

impl<'a, T: Structure<'a>> Value<'a> for Nested<T> {
    fn read(reader: &mut Reader<'a>) -> Read<Self> {
        let present = |structure: Option<T>| structure.map_or(Nested::WrongShape, Nested::Present);
        Ok(match reader.token()? {
            Token::Null => Nested::Absent,
            Token::Text(text) if is_blank(text) => Nested::Absent,
            Token::Text(text) => present(from_json_text(text, reader)),
            Token::Boolean(_) | Token::Number(_) => Nested::WrongShape,
            opening @ (Token::Array | Token::Object) => present(T::read(opening, reader)?),
        })
    }
}

/// The structure that a text holds as JSON, if it does.
fn from_json_text<'a, T: Structure<'a>>(text: &'a str, reader: &Reader<'a>) -> Option<T> {
    let mut inner = reader.nested(text);
    let opening = inner.token().ok()?;
    let structure = T::read(opening, &mut inner).ok()??;
    inner.finish().ok()?;
    Some(structure)
}

impl<'a> Structure<'a> for Participants<'a> {
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>> {
        let mut participants = Participants::default();
        match opening {
            Token::Object => {
                participants.push(0, opening, reader)?;
                Ok(Some(participants))
            }
            Token::Array => {
                let (mut first, mut index) = (true, 0);
                while reader.element(&mut first)? {
                    let token = reader.token()?;
                    participants.push(index, token, reader)?;
                    index += 1;
                }
                Ok(Some(participants))
            }
            _ => Ok(None),
        }
    }
}

impl<'a> Participants<'a> {
    fn push(&mut self, index: usize, token: Token<'a>, reader: &mut Reader<'a>) -> Read<()> {
        self.object_count += usize::from(token == Token::Object);
        if index >= reader.limits().participants_max {
            self.is_truncated = true;
            return reader.skip_rest(token);
        }
        match Participant::read(token, reader)? {
            Some(participant) => self.list.push((index, participant)),
            None => self.has_wrong_element = true,
        }
        Ok(())
    }
}

impl<'a> Structure<'a> for Texts<'a> {
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>> {
        if opening != Token::Array {
            reader.skip_rest(opening)?;
            return Ok(None);
        }
        let mut texts = Texts::default();
        let mut first = true;
        while reader.element(&mut first)? {
            match Scalar::read(reader)? {
                Scalar::Text(text) if !is_blank(text) => texts.list.push(text),
                Scalar::Number(spelling) => texts.list.push(spelling),
                Scalar::Boolean(truth) => texts.list.push(if truth { "true" } else { "false" }),
                Scalar::Text(_) | Scalar::Absent => {}
                Scalar::Structure => texts.has_wrong_element = true,
            }
        }
        Ok(Some(texts))
    }
}

impl<'a> Structure<'a> for Keys<'a> {
    fn read(opening: Token<'a>, reader: &mut Reader<'a>) -> Read<Option<Self>> {
        if opening != Token::Array {
            reader.skip_rest(opening)?;
            return Ok(None);
        }
        let mut keys = Keys::default();
        let mut first = true;
        while reader.element(&mut first)? {
            match reader.token()? {
                Token::Object => keys.list.extend(Key::read(Token::Object, reader)?),
                token @ (Token::Array | Token::Boolean(_)) => {
                    reader.skip_rest(token)?;
                    keys.has_wrong_element = true;
                }
                token => keys
                    .list
                    .push(Key { key: Field { value: Scalar::of(token, reader)?, is_exact: true }, ..Key::default() }),
            }
        }
        Ok(Some(keys))
    }
}
