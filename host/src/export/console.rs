//! One trace drawn as a waterfall in plain text: a line for each span, with its place in the tree and in time.
//!
//! ```text
//! tccc · inbound call · 01010101 · 2 m 10 s · 4 spans
//! inbound call                     ━━━━━━━━━━━━◆━━━━━━━━━━━━━━━━━━━━━━━━━━━  2 m 10 s
//! ├─ queue                         ···━━━━━━━━━━···························      30 s
//! ├─ tccc/Billing serve staffSeat  ············◆━━━━━━━━━━━━━━·············      45 s
//! └─ tccc/Billing serve staffSeat  ··························━━━━━━━━━━━━━━      45 s  ↖ participant/0
//! outcome completed · end status ok · direction inbound
//! anomalies duration_mismatch, timestamp_unit
//! ```
//!
//! It knows no plugin: what it says of a call it finds by the last word of the attributes' keys.

mod axis;
mod plain_text;
mod tree;

use crate::span::{Attribute, Link, Span, Status, Trace, Value};
use axis::Axis;
use plain_text::{escaped, fitted, human, padded, width_of};
use std::collections::HashMap;
use tree::Branch;

/// How a trace is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns; fewer than 60 are drawn as 60.
    pub width: usize,
    /// Whether to use a terminal's colours.
    pub colour: bool,
}

const WIDTH_MIN: usize = 60;
/// Columns of time that are kept, however much there is to say beside them.
const AXIS_WIDTH_MIN: usize = 8;
const GAP: &str = "  ";

/// What a reader wants to know first, by the last word of an attribute's key.
const TELLING: [&str; 3] = ["outcome", "end_status", "direction"];
const ANOMALIES: &str = "anomalies";

const BOLD: &str = "1";
const RED: &str = "31";
/// Resources take turns, so that a change of team is seen.
const RESOURCE_COLOURS: [&str; 5] = ["36", "35", "33", "32", "34"];

impl Default for Style {
    fn default() -> Self {
        Self { width: 100, colour: false }
    }
}

/// The picture, each line ended by a line break. Nothing of the trace reaches it raw: control characters and those that
/// change the direction of text are written as their escapes.
#[must_use]
pub fn waterfall(trace: &Trace, style: Style) -> String {
    let width = style.width.max(WIDTH_MIN);
    let rows = rows(trace, width * 2 / 5);
    let widest = |of: fn(&Row<'_>) -> usize| rows.iter().map(of).max().unwrap_or(0);
    let label_width = widest(|row| width_of(&row.label));
    let duration_width = widest(|row| width_of(&row.duration));
    let room = width.saturating_sub(label_width + duration_width + 3 * GAP.len());
    let notes_width = widest(|row| width_of(&row.notes)).min(room.saturating_sub(AXIS_WIDTH_MIN));
    let axis = Axis::of(trace, room - notes_width);

    let mut picture = String::new();
    let mut line = |text: &str| {
        picture.push_str(text.trim_end());
        picture.push('\n');
    };
    line(&style.painted(BOLD, &headline(trace, width)));
    for row in &rows {
        let label = padded(&row.label, label_width);
        let bar = style.painted(row.colour(), &axis.bar(row.span));
        let duration = &row.duration;
        let notes = fitted(&row.notes, notes_width);
        let notes = if row.is_error() { style.painted(RED, &notes) } else { notes };
        line(&format!("{label}{GAP}{bar}{GAP}{duration:>duration_width$}{GAP}{notes}"));
    }
    for fact in facts(trace) {
        line(&fitted(&fact, width));
    }
    picture
}

impl Style {
    fn painted(self, colour: &str, text: &str) -> String {
        if self.colour && !text.is_empty() { format!("\u{1b}[{colour}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// One span's line, but for its bar.
struct Row<'a> {
    span: &'a Span,
    label: String,
    duration: String,
    notes: String,
}

impl Row<'_> {
    fn is_error(&self) -> bool {
        self.span.status == Status::Error
    }

    fn colour(&self) -> &'static str {
        let colour = RESOURCE_COLOURS.get(self.span.resource % RESOURCE_COLOURS.len());
        colour.filter(|_| !self.is_error()).copied().unwrap_or(RED)
    }
}

fn rows(trace: &Trace, label_width: usize) -> Vec<Row<'_>> {
    let keys: HashMap<_, _> = trace.spans.iter().map(|span| (span.id, span.key.as_str())).collect();
    let home = trace.spans.first().and_then(|root| service(trace, root));
    let mut rows = Vec::with_capacity(trace.spans.len());
    for Branch { span, prefix } in tree::branches(&trace.spans) {
        let service = service(trace, span).filter(|service| Some(*service) != home);
        let notes = notes(span, |link| keys.get(&link.span_id).copied().filter(|_| link.trace_id == trace.id));
        rows.push(Row {
            span,
            label: label(span, &prefix, service, label_width),
            duration: human(length(span)),
            notes,
        });
    }
    rows
}

/// Where there is not room for all, the service gives way to the span's name.
fn label(span: &Span, prefix: &str, service: Option<&str>, width: usize) -> String {
    let prefix = tree::fitted_prefix(prefix, width / 2);
    let name = fitted(&escaped(&span.name), width - width_of(&prefix));
    let room = width.saturating_sub(width_of(&prefix) + width_of(&name) + 1);
    match service {
        Some(service) if room > 1 => format!("{prefix}{} {name}", fitted(&escaped(service), room)),
        _ => format!("{prefix}{name}"),
    }
}

/// What went wrong, and the spans that this one is linked to, by the keys that are known.
fn notes<'a>(span: &Span, key_of: impl Fn(&Link) -> Option<&'a str>) -> String {
    let error_type = || found(&span.attributes, |key| key == "error.type").unwrap_or_default();
    let error = (span.status == Status::Error).then(|| format!("! {}", error_type()));
    let links = span.links.iter().map(|link| match key_of(link) {
        Some(key) => format!("↖ {}", escaped(key)),
        None => format!("↖ trace {}", short(&link.trace_id.to_string())),
    });
    let notes: Vec<_> = error.into_iter().chain(links).collect();
    notes.join(GAP).trim_end().to_owned()
}

