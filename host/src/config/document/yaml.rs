//! YAML, event by event: nothing here calls itself, so no document can exhaust the stack.

use super::{DEPTH_MAX, Entry, Malformed, NODES_MAX, Node, Place, Scalar, Value};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use std::collections::HashMap;

/// A variable's braces are those of a table to YAML, where it stands in one.
fn hint(text: &str, at: Place) -> &'static str {
    let line = text.lines().nth(at.line.saturating_sub(1)).unwrap_or_default();
    if line.contains("${") && !line.contains("\"${") { "; within { } put quotes around \"${…}\"" } else { "" }
}

/// The one document in a text, if there is one.
pub(super) fn parse(text: &str) -> Result<Option<Node>, Malformed> {
    let mut builder = Builder::default();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let at = place(error.marker());
            let message = format!("this is no YAML: {}{}", error.info(), hint(text, at));
            Malformed { place: Some(at), message }
        })?;
        let at = place(&span.start);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(malformed(at, "a second document begins here; a configuration is one"));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let scalar = scalar(text.into_owned(), style, tag.as_deref(), at)?;
                builder.add(Built::leaf(Node { place: at, value: Value::Scalar(scalar) }), 1, anchor)?;
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(tag.as_deref(), "seq", at)?;
                builder.open(Value::List(Vec::new()), at, anchor)?;
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(tag.as_deref(), "map", at)?;
                builder.open(Value::Table(Vec::new()), at, anchor)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close()?,
            Event::Alias(anchor) => builder.alias(anchor, at)?,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    Ok(builder.root)
}

/// Puts nodes into each other.
#[derive(Default)]
struct Builder {
    root: Option<Node>,
    open: Vec<Open>,
    anchors: HashMap<usize, Built>,
    nodes: usize,
}

/// A table or a list that has not come to its end.
struct Open {
    built: Built,
    anchor: usize,
    /// The key that waits for its value.
    key: Option<(String, Place)>,
    /// The keys of a table so far, and the lines they stand on.
    keys: HashMap<String, usize>,
}

/// A node with what it weighs.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    depth: usize,
}

impl Built {
    fn leaf(node: Node) -> Self {
        Built { node, nodes: 1, depth: 0 }
    }
}

