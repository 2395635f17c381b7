//! What is different between two outcomes of one record, told by names that plugins declare and by codes: never by a
//! value, nor by a key that a sender chose.

use crate::record::Rejection;
use crate::span::{Attribute, Event, Name, Span, Trace, Value};
use crate::transform::Outcome;
use crate::transform::contract::{Contract, ValueType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One thing that is different. The plugin in service is what it is told from: what only the candidate has was added.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Difference {
    /// The name of the span that it is about, if it is about one.
    pub span: Option<String>,
    pub what: What,
    /// The key of the attribute, the name of the event, or the code.
    pub name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The candidate failed the record, by the code.
    Failed,
    /// The candidate refuses it, with the code.
    Refused,
    /// The plugin in service refuses it, with the code, and the candidate does not.
    NotRefused,
    /// The candidate makes nothing of it.
    Skipped,
    /// The plugin in service makes nothing of it.
    NotSkipped,
    TraceId,
    SpanAdded,
    SpanRemoved,
    AttributeAdded,
    AttributeRemoved,
    AttributeChanged,
    ResourceAttributeAdded,
    ResourceAttributeRemoved,
    ResourceAttributeChanged,
    EventAdded,
    EventRemoved,
    EventChanged,
    Links,
    Name,
    Kind,
    Parent,
    Start,
    End,
    Status,
    /// All is there, in another order.
    Order,
}

/// How the two compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Differs,
    /// The candidate refuses what the one in service does not.
    Refused,
    /// The other way round.
    NotRefused,
    Failed,
}

pub(super) struct Comparison {
    pub(super) verdict: Verdict,
    pub(super) differences: BTreeSet<Difference>,
}

/// What a key that is not declared is called.
const UNDECLARED: &str = "*";

/// What the plugin in service made of a record against what the candidate did, or the code by which it failed; with the
/// contracts of both, in this order.
pub(super) fn compare(now: &Outcome, then: &Result<Outcome, &'static str>, contracts: [&Contract; 2]) -> Comparison {
    let one = |verdict, what, name: Option<&str>| Comparison {
        verdict,
        differences: BTreeSet::from([Difference { span: None, what, name: name.map(str::to_owned) }]),
    };
    let code = |rejection: &Rejection| format!("{}/{}", rejection.class, rejection.code);
    match (now, then) {
        (_, Err(code)) => one(Verdict::Failed, What::Failed, Some(code)),
        (Outcome::Rejected(now), Ok(Outcome::Rejected(then)))
            if (&now.class, &now.code) == (&then.class, &then.code) =>
        {
            same()
        }
        (Outcome::Rejected(_), Ok(Outcome::Rejected(then))) => one(Verdict::Differs, What::Refused, Some(&code(then))),
        (_, Ok(Outcome::Rejected(then))) => one(Verdict::Refused, What::Refused, Some(&code(then))),
        (Outcome::Rejected(now), Ok(_)) => one(Verdict::NotRefused, What::NotRefused, Some(&code(now))),
        (Outcome::Skipped, Ok(Outcome::Skipped)) => same(),
        (Outcome::Trace(_), Ok(Outcome::Skipped)) => one(Verdict::Differs, What::Skipped, None),
        (Outcome::Skipped, Ok(Outcome::Trace(_))) => one(Verdict::Differs, What::NotSkipped, None),
        (Outcome::Trace(now), Ok(Outcome::Trace(then))) if now == then => same(),
        (Outcome::Trace(now), Ok(Outcome::Trace(then))) => {
            let mut found = Found { contracts, differences: BTreeSet::new() };
            found.traces(now, then);
            let verdict = if found.differences.is_empty() { Verdict::Same } else { Verdict::Differs };
            Comparison { verdict, differences: found.differences }
        }
    }
}

fn same() -> Comparison {
    Comparison { verdict: Verdict::Same, differences: BTreeSet::new() }
}

struct Found<'c> {
    contracts: [&'c Contract; 2],
    differences: BTreeSet<Difference>,
}

