//! What kind of call a session is: decides its name, its span kind and whose phone rang.

use crate::bindings::SpanKind;
use crate::description::SpanName;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallKind {
    Inbound,
    Outbound,
    Predictive,
    AudioInbound,
    Internal,
    Unknown,
}

/// The vendor's `Direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Inbound,
    Outbound,
    Unknown(i64),
}

/// The vendor's `CallType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallType {
    VoiceOutbound,
    VoiceInbound,
    AudioInbound,
    PredictiveDialing,
    Internal,
    Unknown(i64),
}

impl Direction {
    pub(crate) fn of(code: i64) -> Self {
        match code {
            0 => Direction::Inbound,
            1 => Direction::Outbound,
            _ => Direction::Unknown(code),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
            Direction::Unknown(_) => "unknown",
        }
    }
}

impl CallType {
    pub(crate) fn of(code: i64) -> Self {
        match code {
            1 => CallType::VoiceOutbound,
            2 => CallType::VoiceInbound,
            3 => CallType::AudioInbound,
            5 => CallType::PredictiveDialing,
            6 => CallType::Internal,
            _ => CallType::Unknown(code),
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            CallType::VoiceOutbound => "voice_outbound",
            CallType::VoiceInbound => "voice_inbound",
            CallType::AudioInbound => "audio_inbound",
            CallType::PredictiveDialing => "predictive_dialing",
            CallType::Internal => "internal",
            CallType::Unknown(_) => "unknown",
        }
    }

    /// Whether the vendor's direction says the opposite.
    pub(crate) fn contradicts(self, direction: Direction) -> bool {
        match self {
            CallType::VoiceInbound | CallType::AudioInbound => direction == Direction::Outbound,
            CallType::VoiceOutbound | CallType::PredictiveDialing => direction == Direction::Inbound,
            CallType::Internal | CallType::Unknown(_) => false,
        }
    }
}

impl CallKind {
    /// A known call type decides, else the direction.
    pub(crate) fn of(call_type: Option<CallType>, direction: Option<Direction>) -> Self {
        match (call_type, direction) {
            (Some(CallType::VoiceOutbound), _) => CallKind::Outbound,
            (Some(CallType::VoiceInbound), _) => CallKind::Inbound,
            (Some(CallType::AudioInbound), _) => CallKind::AudioInbound,
            (Some(CallType::PredictiveDialing), _) => CallKind::Predictive,
            (Some(CallType::Internal), _) => CallKind::Internal,
            (Some(CallType::Unknown(_)) | None, Some(Direction::Inbound)) => CallKind::Inbound,
            (Some(CallType::Unknown(_)) | None, Some(Direction::Outbound)) => CallKind::Outbound,
            (Some(CallType::Unknown(_)) | None, Some(Direction::Unknown(_)) | None) => CallKind::Unknown,
        }
    }

    pub(crate) fn is_inbound(self) -> bool {
        matches!(self, CallKind::Inbound | CallKind::AudioInbound)
    }

    pub(crate) fn is_outbound(self) -> bool {
        matches!(self, CallKind::Outbound | CallKind::Predictive)
    }

    /// Whose phone the session's own ring and answer are about.
    pub(crate) fn leg(self) -> Option<&'static str> {
        if self.is_inbound() {
            Some("agent")
        } else if self.is_outbound() {
            Some("customer")
        } else {
            None
        }
    }

    pub(crate) fn span_name(self) -> SpanName {
        match self {
            CallKind::Inbound => SpanName::InboundCall,
            CallKind::Outbound => SpanName::OutboundCall,
            CallKind::Predictive => SpanName::PredictiveCall,
            CallKind::AudioInbound => SpanName::AudioInboundCall,
            CallKind::Internal => SpanName::InternalCall,
            CallKind::Unknown => SpanName::Call,
        }
    }

    pub(crate) fn span_kind(self) -> SpanKind {
        match self {
            CallKind::Inbound | CallKind::AudioInbound => SpanKind::Server,
            CallKind::Outbound | CallKind::Predictive => SpanKind::Client,
            CallKind::Internal | CallKind::Unknown => SpanKind::Internal,
        }
    }
}