impl Builder {
    fn open(&mut self, value: Value, place: Place, anchor: usize) -> Result<(), Malformed> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(place));
        }
        if let Some(Open { built: Built { node: Node { value: Value::Table(_), .. }, .. }, key: None, .. }) =
            self.open.last()
        {
            return Err(malformed(place, "a key is a text, not a list or a table"));
        }
        self.open.push(Open { built: Built::leaf(Node { place, value }), anchor, key: None, keys: HashMap::new() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Malformed> {
        match self.open.pop() {
            Some(Open { mut built, anchor, .. }) => {
                built.depth += 1;
                if built.depth > DEPTH_MAX {
                    return Err(too_deep(built.node.place));
                }
                self.add(built, 1, anchor)
            }
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, place: Place) -> Result<(), Malformed> {
        match self.anchors.get(&anchor).cloned() {
            Some(mut built) => {
                built.node.place = place;
                let nodes = built.nodes;
                self.add(built, nodes, 0)
            }
            None => Err(malformed(place, "the anchor of this alias has not come to its end")),
        }
    }

    /// Adds what is complete to what surrounds it. What is kept for an anchor counts once more.
    fn add(&mut self, built: Built, nodes_new: usize, anchor: usize) -> Result<(), Malformed> {
        let place = built.node.place;
        let nodes_kept = if anchor == 0 { 0 } else { built.nodes };
        self.nodes = self.nodes.saturating_add(nodes_new).saturating_add(nodes_kept);
        if self.nodes > NODES_MAX {
            return Err(malformed(place, &format!("more than {NODES_MAX} values")));
        }
        if anchor != 0 {
            self.anchors.insert(anchor, built.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        open.built.nodes += built.nodes;
        open.built.depth = open.built.depth.max(built.depth);
        match (&mut open.built.node.value, open.key.take()) {
            (Value::List(items), _) => items.push(built.node),
            (Value::Table(entries), Some((key, place))) => entries.push(Entry { key, place, node: built.node }),
            (Value::Table(_), None) => {
                let Value::Scalar(scalar) = built.node.value else {
                    return Err(malformed(place, "a key is a text, not a list or a table"));
                };
                if let Some(line) = open.keys.insert(scalar.text.clone(), place.line) {
                    let message = format!("the key `{}` stands here twice; the first is on line {line}", scalar.text);
                    return Err(malformed(place, &message));
                }
                open.key = Some((scalar.text, place));
            }
            (Value::Scalar(_), _) => {}
        }
        Ok(())
    }
}

fn scalar(text: String, style: ScalarStyle, tag: Option<&Tag>, place: Place) -> Result<Scalar, Malformed> {
    let is_plain = match tag {
        None => style == ScalarStyle::Plain,
        Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => false,
        Some(tag) if tag.is_yaml_core_schema() && matches!(tag.suffix.as_str(), "bool" | "int" | "float" | "null") => {
            true
        }
        Some(_) => return Err(unknown_tag(place)),
    };
    Ok(Scalar { text, is_plain, ..Scalar::default() })
}

fn check_tag(tag: Option<&Tag>, expected: &str, place: Place) -> Result<(), Malformed> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => Err(unknown_tag(place)),
        _ => Ok(()),
    }
}

fn unknown_tag(place: Place) -> Malformed {
    malformed(place, "a tag that means nothing here; leave it out")
}

fn too_deep(place: Place) -> Malformed {
    malformed(place, &format!("more than {DEPTH_MAX} tables and lists within each other"))
}

fn malformed(place: Place, message: &str) -> Malformed {
    Malformed { place: Some(place), message: message.to_owned() }
}

/// The parser counts lines from 1 and columns from 0.
fn place(marker: &Marker) -> Place {
    Place { line: marker.line(), column: marker.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Malformed {
        parse(text).err().expect("it is refused")
    }

    #[test]
    fn keys_and_values_know_their_places() {
        let root = parse("a: 1\nb:\n  c: [x, 'y']\n").ok().flatten().expect("a document");
        let entry = root.entry("b").and_then(|entry| entry.node.entry("c")).expect("it is there");
        assert_eq!(entry.place, Place { line: 3, column: 3 });
        let Value::List(items) = &entry.node.value else { panic!("a list") };
        let places: Vec<usize> = items.iter().map(|item| item.place.column).collect();
        assert_eq!(places, [7, 10]);
    }

    #[test]
    fn a_key_that_stands_twice_is_refused_with_both_lines() {
        let error = refused("a: 1\nb: 2\na: 3\n");
        assert_eq!(error.place, Some(Place { line: 3, column: 1 }));
        assert!(error.message.contains("line 1"), "{}", error.message);
    }

    #[test]
    fn a_second_document_is_refused() {
        assert!(refused("a: 1\n---\nb: 2\n").message.contains("second document"));
        assert!(parse("---\na: 1\n...\n").is_ok());
    }

    #[test]
    fn an_alias_stands_for_its_anchor() {
        let root = parse("a: &x [1]\nb: *x\n").ok().flatten().expect("a document");
        assert!(matches!(&root.entry("b").expect("it is there").node.value, Value::List(items) if items.len() == 1));
    }

    #[test]
    fn no_document_can_grow_without_end() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        assert!(parse(&nested(DEPTH_MAX + 1)).is_err());
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        let mut tower = format!("a0: &a0 {}\n", nested(60));
        for level in 1..40 {
            let below = level - 1;
            let copies = format!("*a{below}, ").repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{copies}]\n"));
            tower.push_str(&format!("a{level}: &a{level} [[[*a{below}]]]\n"));
        }
        assert!(refused(&bomb).message.contains("values"));
        assert!(refused(&tower).message.contains("within each other"));
        assert!(parse(&"[".repeat(100_000)).is_err());
        assert!(parse(&"- ".repeat(100_000)).is_err());
        assert!(parse(&"? ".repeat(100_000)).is_err());
    }

    #[test]
    fn what_a_configuration_has_no_use_for_is_refused() {
        for text in ["[a]: 1", "{a: 1}: 2", "a: !secret x", "a: !!map []", "a: &a [*a]", "a: [", "a: 'x", "\t- a\n b"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_tag_decides_whether_a_scalar_is_a_text() {
        let root = parse("a: !!str 5\nb: !!int '5'\n").ok().flatten().expect("a document");
        let is_plain = |key: &str| {
            root.entry(key).is_some_and(|entry| matches!(&entry.node.value, Value::Scalar(scalar) if scalar.is_plain))
        };
        assert_eq!((is_plain("a"), is_plain("b")), (false, true));
    }
}
