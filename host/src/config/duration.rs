//! Durations: as texts with a unit where they may be days, as numbers of seconds where Vector has them so.

use super::decode::{Decode, mismatch, scalar};
use super::document::{Kind, Node};
use super::path::At;
use super::problem::Report;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::time::Duration;

/// A time that is written with its unit, `7d`, and is at most ten years.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Period(pub(super) Duration);

/// A number of seconds, perhaps not a whole one, from 0 to this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seconds<const MAX: u64>(pub(super) Duration);

/// A year of the crate `humantime` has 365.25 days.
const PERIOD_MAX: Duration = Duration::from_secs(10 * 31_557_600);

impl Decode for Period {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = "a time like 7d, 12h or 90s, of at most 10 years";
        let scalar = scalar(node, at, report, expected)?;
        // Without a unit it is a number.
        let is_text = scalar.kind() == Kind::Text;
        let period = humantime::parse_duration(&scalar.text).ok().filter(|period| is_text && *period <= PERIOD_MAX);
        if period.is_none() {
            mismatch(node, at, report, expected);
        }
        period.map(Period)
    }
}

impl<const MAX: u64> Decode for Seconds<MAX> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = format!("a number of seconds from 0 to {MAX}");
        let seconds = match scalar(node, at, report, &expected)?.unquoted_kind() {
            Kind::Integer(integer) => u64::try_from(integer).ok().map(Duration::from_secs),
            Kind::Float(float) => Duration::try_from_secs_f64(float).ok(),
            _ => None,
        };
        let seconds = seconds.filter(|seconds| *seconds <= Duration::from_secs(MAX));
        if seconds.is_none() {
            mismatch(node, at, report, &expected);
        }
        seconds.map(Seconds)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(self.0))
    }
}

impl<const MAX: u64> Serialize for Seconds<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0.as_secs_f64())
    }
}

impl JsonSchema for Period {
    fn schema_name() -> Cow<'static, str> {
        "Period".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^\s*[0-9]" })
    }
}

impl<const MAX: u64> JsonSchema for Seconds<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Seconds0To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": MAX })
    }
}
