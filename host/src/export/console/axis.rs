//! Where in time a span is drawn.

use crate::span::{Span, Trace};

const BAR: char = '━';
const EMPTY: char = '·';
const EVENT: char = '◆';

/// The time from the earliest start to the latest end of all spans, divided into cells.
pub(super) struct Axis {
    start: u64,
    end: u64,
    cells: usize,
}

impl Axis {
    pub(super) fn of(trace: &Trace, cells: usize) -> Self {
        let start = trace.spans.iter().map(|span| span.start_unix_nano).min().unwrap_or(0);
        let end = trace.spans.iter().map(|span| span.end_unix_nano).max().unwrap_or(0);
        Self { start, end, cells }
    }

    pub(super) fn bar(&self, span: &Span) -> String {
        let first = self.cell(span.start_unix_nano);
        let last = self.cell(span.end_unix_nano.saturating_sub(1)).max(first);
        let mut bar: Vec<char> =
            (0..self.cells).map(|cell| if (first..=last).contains(&cell) { BAR } else { EMPTY }).collect();
        for event in &span.events {
            if let Some(cell) = bar.get_mut(self.cell(event.time_unix_nano)) {
                *cell = EVENT;
            }
        }
        bar.into_iter().collect()
    }

    /// Times outside are drawn at the edge.
    fn cell(&self, time: u64) -> usize {
        let whole = u128::from(self.end.saturating_sub(self.start)).max(1);
        let passed = u128::from(time.saturating_sub(self.start));
        let cell = passed * self.cells as u128 / whole;
        usize::try_from(cell).unwrap_or(usize::MAX).min(self.cells.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::{SECOND, START, answered_call, span};
    use crate::span::Event;

    fn bar(from: u64, to: u64) -> String {
        let axis = Axis { start: START, end: START + 10 * SECOND, cells: 10 };
        axis.bar(&Span {
            start_unix_nano: START + from * SECOND,
            end_unix_nano: START + to * SECOND,
            ..span(1, "key", "name")
        })
    }

    #[test]
    fn a_span_fills_the_cells_it_touches_and_at_least_one() {
        assert_eq!(bar(0, 10), "━━━━━━━━━━");
        assert_eq!(bar(2, 5), "··━━━·····");
        assert_eq!(bar(5, 5), "·····━····");
        assert_eq!(bar(10, 10), "·········━");
    }

    #[test]
    fn events_outside_are_drawn_at_the_edge() {
        let events = [0, START + 3 * SECOND, u64::MAX].map(|time_unix_nano| Event {
            name: "event".into(),
            time_unix_nano,
            attributes: Vec::new(),
        });
        let axis = Axis { start: START, end: START + 10 * SECOND, cells: 10 };
        assert_eq!(axis.bar(&Span { events: events.to_vec(), ..span(1, "key", "name") }), "◆··◆·····◆");
    }

    #[test]
    fn the_axis_holds_children_outside_the_root() {
        let mut trace = answered_call(1);
        if let Some(child) = trace.spans.last_mut() {
            child.start_unix_nano = START - SECOND;
            child.end_unix_nano = START + 27 * 3_600 * SECOND;
        }
        let axis = Axis::of(&trace, 10);
        assert_eq!((axis.start, axis.end), (START - SECOND, START + 27 * 3_600 * SECOND));
    }
}
