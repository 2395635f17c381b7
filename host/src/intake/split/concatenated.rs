//! Objects that stand one behind the other on a line, with nothing between them but blanks, as some relays put them.

use super::{Found, part_of};
use bytes::Bytes;
use serde::de::IgnoredAny;

/// The records of what was found: itself, unless it is an object and at least one more. What is behind the last that is
/// JSON is one record, and is refused by itself. Beyond one more than so many, nobody looks.
pub fn concatenated(found: Found, records_max: usize) -> Vec<Found> {
    let Some(body) = found.body.as_ref().filter(|body| has_a_seam(body)) else { return vec![found] };
    let mut texts = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    let mut ends = Vec::new();
    while ends.len() <= records_max
        && let Some(Ok(IgnoredAny)) = texts.next()
    {
        ends.push(texts.byte_offset());
    }
    let last = ends.last().copied().unwrap_or_default();
    let has_rest = body.get(last..).is_some_and(|rest| !rest.trim_ascii().is_empty());
    if ends.len() + usize::from(has_rest) < 2 || ends.is_empty() {
        return vec![found];
    }
    ends.extend(has_rest.then_some(body.len()));
    let mut begin = 0;
    let records = ends.into_iter().map(|end| {
        let record = part(&found, body, begin, end);
        begin = end;
        record
    });
    records.collect()
}

/// Whether an object may end and another begin. Within a text of JSON it is told by those who parse it.
fn has_a_seam(body: &Bytes) -> bool {
    let is_followed_by_an_object = |end: usize| {
        let rest = body.get(end + 1..).unwrap_or_default();
        rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{')
    };
    body.starts_with(b"{") && memchr::memchr_iter(b'}', body).any(is_followed_by_an_object)
}

fn part(found: &Found, body: &Bytes, begin: usize, end: usize) -> Found {
    let text = body.get(begin..end).unwrap_or_default();
    let blanks = text.len() - text.trim_ascii_start().len();
    let (begin, length) = (begin + blanks, text.trim_ascii().len());
    let before = body.get(..begin).unwrap_or_default();
    let lines = before.iter().filter(|byte| **byte == b'\n').count() as u64;
    let column = match before.iter().rposition(|byte| *byte == b'\n') {
        Some(end_of_line) => (begin - end_of_line) as u64,
        None => found.column + begin as u64,
    };
    Found { index: found.index, line: found.line + lines, column, body: Some(part_of(body, begin..begin + length)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is told apart, and where.
    fn told(text: &'static str) -> Vec<(u64, u64, String)> {
        let found = Found { index: 0, line: 3, column: 5, body: Some(Bytes::from_static(text.as_bytes())) };
        let text = |body: &Bytes| String::from_utf8_lossy(body).into_owned();
        let told = concatenated(found, 3).into_iter();
        told.map(|found| (found.line, found.column, found.body.as_ref().map(text).unwrap_or_default())).collect()
    }

    fn record(line: u64, column: u64, text: &str) -> (u64, u64, String) {
        (line, column, text.to_owned())
    }

    #[test]
    fn objects_without_anything_between_them_are_records() {
        assert_eq!(
            told("{\"a\":1}{} \t{\"b\":{}}"),
            [record(3, 5, "{\"a\":1}"), record(3, 12, "{}"), record(3, 16, "{\"b\":{}}")]
        );
        assert_eq!(told("{\n}\n {}"), [record(3, 5, "{\n}"), record(5, 2, "{}")]);
    }

    #[test]
    fn what_is_broken_costs_nothing_that_stands_before_it() {
        assert_eq!(told("{}{\"a\":}{}"), [record(3, 5, "{}"), record(3, 7, "{\"a\":}{}")]);
    }

    #[test]
    fn of_too_many_just_enough_is_told_to_know_it() {
        assert_eq!(told("{}{}{}{}{}{}").len(), 5, "three may be, one is too many, and the rest is one");
    }

    #[test]
    fn one_record_stays_one_whatever_its_texts_hold() {
        for text in ["{}", "{\"a\":\"}{\"}", "{broken}{", "[{},{}]", "{\"a\":[{},{}]}", ""] {
            assert_eq!(told(text), [record(3, 5, text)]);
        }
    }
}
