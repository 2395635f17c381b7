//! Numbers that need not be whole.

use super::decode::{Decode, mismatch, scalar};
use super::document::{Kind, Node};
use super::path::At;
use super::problem::Report;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use std::borrow::Cow;

/// A number between 0 and 1, neither of which it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Fraction(pub(super) f64);

/// A number from 0 to this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Decimal<const MAX: u32>(pub(super) f64);

impl Decode for Fraction {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = "a number between 0 and 1, like 0.5";
        number(node, at, report, expected, |number| 0.0 < number && number < 1.0).map(Fraction)
    }
}

impl<const MAX: u32> Decode for Decimal<MAX> {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = format!("a number from 0 to {MAX}");
        number(node, at, report, &expected, |number| (0.0..=f64::from(MAX)).contains(&number)).map(Decimal)
    }
}

fn number(
    node: &Node,
    at: At<'_>,
    report: &mut Report<'_>,
    expected: &str,
    is_within: impl Fn(f64) -> bool,
) -> Option<f64> {
    let number = match scalar(node, at, report, expected)?.unquoted_kind() {
        Kind::Integer(integer) => u32::try_from(integer).ok().map(f64::from),
        Kind::Float(float) => Some(float),
        _ => None,
    };
    let number = number.filter(|number| is_within(*number));
    if number.is_none() {
        mismatch(node, at, report, expected);
    }
    number
}

impl JsonSchema for Fraction {
    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 })
    }
}

impl<const MAX: u32> JsonSchema for Decimal<MAX> {
    fn schema_name() -> Cow<'static, str> {
        format!("Decimal0To{MAX}").into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": MAX })
    }
}