fn headline(trace: &Trace, width: usize) -> String {
    let Some(root) = trace.spans.first() else {
        return format!("{} · no spans", short(&trace.id.to_string()));
    };
    let mut parts: Vec<String> = service(trace, root).into_iter().map(escaped).collect();
    parts.extend([
        escaped(&root.name),
        short(&trace.id.to_string()).to_owned(),
        human(length(root)),
        match trace.spans.len() {
            1 => "1 span".to_owned(),
            count => format!("{count} spans"),
        },
    ]);
    fitted(&parts.join(" · "), width)
}

fn facts(trace: &Trace) -> impl Iterator<Item = String> {
    let attributes = trace.spans.first().map_or(&[][..], |root| &root.attributes);
    let is = |word: &'static str| move |key: &str| key.rsplit('.').next() == Some(word);
    let telling: Vec<_> = TELLING
        .into_iter()
        .filter_map(|word| Some(format!("{} {}", word.replace('_', " "), found(attributes, is(word))?)))
        .collect();
    let anomalies = found(attributes, is(ANOMALIES)).map(|anomalies| format!("{ANOMALIES} {anomalies}"));
    [telling.join(" · "), anomalies.unwrap_or_default()].into_iter().filter(|fact| !fact.is_empty())
}

/// The value of the first attribute with such a key, if it is text.
fn found(attributes: &[Attribute], is_key: impl Fn(&str) -> bool) -> Option<String> {
    match &attributes.iter().find(|attribute| is_key(&attribute.key))?.value {
        Value::Text(text) => Some(escaped(text)),
        Value::Texts(texts) => Some(escaped(&texts.join(", "))),
        _ => None,
    }
}

fn service<'a>(trace: &'a Trace, span: &Span) -> Option<&'a str> {
    let attribute = trace.resources.get(span.resource)?.iter().find(|attribute| &*attribute.key == "service.name")?;
    if let Value::Text(name) = &attribute.value { Some(name) } else { None }
}

fn length(span: &Span) -> u64 {
    span.end_unix_nano.saturating_sub(span.start_unix_nano)
}