impl Found<'_> {
    fn add(&mut self, span: Option<&Span>, what: What, name: Option<String>) {
        let span = span.map(|span| span.name.to_string());
        self.differences.insert(Difference { span, what, name });
    }

    fn traces(&mut self, now: &Trace, then: &Trace) {
        if now.id != then.id || now.revision != then.revision {
            self.add(None, What::TraceId, None);
        }
        for span in &now.spans {
            match then.spans.iter().find(|other| other.key == span.key) {
                Some(other) => self.spans(span, other, [now, then]),
                None => self.add(Some(span), What::SpanRemoved, None),
            }
        }
        for span in then.spans.iter().filter(|span| now.spans.iter().all(|other| other.key != span.key)) {
            self.add(Some(span), What::SpanAdded, None);
        }
        // What is no number equals nothing, itself included: it is written alike.
        if self.differences.is_empty() && format!("{now:?}") != format!("{then:?}") {
            self.add(None, What::Order, None);
        }
    }

    fn spans(&mut self, now: &Span, then: &Span, traces: [&Trace; 2]) {
        // A parent in another trace has another id with it: that is told once, of the trace.
        let has_moved = traces[0].id != traces[1].id;
        let parts = [
            (What::Name, now.name != then.name),
            (What::Kind, now.kind != then.kind),
            (What::Parent, parent_of(now, traces[0]) != parent_of(then, traces[1])),
            (What::Start, now.start_unix_nano != then.start_unix_nano),
            (What::End, now.end_unix_nano != then.end_unix_nano),
            (What::Status, now.status != then.status),
            (What::Links, now.links.len() != then.links.len() || (!has_moved && now.links != then.links)),
        ];
        for (what, _) in parts.into_iter().filter(|(_, differs)| *differs) {
            self.add(Some(now), what, None);
        }
        let added = [What::AttributeAdded, What::AttributeRemoved, What::AttributeChanged];
        self.attributes(Some(now), &now.attributes, &then.attributes, added);
        let resource = |trace: &Trace, span: &Span| trace.resources.get(span.resource).cloned().unwrap_or_default();
        let added = [What::ResourceAttributeAdded, What::ResourceAttributeRemoved, What::ResourceAttributeChanged];
        self.attributes(Some(now), &resource(traces[0], now), &resource(traces[1], then), added);
        self.events(now, then);
    }

    fn attributes(&mut self, span: Option<&Span>, now: &[Attribute], then: &[Attribute], whats: [What; 3]) {
        let [added, removed, changed] = whats;
        for attribute in now {
            let what = match then.iter().find(|other| other.key == attribute.key) {
                None => removed,
                Some(other) if is_same(&attribute.value, &other.value) => continue,
                Some(_) => changed,
            };
            self.add(span, what, Some(declared(&attribute.key, self.contracts[0])));
        }
        for attribute in then.iter().filter(|attribute| now.iter().all(|other| other.key != attribute.key)) {
            self.add(span, added, Some(declared(&attribute.key, self.contracts[1])));
        }
    }

    /// By their names, and each by its place among those of the same name.
    fn events(&mut self, now: &Span, then: &Span) {
        let named = |span: &'_ Span, name: &Name| -> Vec<Event> {
            span.events.iter().filter(|event| event.name == *name).cloned().collect()
        };
        let names: BTreeSet<String> =
            now.events.iter().chain(&then.events).map(|event| event.name.to_string()).collect();
        for name in names {
            let [before, after] = [now, then].map(|span| named(span, &name.as_str().into()));
            let what = match before.len().cmp(&after.len()) {
                std::cmp::Ordering::Less => What::EventAdded,
                std::cmp::Ordering::Greater => What::EventRemoved,
                std::cmp::Ordering::Equal if before == after || format!("{before:?}") == format!("{after:?}") => {
                    continue;
                }
                std::cmp::Ordering::Equal => What::EventChanged,
            };
            self.add(Some(now), what, Some(name));
        }
    }
}

/// The key of a span's parent in the same trace, or its id.
fn parent_of<'t>(span: &Span, trace: &'t Trace) -> Option<Result<&'t str, [u8; 8]>> {
    let parent = span.parent?;
    Some(trace.spans.iter().find(|other| other.id == parent).map(|other| other.key.as_str()).ok_or(parent.0))
}

/// Also what is no number is the same as itself.
fn is_same(now: &Value, then: &Value) -> bool {
    let bits = |value: &f64| value.to_bits();
    match (now, then) {
        (Value::Double(now), Value::Double(then)) => bits(now) == bits(then),
        (Value::Doubles(now), Value::Doubles(then)) => now.iter().map(bits).eq(then.iter().map(bits)),
        _ => now == then,
    }
}

