//! Turns what a guest returned into the host's own trace, or says what is wrong with it. A guest may be faulty or
//! hostile: every index, order, type and size is checked here, once, and nothing behind this stage checks again.

use super::Outcome;
use super::contract::bindings::exports::callspan::transform::plugin as guest;
use super::contract::{AttributeDefinition, Contract, ValueType};
use super::error::PLUGIN;
use super::ids::{SpanIds, span_id, trace_id};
use super::limits::Limits;
use super::privacy::Policy;
use crate::record::{Position, Rejection};
use crate::span::{Attribute, Event, Kind, Link, Name, Span, SpanId, Status, Trace, TraceId, Value};
use std::collections::HashSet;
use std::mem::take;

/// What everything a plugin returns is held against.
pub(super) struct Admission<'p> {
    pub(super) contract: &'p Contract,
    pub(super) policy: &'p Policy,
    pub(super) limits: &'p Limits,
    /// The operator's resource attributes, which win.
    pub(super) resource: &'p [Attribute],
}

/// What a plugin returned against the contract or over a limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Breach {
    #[error("more than {limit} {what}")]
    Limit { what: &'static str, limit: usize },
    #[error("{what} {index}, of which there are {declared}")]
    Undeclared { what: &'static str, index: u32, declared: usize },
    #[error("attribute {key} as something else than {declared}")]
    ValueType { key: Name, declared: &'static str },
    #[error("attribute {0} twice in one list")]
    RepeatedAttribute(Name),
    #[error("an empty key")]
    EmptyKey,
    #[error("two spans of the same key")]
    RepeatedSpan,
    #[error("a reference to a span that does not stand earlier")]
    ForwardReference,
    #[error("a parent in another trace")]
    ForeignParent,
    #[error("a span that ends before it starts")]
    EndBeforeStart,
    #[error("a trace without spans")]
    NoSpans,
    #[error("a refusal whose class or code is not made of 1 to 64 lower-case letters and underscores")]
    Code,
    #[error("a refusal of a class that is the host's own")]
    Class,
}

type Checked<T> = Result<T, Breach>;

/// Classes of refusals that say who was at fault besides the mapping, or what was delivered all the same: what is done
/// with a dead letter depends on them, so a guest cannot use them.
const OWN_CLASSES: [&str; 3] = [PLUGIN, "backend", "partially_refused"];

/// Bytes of the free text of a refusal.
const MESSAGE_BYTES_MAX: usize = 1024;

impl Admission<'_> {
    pub(super) fn outcome(&self, outcome: guest::Outcome) -> Checked<Outcome> {
        match outcome {
            guest::Outcome::Trace(trace) => self.trace(trace).map(Outcome::Trace),
            guest::Outcome::Skipped(_reason) => Ok(Outcome::Skipped),
            guest::Outcome::Rejected(rejection) => checked_rejection(rejection).map(Outcome::Rejected),
        }
    }

    fn trace(&self, trace: guest::Trace) -> Checked<Trace> {
        self.check_key(&trace.key)?;
        if trace.spans.is_empty() {
            return Err(Breach::NoSpans);
        }
        within("spans", trace.spans.len(), self.limits.spans_max)?;
        within("resources", trace.resources.len(), self.limits.spans_max)?;
        let resources = each(trace.resources, |resource| self.resource(resource))?;
        let mut weave = Weave {
            admission: self,
            trace_key: &trace.key,
            trace_id: trace_id(&trace.key),
            span_ids: SpanIds::of(&trace.key),
            resource_count: resources.len(),
            ids: Vec::with_capacity(trace.spans.len()),
        };
        let spans = each(trace.spans, |span| weave.span(span))?;
        // Two spans of one key have one id.
        weave.ids.sort_unstable();
        if weave.ids.array_windows().any(|[one, next]| one == next) {
            return Err(Breach::RepeatedSpan);
        }
        Ok(Trace { id: weave.trace_id, key: trace.key, revision: trace.revision, resources, spans })
    }

    fn resource(&self, attributes: Vec<guest::Attribute>) -> Checked<Vec<Attribute>> {
        let mut admitted = self.attributes(attributes)?;
        for own in self.resource {
            match admitted.iter_mut().find(|attribute| attribute.key == own.key) {
                Some(attribute) => attribute.value.clone_from(&own.value),
                None => admitted.push(own.clone()),
            }
        }
        Ok(admitted)
    }

    fn attributes(&self, mut attributes: Vec<guest::Attribute>) -> Checked<Vec<Attribute>> {
        within("attributes in one list", attributes.len(), self.limits.attributes_max)?;
        let mut admitted = Vec::with_capacity(attributes.len());
        let mut seen = Seen::default();
        // Values are taken out of where they lie: to move them first would cost more than all that is checked here.
        for attribute in &mut attributes {
            let definition = declared("attribute", &self.contract.attributes, attribute.key)?;
            if !seen.insert(attribute.key) {
                return Err(Breach::RepeatedAttribute(definition.key.clone()));
            }
            self.attribute(definition, &mut attribute.value, &mut admitted)?;
        }
        Ok(admitted)
    }

    fn attribute(
        &self,
        definition: &AttributeDefinition,
        value: &mut guest::Value,
        admitted: &mut Vec<Attribute>,
    ) -> Checked<()> {
        let (value_type, value) = match value {
            guest::Value::Text(text) => {
                self.check_text(text)?;
                (ValueType::Text, Value::Text(take(text)))
            }
            guest::Value::Boolean(truth) => (ValueType::Boolean, Value::Boolean(*truth)),
            guest::Value::Int(number) => (ValueType::Integer, Value::Integer(*number)),
            guest::Value::Double(number) => (ValueType::Double, Value::Double(*number)),
            guest::Value::Texts(texts) => {
                texts.iter().try_for_each(|text| self.check_text(text))?;
                (ValueType::Texts, Value::Texts(take(texts)))
            }
            guest::Value::Booleans(truths) => (ValueType::Booleans, Value::Booleans(take(truths))),
            guest::Value::Ints(numbers) => (ValueType::Integers, Value::Integers(take(numbers))),
            guest::Value::Doubles(numbers) => (ValueType::Doubles, Value::Doubles(take(numbers))),
            guest::Value::Entries(entries) => return self.entries(definition, take(entries), admitted),
        };
        check_type(definition, value_type)?;
        if is_required(definition) {
            admitted.push(Attribute { key: definition.key.clone(), value });
        } else {
            self.policy.admit(definition, value, admitted);
        }
        Ok(())
    }

    /// A sender's own keys: letters, digits, `.`, `_` and `-` are kept, anything else becomes `_`. Of two that are then
    /// the same the first counts.
    fn entries(
        &self,
        definition: &AttributeDefinition,
        entries: Vec<(String, String)>,
        admitted: &mut Vec<Attribute>,
    ) -> Checked<()> {
        const NAME_CHARACTERS_MAX: usize = 128;
        check_type(definition, ValueType::Entries)?;
        within("entries in one attribute", entries.len(), self.limits.entries_max)?;
        let mut seen = HashSet::with_capacity(entries.len());
        for (name, text) in entries {
            let clean = |character: char| {
                if character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-') { character } else { '_' }
            };
            let name: String = name.chars().take(NAME_CHARACTERS_MAX).map(clean).collect();
            let key: Name = format!("{}.{name}", definition.key).into();
            if !name.is_empty() && seen.insert(key.clone()) {
                self.check_text(&text)?;
                let length_key = || AttributeDefinition::length_key(&key).into();
                self.policy.admit_as(&key, length_key, definition.sensitivity, Value::Text(text), admitted);
            }
        }
        Ok(())
    }

    fn check_text(&self, text: &str) -> Checked<()> {
        within("bytes in one text", text.len(), self.limits.text_bytes_max)
    }

    fn check_key(&self, key: &str) -> Checked<()> {
        if key.is_empty() {
            return Err(Breach::EmptyKey);
        }
        within("bytes in one key", key.len(), self.limits.key_bytes_max)
    }
}

/// The spans of one trace, as far as they are admitted.
struct Weave<'w> {
    admission: &'w Admission<'w>,
    trace_key: &'w str,
    trace_id: TraceId,
    span_ids: SpanIds,
    resource_count: usize,
    /// Of the spans so far, in their order.
    ids: Vec<SpanId>,
}

