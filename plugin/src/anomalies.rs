//! What is odd about a record without costing it: named, never repaired.

use std::borrow::Cow;
use std::collections::BTreeSet;

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct Anomalies {
    /// Each once, sorted.
    codes: BTreeSet<Cow<'static, str>>,
    unknown_field_count: i64,
}

/// A code that needs no field to be understood.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Anomaly {
    /// A known name stands twice in one object, in the same spelling; the last one counts.
    DuplicateKey,
    /// A time was given in milliseconds, microseconds or nanoseconds.
    TimestampUnit,
    /// A time is negative or before 2000 or after 2100 in every unit.
    TimestampOutOfRange,
    /// A participant has no time to start with; the session's start stands in.
    ParticipantStartMissing,
    /// An end lies before its start; the start stands in.
    EndBeforeStart,
    /// A participant starts before the session or ends after it.
    ParticipantOutsideSession,
    /// The direction contradicts the call type.
    DirectionCallTypeConflict,
    /// The vendor's duration is not the time between answer and end.
    DurationMismatch,
    /// The vendor's IVR duration is not the time between start and queue.
    IvrDurationMismatch,
    /// A participant's sequence number is missing, negative or repeated.
    SequenceInvalid,
    /// There are more participants than the limit.
    ParticipantsTruncated,
}

impl Anomalies {
    pub(crate) fn add(&mut self, anomaly: Anomaly) {
        self.codes.insert(Cow::Borrowed(match anomaly {
            Anomaly::DuplicateKey => "duplicate_key",
            Anomaly::TimestampUnit => "timestamp_unit",
            Anomaly::TimestampOutOfRange => "timestamp_out_of_range",
            Anomaly::ParticipantStartMissing => "participant_start_missing",
            Anomaly::EndBeforeStart => "end_before_start",
            Anomaly::ParticipantOutsideSession => "participant_outside_session",
            Anomaly::DirectionCallTypeConflict => "direction_call_type_conflict",
            Anomaly::DurationMismatch => "duration_mismatch",
            Anomaly::IvrDurationMismatch => "ivr_duration_mismatch",
            Anomaly::SequenceInvalid => "sequence_invalid",
            Anomaly::ParticipantsTruncated => "participants_truncated",
        }));
    }

    /// A known field holds something of the wrong shape, and is dropped.
    pub(crate) fn type_mismatch(&mut self, field: &'static str) {
        self.codes.insert(Cow::Owned(format!("type_mismatch:{field}")));
    }

    /// Fields whose names the mapping does not know. Counted, and no anomaly: senders add fields.
    pub(crate) fn unknown_fields(&mut self, count: u32) {
        self.unknown_field_count += i64::from(count);
    }

    pub(crate) fn unknown_field_count(&self) -> i64 {
        self.unknown_field_count
    }

    /// In the order of the alphabet.
    pub(crate) fn into_codes(self) -> Vec<String> {
        self.codes.into_iter().map(Cow::into_owned).collect()
    }
}
