//! The options `request` of the sink `opentelemetry`.

use crate::config::decode::{Decode, Options, Table, mismatch, scalar};
use crate::config::document::{Kind, Node};
use crate::config::number::{Decimal, Fraction};
use crate::config::path::At;
use crate::config::planning::Planning;
use crate::config::problem::Report;
use crate::config::value::Whole;
use crate::delivery::{AdaptiveConcurrency, CONCURRENCY_MAX, Concurrency};
use crate::export::REQUEST_BYTES_MAX_DEFAULT;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use std::borrow::Cow;

/// What requests are held to.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Request {
    /// How long the backend may take to answer, in seconds, by default 10.
    pub(super) timeout_secs: Option<Whole<1, 600>>,
    /// The largest request, in bytes before compression; a trace that is larger all by itself is sent all the same. By
    /// default what receivers of OTLP take unless they are told otherwise.
    pub(super) max_bytes: Whole<65_536, 67_108_864>,
    /// How many requests there may be at one time: `adaptive`, as many as the backend answers without delay; `none`,
    /// one; or this number of them.
    concurrency: Turns,
    /// How the number is found where `concurrency` is `adaptive`.
    adaptive_concurrency: Adaptive,
}

/// A number of requests, or how it comes about.
#[derive(Clone, Copy, Default)]
enum Turns {
    #[default]
    Adaptive,
    None,
    Fixed(Count),
}

type Count = Whole<1, { CONCURRENCY_MAX as u64 }>;

#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Adaptive {
    /// How many requests at one time it begins with, by default 8, or the most that there may be.
    initial_concurrency: Option<Count>,
    /// How many requests there may be at most. Each has a batch of records in memory.
    max_concurrency_limit: Count,
    /// What is left of the number when the backend is slow, or asks to be spared.
    decrease_ratio: Fraction,
    /// How much the last round trips count in the mean that later ones are compared with.
    ewma_alpha: Fraction,
    /// By how many deviations round trips have to be longer than the mean to be slow.
    rtt_deviation_scale: Decimal<100>,
}

impl Default for Request {
    fn default() -> Self {
        Request {
            timeout_secs: None,
            max_bytes: Whole(REQUEST_BYTES_MAX_DEFAULT as u64),
            concurrency: Turns::default(),
            adaptive_concurrency: Adaptive::default(),
        }
    }
}

impl Default for Adaptive {
    fn default() -> Self {
        let default = AdaptiveConcurrency::default();
        Adaptive {
            initial_concurrency: None,
            max_concurrency_limit: Whole(default.max_concurrency_limit as u64),
            decrease_ratio: Fraction(default.decrease_ratio),
            ewma_alpha: Fraction(default.ewma_alpha),
            rtt_deviation_scale: Decimal(default.rtt_deviation_scale),
        }
    }
}

impl Options for Request {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Request {
            timeout_secs: table.take("timeout_secs", default.timeout_secs),
            max_bytes: table.take("max_bytes", default.max_bytes),
            concurrency: table.take("concurrency", default.concurrency),
            adaptive_concurrency: table.take("adaptive_concurrency", default.adaptive_concurrency),
        }
    }
}

impl Options for Adaptive {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Adaptive {
            initial_concurrency: table.take("initial_concurrency", default.initial_concurrency),
            max_concurrency_limit: table.take("max_concurrency_limit", default.max_concurrency_limit),
            decrease_ratio: table.take("decrease_ratio", default.decrease_ratio),
            ewma_alpha: table.take("ewma_alpha", default.ewma_alpha),
            rtt_deviation_scale: table.take("rtt_deviation_scale", default.rtt_deviation_scale),
        }
    }
}

impl Decode for Turns {
    fn decode(node: &Node, at: At<'_>, report: &mut Report<'_>) -> Option<Self> {
        let expected = format!("adaptive, none or a whole number from 1 to {CONCURRENCY_MAX}");
        let scalar = scalar(node, at, report, &expected)?;
        let turns = match (scalar.text.as_str(), scalar.unquoted_kind()) {
            ("adaptive", _) => Some(Turns::Adaptive),
            ("none", _) => Some(Turns::None),
            (_, Kind::Integer(number)) => {
                let number = u64::try_from(number).ok().filter(|number| (1..=CONCURRENCY_MAX as u64).contains(number));
                number.map(Whole).map(Turns::Fixed)
            }
            _ => None,
        };
        if turns.is_none() {
            mismatch(node, at, report, &expected);
        }
        turns
    }
}

impl Serialize for Turns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Turns::Adaptive => serializer.serialize_str("adaptive"),
            Turns::None => serializer.serialize_str("none"),
            Turns::Fixed(number) => number.serialize(serializer),
        }
    }
}

impl JsonSchema for Turns {
    fn schema_name() -> Cow<'static, str> {
        "Concurrency".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words = json_schema!({ "type": "string", "enum": ["adaptive", "none"] });
        json_schema!({ "anyOf": [words, Count::json_schema(generator)] })
    }
}

impl Request {
    /// What is wrong with it is reported; then it is the default. `at` leads to `request`.
    pub(super) fn concurrency(&self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Concurrency {
        match self.concurrency {
            Turns::Adaptive => {
                Concurrency::Adaptive(self.adaptive_concurrency.plan(at.key("adaptive_concurrency"), planning))
            }
            Turns::None => Concurrency::Fixed(1),
            Turns::Fixed(number) => Concurrency::Fixed(number.size()),
        }
    }
}

impl Adaptive {
    fn plan(&self, at: At<'_>, planning: &mut Planning<'_, '_>) -> AdaptiveConcurrency {
        let most = self.max_concurrency_limit.size();
        let default = AdaptiveConcurrency::default();
        let initial = self.initial_concurrency.map_or(default.initial_concurrency.min(most), Whole::size);
        let (initial_at, most_at) = (at.key("initial_concurrency"), at.key("max_concurrency_limit"));
        if initial > most && planning.report.is_good(initial_at) && planning.report.is_good(most_at) {
            planning.report.add(initial_at, format!("expected at most `max_concurrency_limit`, which is {most}"));
        }
        AdaptiveConcurrency {
            initial_concurrency: initial,
            max_concurrency_limit: most,
            decrease_ratio: self.decrease_ratio.0,
            ewma_alpha: self.ewma_alpha.0,
            rtt_deviation_scale: self.rtt_deviation_scale.0,
        }
    }
}