impl Weave<'_> {
    fn span(&mut self, span: guest::Span) -> Checked<Span> {
        let Admission { contract, limits, .. } = self.admission;
        self.admission.check_key(&span.key)?;
        if span.end_unix_nano < span.start_unix_nano {
            return Err(Breach::EndBeforeStart);
        }
        let resource = usize::try_from(span.resource).unwrap_or(usize::MAX);
        if resource >= self.resource_count {
            return Err(Breach::Undeclared { what: "resource", index: span.resource, declared: self.resource_count });
        }
        within("events of one span", span.events.len(), limits.events_max)?;
        within("links of one span", span.links.len(), limits.links_max)?;
        let parent = span.parent.map(|parent| self.parent(parent)).transpose()?;
        let links = each(span.links, |link| self.link(link))?;
        let id = self.span_ids.id(&span.key);
        self.ids.push(id);
        Ok(Span {
            id,
            parent,
            resource,
            name: declared("span name", &contract.span_names, span.name)?.clone(),
            kind: kind(span.kind),
            start_unix_nano: span.start_unix_nano,
            end_unix_nano: span.end_unix_nano,
            status: status(span.status),
            attributes: self.admission.attributes(span.attributes)?,
            events: each(span.events, |event| self.event(event))?,
            links,
            key: span.key,
        })
    }

    fn event(&self, event: guest::Event) -> Checked<Event> {
        Ok(Event {
            name: declared("event", &self.admission.contract.events, event.name)?.clone(),
            time_unix_nano: event.time_unix_nano,
            attributes: self.admission.attributes(event.attributes)?,
        })
    }

    fn parent(&self, parent: guest::SpanReference) -> Checked<SpanId> {
        match parent {
            guest::SpanReference::Local(index) => self.earlier(index),
            guest::SpanReference::Remote(remote) if remote.trace_key == self.trace_key => {
                self.admission.check_key(&remote.span_key)?;
                Ok(self.span_ids.id(&remote.span_key))
            }
            guest::SpanReference::Remote(_) => Err(Breach::ForeignParent),
        }
    }

    fn link(&self, link: guest::Link) -> Checked<Link> {
        let (trace_id, span_id) = match link.target {
            guest::SpanReference::Local(index) => (self.trace_id, self.earlier(index)?),
            guest::SpanReference::Remote(remote) => {
                self.admission.check_key(&remote.trace_key)?;
                self.admission.check_key(&remote.span_key)?;
                (trace_id(&remote.trace_key), span_id(&remote.trace_key, &remote.span_key))
            }
        };
        Ok(Link { trace_id, span_id, attributes: self.admission.attributes(link.attributes)? })
    }

    fn earlier(&self, index: u32) -> Checked<SpanId> {
        self.ids.get(usize::try_from(index).unwrap_or(usize::MAX)).copied().ok_or(Breach::ForwardReference)
    }
}

