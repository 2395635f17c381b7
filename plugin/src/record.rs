//! The record as it was sent, read once and leniently: every known field under any spelling of its name, in any shape.
//! What the fields mean is decided where they are used.
//!
//! Names are matched exactly first, then without regard to ASCII case. The last of two fields of the same spelling
//! counts, an exact spelling before an inexact one, and of several inexact ones the first.

mod field;
mod list;

use crate::json::{Malformed, Reader, Token};
use crate::scalar::Scalar;
use field::{Ignored, Names};
use list::Participants;

pub(crate) use field::{Field, Nested, Structure};
pub(crate) use list::{Keys, Texts};

type Read<T> = Result<T, Malformed>;

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
                        self.names.count_unknown();
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
