//! What the plugin says of itself: all it can ever emit.

use crate::attributes::{Key, definitions};
use crate::bindings::{Description, MetricDefinition};
use crate::options::SCHEMA;

/// Declares a closed set of names whose place in the list is their index in the contract.
macro_rules! names {
    ($(#[$meta:meta])* $set:ident { $($variant:ident = $name:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u32)]
        pub(crate) enum $set { $($variant,)* }

        impl $set {
            fn list() -> Vec<String> {
                vec![$($name.to_owned(),)*]
            }
        }
    };
}

names! {
    /// The names of spans.
    SpanName {
        InboundCall = "inbound call",
        OutboundCall = "outbound call",
        PredictiveCall = "predictive call",
        AudioInboundCall = "audio inbound call",
        InternalCall = "internal call",
        Call = "call",
        Ivr = "ivr",
        Queue = "queue",
        ServeStaffSeat = "serve staffSeat",
        ServeStaffPhoneSeat = "serve staffPhoneSeat",
        ServeMiniProgramSeat = "serve miniProgramSeat",
        ServeOutboundSeat = "serve outboundSeat",
        ServeStaffExtensionSeat = "serve staffExtensionSeat",
        ServeAgent = "serve agent",
    }
}

names! {
    /// The names of events, in the order in which they come where their times are equal.
    EventName {
        IvrKey = "tccc.ivr.key",
        QueueEnter = "tccc.queue.enter",
        Ring = "tccc.ring",
        Answer = "tccc.answer",
    }
}

const SESSIONS: [SpanName; 6] = [
    SpanName::InboundCall,
    SpanName::OutboundCall,
    SpanName::PredictiveCall,
    SpanName::AudioInboundCall,
    SpanName::InternalCall,
    SpanName::Call,
];
const PARTICIPANTS: [SpanName; 6] = [
    SpanName::ServeStaffSeat,
    SpanName::ServeStaffPhoneSeat,
    SpanName::ServeMiniProgramSeat,
    SpanName::ServeOutboundSeat,
    SpanName::ServeStaffExtensionSeat,
    SpanName::ServeAgent,
];

/// The description that the component exports. Constant.
pub fn description() -> Description {
    Description {
        name: "tccc".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema_url: None,
        attributes: definitions(),
        span_names: SpanName::list(),
        events: EventName::list(),
        metrics: metrics(),
        options_schema: SCHEMA.to_owned(),
        extensions: Vec::new(),
    }
}

fn metrics() -> Vec<MetricDefinition> {
    let metric = |name: &str,
                  unit: &str,
                  brief: &str,
                  measure: &str,
                  spans: &[SpanName],
                  attribute: Option<Key>,
                  dimensions: &[Key]| MetricDefinition {
        name: name.to_owned(),
        unit: unit.to_owned(),
        brief: brief.to_owned(),
        measure: measure.to_owned(),
        spans: spans.iter().map(|name| *name as u32).collect(),
        attribute: attribute.map(|key| key as u32),
        dimensions: dimensions.iter().map(|key| *key as u32).collect(),
    };
    let by_call = &[Key::CallDirection, Key::CallType, Key::SessionOutcome];
    let by_team = &[Key::SkillGroupName, Key::ParticipantOutcome];
    vec![
        metric("tccc.sessions", "{session}", "Sessions that ended.", "count", &SESSIONS, None, by_call),
        metric(
            "tccc.session.duration",
            "s",
            "From the start of a session to its end.",
            "span-duration",
            &SESSIONS,
            None,
            by_call,
        ),
        metric(
            "tccc.session.answer.wait",
            "s",
            "From the queue, or else from the start, to the answer.",
            "attribute",
            &SESSIONS,
            Some(Key::SessionAnswerWait),
            by_call,
        ),
        metric(
            "tccc.queue.duration",
            "s",
            "Time in the queue.",
            "attribute",
            &SESSIONS,
            Some(Key::QueueDuration),
            &[Key::QueueSkillGroupName, Key::SessionOutcome],
        ),
        metric(
            "tccc.participants",
            "{participant}",
            "Stretches of service that ended.",
            "count",
            &PARTICIPANTS,
            None,
            by_team,
        ),
        metric(
            "tccc.participant.ring.duration",
            "s",
            "From ring to answer.",
            "attribute",
            &PARTICIPANTS,
            Some(Key::ParticipantRingDuration),
            by_team,
        ),
        metric(
            "tccc.participant.talk.duration",
            "s",
            "From answer to end.",
            "attribute",
            &PARTICIPANTS,
            Some(Key::ParticipantTalkDuration),
            by_team,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_of_a_metric_leads_somewhere() {
        let description = description();
        for metric in &description.metrics {
            assert!(metric.spans.iter().all(|span| (*span as usize) < description.span_names.len()), "{}", metric.name);
            assert!(
                metric
                    .dimensions
                    .iter()
                    .chain(&metric.attribute)
                    .all(|key| (*key as usize) < description.attributes.len()),
                "{}",
                metric.name
            );
            assert_eq!(metric.attribute.is_some(), metric.measure == "attribute", "{}", metric.name);
        }
    }
}
