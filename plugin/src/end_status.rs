//! How a session or a participant's part of it ended: the vendor's `EndStatusString`, and what it means.

/// What an end status means for the caller. The set is closed; the vendor's own value is always kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Completed,
    Abandoned,
    AgentMissed,
    Transferred,
    Unserved,
    Unanswered,
    Rejected,
    Unreachable,
    Cancelled,
    Blocked,
    Failed,
    Unknown,
}

impl Outcome {
    /// Values are matched exactly, as the vendor spells them; whatever is not among them is unknown.
    pub(crate) fn of(end_status: Option<&str>) -> Outcome {
        let Some(end_status) = end_status else { return Outcome::Unknown };
        match end_status {
            "ok"
            | "ivrEnd"
            | "functionCallHangup"
            | "maxCallDurationReached"
            | "userInactivity"
            | "callTerminatedByAPI"
            | "userHangupDuringAiCall"
            | "aiAgentEndCall" => Outcome::Completed,
            "ivrGiveUp" | "waitingGiveUp" | "ringingGiveUp" => Outcome::Abandoned,
            "seatGiveUp" => Outcome::AgentMissed,
            "seatForward" | "outboundForward" => Outcome::Transferred,
            "noSeatOnline" | "notWorkTime" => Outcome::Unserved,
            "unconnected" | "notAnswer" | "busy" | "callReminder" | "promptCallForwarding" | "voiceMailReached" => {
                Outcome::Unanswered
            }
            "userReject" => Outcome::Rejected,
            "powerOff"
            | "numberNotExist"
            | "numberInvalid"
            | "outOfCredit"
            | "notInService"
            | "callerCancelWithoutRing" => Outcome::Unreachable,
            "callerCancel" | "callerCancelWhileRing" | "callConflict" => Outcome::Cancelled,
            "blackList"
            | "CallinBlockedContact"
            | "restrictedCallee"
            | "tooManyRequest"
            | "restrictedArea"
            | "restrictedTime"
            | "carrierBlocked"
            | "callRestricted"
            | "calleeRestricted"
            | "areaRestricted" => Outcome::Blocked,
            "error" | "operatorError" | "clientError" | "asrError" | "llmasrError" | "ttsError" | "clientTimeout"
            | "voipClientError" => Outcome::Failed,
            _ => Outcome::Unknown,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Outcome::Completed => "completed",
            Outcome::Abandoned => "abandoned",
            Outcome::AgentMissed => "agent_missed",
            Outcome::Transferred => "transferred",
            Outcome::Unserved => "unserved",
            Outcome::Unanswered => "unanswered",
            Outcome::Rejected => "rejected",
            Outcome::Unreachable => "unreachable",
            Outcome::Cancelled => "cancelled",
            Outcome::Blocked => "blocked",
            Outcome::Failed => "failed",
            Outcome::Unknown => "unknown",
        }
    }

    /// The two sides never spoke, and no machine is at fault.
    pub(crate) fn is_not_connected(self) -> bool {
        match self {
            Outcome::Abandoned
            | Outcome::Unserved
            | Outcome::Unanswered
            | Outcome::Rejected
            | Outcome::Unreachable
            | Outcome::Cancelled
            | Outcome::Blocked => true,
            Outcome::Completed | Outcome::AgentMissed | Outcome::Transferred | Outcome::Failed | Outcome::Unknown => {
                false
            }
        }
    }
}

/// The end status of an IVR that the call never left: the caller finished in it or hung up in it.
pub(crate) fn ended_in_ivr(end_status: Option<&str>) -> bool {
    matches!(end_status, Some("ivrEnd" | "ivrGiveUp"))
}
