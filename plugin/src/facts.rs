//! What all spans of a trace need to know of the session: its names, its kind, its times.

use crate::anomalies::{Anomalies, Anomaly};
use crate::call_kind::{CallKind, CallType, Direction};
use crate::options::Options;
use crate::participant_span::Participant;
use crate::record::Session;
use crate::refusal::Refusal;
use crate::scalar::{Scalar, cut, is_blank};
use crate::timestamp::Time;

/// Bytes a session id may have.
const SESSION_ID_BYTES_MAX: usize = 256;

/// What the other spans, too, need to know of the session.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) session_id: &'a str,
    pub(crate) app_id: Option<i64>,
    pub(crate) direction: Option<Direction>,
    pub(crate) call_type: Option<CallType>,
    pub(crate) kind: CallKind,
    pub(crate) times: Times,
    pub(crate) end_status: Option<&'a str>,
}

/// The vendor's own times of the session, where they are valid.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) start: Option<Time>,
    pub(crate) ring: Option<Time>,
    pub(crate) accept: Option<Time>,
    pub(crate) queued: Option<Time>,
    pub(crate) ended: Option<Time>,
}

/// A stretch of time that does not run backwards. It may be empty: what is exported is then a nanosecond long, which no
/// rule but the export sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) start: Time,
    pub(crate) end: Time,
}

impl Bounds {
    /// An end before the start gives way to the start, with an anomaly.
    pub(crate) fn new(start: Time, end: Time, anomalies: &mut Anomalies) -> Self {
        if end < start {
            anomalies.add(Anomaly::EndBeforeStart);
        }
        Bounds { start, end: end.max(start) }
    }

    /// Backends call an empty span a negative one, so it gets a nanosecond.
    pub(crate) fn end_unix_nano(self) -> u64 {
        self.end.unix_nano() + u64::from(self.start == self.end)
    }
}

impl<'a> Facts<'a> {
    pub(crate) fn read(session: &Session<'a>, options: &Options, anomalies: &mut Anomalies) -> Result<Self, Refusal> {
        let session_id = session_id(session.session_id.get())?;
        let direction = session.direction.get().integer("Direction", anomalies).map(Direction::of);
        let call_type = session.call_type.get().integer("CallType", anomalies).map(CallType::of);
        if let (Some(call_type), Some(direction)) = (call_type, direction)
            && call_type.contradicts(direction)
        {
            anomalies.add(Anomaly::DirectionCallTypeConflict);
        }
        let times = Times {
            start: session.start.get().timestamp("StartTimestamp", anomalies),
            ring: session.ring.get().timestamp("RingTimestamp", anomalies),
            accept: session.accept.get().timestamp("AcceptTimestamp", anomalies),
            queued: session.queued.get().timestamp("QueuedTimestamp", anomalies),
            ended: session.ended.get().timestamp("EndedTimestamp", anomalies),
        };
        let end_status = session.end_status.get().text("EndStatusString", anomalies);
        Ok(Facts {
            session_id,
            app_id: session.sdk_app_id.get().numeric_id("SdkAppId", anomalies),
            direction,
            call_type,
            kind: CallKind::of(call_type, direction),
            times,
            end_status: end_status.map(|text| cut(text, options.limits.text_bytes_max)),
        })
    }

    /// `tccc/{SdkAppId}/{SessionId}`, with 0 for an application that is not named.
    pub(crate) fn trace_key(&self) -> String {
        format!("tccc/{}/{}", self.app_id.unwrap_or(0), self.session_id)
    }

    /// From where to where the session goes: its own start and end, or else the earliest and the latest time of the
    /// whole record.
    pub(crate) fn bounds(
        &self,
        participants: &[Participant<'_>],
        anomalies: &mut Anomalies,
    ) -> Result<Bounds, Refusal> {
        let Times { start, ring, accept, queued, ended } = self.times;
        let all = || {
            [start, ring, accept, queued, ended]
                .into_iter()
                .chain(participants.iter().flat_map(|participant| participant.times.all()))
                .flatten()
        };
        let start = start.or_else(|| all().min()).ok_or(Refusal::NoTime)?;
        let end = ended.or_else(|| all().max()).unwrap_or(start);
        Ok(Bounds::new(start, end, anomalies))
    }
}

/// The only thing a record cannot be without. It is neither cut nor guessed, since it names the trace.
fn session_id(scalar: Scalar<'_>) -> Result<&str, Refusal> {
    let session_id = match scalar {
        Scalar::Text(text) if !is_blank(text) => text.trim(),
        Scalar::Text(_) | Scalar::Absent => return Err(Refusal::SessionIdMissing),
        Scalar::Number(spelling) => spelling,
        Scalar::Boolean(_) | Scalar::Structure => return Err(Refusal::SessionIdNotText),
    };
    if session_id.len() > SESSION_ID_BYTES_MAX {
        return Err(Refusal::SessionIdTooLong { limit: SESSION_ID_BYTES_MAX });
    }
    Ok(session_id)
}