/// The indices that occurred in a list.
#[derive(Default)]
struct Seen {
    /// A bit for each of the first ones.
    low: u128,
    high: HashSet<u32>,
}

impl Seen {
    /// False when it was there before.
    fn insert(&mut self, index: u32) -> bool {
        match 1_u128.checked_shl(index) {
            Some(bit) => {
                let is_new = self.low & bit == 0;
                self.low |= bit;
                is_new
            }
            None => self.high.insert(index),
        }
    }
}

/// The admitted form of each.
fn each<T, A>(list: Vec<T>, mut admit: impl FnMut(T) -> Checked<A>) -> Checked<Vec<A>> {
    let mut admitted = Vec::with_capacity(list.len());
    for item in list {
        admitted.push(admit(item)?);
    }
    Ok(admitted)
}

/// OpenTelemetry's resource conventions require a name of the service, so no policy takes it away.
fn is_required(definition: &AttributeDefinition) -> bool {
    &*definition.key == "service.name"
}

fn checked_rejection(rejection: guest::Rejection) -> Checked<Rejection> {
    let is_code = |text: &str| {
        (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    if !is_code(&rejection.class) || !is_code(&rejection.code) {
        return Err(Breach::Code);
    }
    if OWN_CLASSES.contains(&rejection.class.as_str()) {
        return Err(Breach::Class);
    }
    let readable = |text: String| {
        let cut = text.get(..text.floor_char_boundary(MESSAGE_BYTES_MAX)).unwrap_or_default();
        cut.chars().map(|character| if character.is_control() { ' ' } else { character }).collect::<String>()
    };
    Ok(Rejection {
        class: rejection.class,
        code: rejection.code,
        path: rejection.path.map(readable),
        position: Position::named_by(&rejection.message),
        message: readable(rejection.message),
    })
}

fn declared<'d, T>(what: &'static str, list: &'d [T], index: u32) -> Checked<&'d T> {
    let found = usize::try_from(index).ok().and_then(|index| list.get(index));
    found.ok_or(Breach::Undeclared { what, index, declared: list.len() })
}

fn check_type(definition: &AttributeDefinition, value_type: ValueType) -> Checked<()> {
    if definition.value_type == value_type {
        Ok(())
    } else {
        Err(Breach::ValueType { key: definition.key.clone(), declared: definition.value_type.as_str() })
    }
}

fn within(what: &'static str, count: usize, limit: usize) -> Checked<()> {
    if count > limit { Err(Breach::Limit { what, limit }) } else { Ok(()) }
}

fn kind(kind: guest::SpanKind) -> Kind {
    match kind {
        guest::SpanKind::Internal => Kind::Internal,
        guest::SpanKind::Server => Kind::Server,
        guest::SpanKind::Client => Kind::Client,
        guest::SpanKind::Producer => Kind::Producer,
        guest::SpanKind::Consumer => Kind::Consumer,
    }
}

fn status(status: guest::SpanStatus) -> Status {
    match status {
        guest::SpanStatus::Unset => Status::Unset,
        guest::SpanStatus::Ok => Status::Ok,
        guest::SpanStatus::Error => Status::Error,
    }
}