/// The first eight digits of a trace's identifier, enough to find it again.
fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::{SECOND, START, answered_call, attribute, span, text};
    use crate::span::{Event, SpanId, TraceId};

    fn plain(width: usize) -> Style {
        Style { width, colour: false }
    }

    fn has_only_lines_of(width: usize, picture: &str) -> bool {
        picture.lines().all(|line| width_of(line) <= width && line.chars().all(|character| !character.is_control()))
    }

    #[test]
    fn a_call_is_drawn_in_its_place_and_time() {
        assert_eq!(waterfall(&answered_call(1), Style::default()), include_str!("fixtures/answered_call.txt"));
    }

    #[test]
    fn a_failure_is_marked_with_its_type() {
        let mut trace = answered_call(1);
        let last = trace.spans.last_mut().expect("a span");
        last.status = Status::Error;
        last.attributes.push(text("error.type", "seatGiveUp"));
        let picture = waterfall(&trace, Style::default());
        assert!(picture.contains("! seatGiveUp  ↖ participant/0\n"), "{picture}");
    }

    #[test]
    fn a_link_into_another_trace_names_that_trace() {
        let mut trace = answered_call(1);
        let last = trace.spans.last_mut().expect("a span");
        last.links.iter_mut().for_each(|link| link.trace_id = TraceId([0xab; 16]));
        assert!(waterfall(&trace, Style::default()).contains("↖ trace abababab\n"));
    }

    #[test]
    fn colours_come_only_when_asked_for_and_nothing_else_reaches_the_terminal() {
        let mut trace = answered_call(1);
        let evil = "\u{1b}]0;owned\u{7}\r\n\u{9b}2J";
        trace.resources = vec![vec![text("service.name", evil)], vec![text("service.name", &evil.repeat(2))]];
        for span in &mut trace.spans {
            (span.name, span.key, span.status) = (evil.into(), evil.to_owned(), Status::Error);
            span.attributes = vec![text("error.type", evil), text("x.outcome", evil), text("x.anomalies", evil)];
        }
        let picture = waterfall(&trace, plain(100));
        assert!(has_only_lines_of(100, &picture), "{picture}");
        let coloured = waterfall(&trace, Style { width: 100, colour: true });
        assert_eq!(coloured.replace("\u{1b}[1m", "").replace("\u{1b}[31m", "").replace("\u{1b}[0m", ""), picture);
    }

    #[test]
    fn no_shape_of_a_trace_breaks_the_picture() {
        let mut shapes = vec![Trace { spans: Vec::new(), ..answered_call(1) }];
        let with = |change: &dyn Fn(&mut Span)| {
            let mut trace = answered_call(1);
            trace.spans.iter_mut().for_each(change);
            trace
        };
        shapes.push(with(&|span| span.end_unix_nano = span.start_unix_nano));
        shapes.push(with(&|span| (span.start_unix_nano, span.end_unix_nano) = (0, u64::MAX)));
        shapes.push(with(&|span| (span.start_unix_nano, span.end_unix_nano) = (START, 0)));
        shapes.push(with(&|span| {
            span.events.push(Event { name: "late".into(), time_unix_nano: u64::MAX, attributes: vec![] })
        }));
        shapes.push(with(&|span| span.resource = usize::MAX));
        shapes.push(with(&|span| span.parent = Some(span.id)));
        shapes.push(with(&|span| span.parent = Some(SpanId([9; 8]))));
        shapes.push(with(&|span| span.name = "张三".repeat(100).into()));
        shapes.push(with(&|span| span.attributes = vec![attribute("x.outcome", Value::Texts(vec!["y".repeat(500)]))]));
        // Each span below the one before, and the first below the last.
        let mut chain = answered_call(1);
        chain.spans = (0..=255_u8)
            .map(|number| Span { parent: Some(SpanId([number.wrapping_sub(1); 8])), ..span(number, "key", "name") })
            .collect();
        shapes.push(chain);
        for width in [0, 60, 61, 100, 300] {
            for trace in &shapes {
                let picture = waterfall(trace, plain(width));
                assert!(has_only_lines_of(width.max(WIDTH_MIN), &picture), "{picture}");
                assert!(picture.lines().count() > trace.spans.len(), "every span has its line");
            }
        }
    }

    #[test]
    fn a_long_call_and_a_child_outside_it_share_one_axis() {
        let mut trace = answered_call(1);
        trace.spans.truncate(2);
        let mut ends = [26 * 3_600, 27 * 3_600].into_iter();
        trace.spans.iter_mut().for_each(|span| span.end_unix_nano = START + ends.next().unwrap_or(0) * SECOND);
        let picture = waterfall(&trace, plain(80));
        assert!(picture.lines().nth(1).is_some_and(|root| root.contains("━·") && root.ends_with("26 h")), "{picture}");
        assert!(picture.lines().nth(2).is_some_and(|child| !child.contains('·')), "{picture}");
    }
}
