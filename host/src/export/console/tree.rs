//! The order in which spans are drawn, and the lines of the tree before their names.

use super::plain_text::width_of;
use crate::span::Span;
use std::collections::HashMap;

/// A span and what is drawn before its name.
pub(super) struct Branch<'a> {
    pub(super) span: &'a Span,
    pub(super) prefix: String,
}

/// Every span once, children below their parent in their own order. A span whose parent is not among them begins a tree
/// of its own, and so does one that is its own ancestor.
pub(super) fn branches(spans: &[Span]) -> Vec<Branch<'_>> {
    let mut places = HashMap::new();
    for (place, span) in spans.iter().enumerate() {
        places.entry(span.id).or_insert(place);
    }
    let mut children: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut roots = Vec::new();
    for (place, span) in spans.iter().enumerate() {
        match span.parent.and_then(|parent| places.get(&parent)) {
            Some(parent) if *parent != place => children.entry(*parent).or_default().push(place),
            _ => roots.push(place),
        }
    }
    let mut branches = Vec::with_capacity(spans.len());
    let mut undrawn: Vec<Option<&Span>> = spans.iter().map(Some).collect();
    // After the roots come all places again: what is left then stands in a circle.
    for root in roots.into_iter().chain(0..spans.len()) {
        let mut waiting = vec![(root, String::new(), String::new())];
        while let Some((place, prefix, below)) = waiting.pop() {
            let Some(span) = undrawn.get_mut(place).and_then(Option::take) else {
                continue;
            };
            branches.push(Branch { span, prefix });
            let children = children.remove(&place).unwrap_or_default();
            for (from_last, child) in children.into_iter().rev().enumerate() {
                let (corner, line) = if from_last == 0 { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                waiting.push((child, format!("{below}{corner}"), format!("{below}{line}")));
            }
        }
    }
    branches
}

/// A deep tree keeps the end of its lines.
pub(super) fn fitted_prefix(prefix: &str, width: usize) -> String {
    let excess = width_of(prefix).saturating_sub(width);
    if excess == 0 {
        return prefix.to_owned();
    }
    let end: String = prefix.chars().skip(excess + 1).collect();
    format!("…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::fixtures::span;
    use crate::span::SpanId;

    fn below(parent: u8, span: Span) -> Span {
        Span { parent: Some(SpanId([parent; 8])), ..span }
    }

    fn drawn(spans: &[Span]) -> Vec<String> {
        branches(spans).into_iter().map(|Branch { span, prefix }| format!("{prefix}{}", span.key)).collect()
    }

    #[test]
    fn children_are_drawn_below_their_parent_in_their_own_order() {
        let spans = [
            span(1, "root", ""),
            below(1, span(2, "first", "")),
            below(1, span(3, "last", "")),
            below(2, span(4, "inner", "")),
            below(3, span(5, "end", "")),
        ];
        assert_eq!(drawn(&spans), ["root", "├─ first", "│  └─ inner", "└─ last", "   └─ end"]);
    }

    #[test]
    fn orphans_and_circles_are_drawn_too() {
        let spans = [
            below(9, span(1, "orphan", "")),
            below(3, span(2, "egg", "")),
            below(2, span(3, "hen", "")),
            span(1, "twin", ""),
        ];
        assert_eq!(drawn(&spans), ["orphan", "twin", "egg", "└─ hen"]);
    }

    #[test]
    fn a_deep_line_keeps_its_end() {
        assert_eq!(fitted_prefix("│  │  └─ ", 9), "│  │  └─ ");
        assert_eq!(fitted_prefix("│  │  └─ ", 5), "… └─ ");
    }
}