/// The key, as far as the plugin has declared it: a sender's own keys stand below one that is.
fn declared(key: &Name, contract: &Contract) -> String {
    if contract.attributes.iter().any(|it| it.key == *key && it.value_type != ValueType::Entries) {
        return key.to_string();
    }
    let below = |of: &Name| key.strip_prefix(&**of).and_then(|rest| rest.strip_prefix('.')).map(str::to_owned);
    let longest =
        contract.attributes.iter().filter_map(|it| Some((it, below(&it.key)?))).max_by_key(|(it, _)| it.key.len());
    match longest {
        // What the privacy policy puts in the place of a value.
        Some((it, rest)) if it.value_type != ValueType::Entries && matches!(&*rest, "length" | "previous") => {
            format!("{}.{rest}", &*it.key)
        }
        Some((it, _)) => format!("{}.{UNDECLARED}", &*it.key),
        None => UNDECLARED.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{Kind, SpanId, Status, TraceId};
    use crate::transform::{AttributeDefinition, Sensitivity};

    fn contract() -> Contract {
        let attribute = |key: &str, value_type| AttributeDefinition {
            key: Name::declared(key),
            length_key: Name::declared(&AttributeDefinition::length_key(key)),
            value_type,
            sensitivity: Sensitivity::None,
            brief: String::new(),
            examples: Vec::new(),
        };
        Contract {
            name: "test".to_owned(),
            version: "1".to_owned(),
            schema_url: None,
            attributes: vec![attribute("own", ValueType::Entries), attribute("note", ValueType::Text)],
            span_names: Vec::new(),
            events: Vec::new(),
            metrics: Vec::new(),
            options_schema: String::new(),
        }
    }

    fn span(key: &str) -> Span {
        Span {
            id: SpanId([1; 8]),
            key: key.to_owned(),
            parent: None,
            resource: 0,
            name: Name::declared("call"),
            kind: Kind::Internal,
            start_unix_nano: 1,
            end_unix_nano: 2,
            status: Status::Unset,
            attributes: Vec::new(),
            events: Vec::new(),
            links: Vec::new(),
        }
    }

    type Change<'c> = (What, &'c dyn Fn(&mut Trace));

    fn trace(change: impl FnOnce(&mut Trace)) -> Trace {
        let spans = vec![span("one"), span("two")];
        let mut trace =
            Trace { id: TraceId([1; 16]), key: String::new(), revision: 0, resources: vec![Vec::new()], spans };
        change(&mut trace);
        trace
    }

    fn told(now: Trace, then: Trace) -> Vec<(What, Option<String>)> {
        let contract = contract();
        let compared = compare(&Outcome::Trace(now), &Ok(Outcome::Trace(then)), [&contract, &contract]);
        assert_eq!(compared.verdict == Verdict::Same, compared.differences.is_empty());
        compared.differences.into_iter().map(|it| (it.what, it.name)).collect()
    }

    fn with(key: &str, value: Value) -> Trace {
        trace(|trace| trace.spans[0].attributes.push(Attribute { key: key.into(), value }))
    }

    #[test]
    fn a_key_that_a_sender_chose_is_not_told() {
        let value = || Value::Text("x".to_owned());
        for (key, expected) in [
            ("own.Alice Example", "own.*"),
            ("own.length", "own.*"),
            ("note", "note"),
            ("note.length", "note.length"),
            ("note.Alice", "note.*"),
            ("Alice", "*"),
        ] {
            let told = told(trace(|_| ()), with(key, value()));
            assert_eq!(told, [(What::AttributeAdded, Some(expected.to_owned()))], "{key}");
        }
    }

    #[test]
    fn what_is_no_number_is_the_same_as_itself() {
        assert_eq!(told(with("note", Value::Double(f64::NAN)), with("note", Value::Double(f64::NAN))), []);
        let other = told(with("note", Value::Double(f64::NAN)), with("note", Value::Double(1.0)));
        assert_eq!(other, [(What::AttributeChanged, Some("note".to_owned()))]);
    }

    #[test]
    fn each_part_of_a_span_is_told_by_its_kind() {
        let event = |time_unix_nano| Event { name: "tick".into(), time_unix_nano, attributes: Vec::new() };
        let changes: [Change<'_>; 12] = [
            (What::TraceId, &|trace| trace.id = TraceId([2; 16])),
            (What::TraceId, &|trace| trace.revision = 7),
            (What::SpanRemoved, &|trace| drop(trace.spans.pop())),
            (What::SpanAdded, &|trace| trace.spans.push(span("three"))),
            (What::Name, &|trace| trace.spans[0].name = "other".into()),
            (What::Kind, &|trace| trace.spans[0].kind = Kind::Server),
            (What::Parent, &|trace| trace.spans[1].parent = Some(SpanId([9; 8]))),
            (What::Start, &|trace| trace.spans[0].start_unix_nano = 0),
            (What::End, &|trace| trace.spans[0].end_unix_nano = 9),
            (What::Status, &|trace| trace.spans[0].status = Status::Error),
            (What::EventAdded, &|trace| trace.spans[0].events.push(event(1))),
            (What::Order, &|trace| trace.spans.reverse()),
        ];
        for (what, change) in changes {
            let kinds: Vec<What> = told(trace(|_| ()), trace(change)).into_iter().map(|(what, _)| what).collect();
            assert_eq!(kinds, [what]);
        }
        let moved = told(trace(|it| it.spans[0].events.push(event(1))), trace(|it| it.spans[0].events.push(event(2))));
        assert_eq!(moved, [(What::EventChanged, Some("tick".to_owned()))]);
        let resource = |value: &str| Attribute { key: "note".into(), value: Value::Text(value.to_owned()) };
        let told =
            told(trace(|it| it.resources[0].push(resource("a"))), trace(|it| it.resources[0].push(resource("b"))));
        assert_eq!(told, [(What::ResourceAttributeChanged, Some("note".to_owned()))]);
    }
}
