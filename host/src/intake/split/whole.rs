//! Tells at a glance that a text in memory is one record, as most are that are pushed: what [`Records`](super::Records)
//! would find in it by reading it several times, and copy.

use super::input::{BYTE_ORDER_MARK, Place, trimmed};
use super::{Found, is_json, part_of};
use bytes::Bytes;

/// Of the end of an object in which nothing may be escaped: an escape that is cut by the end of its line makes a text
/// look as if it went on.
const TAIL_BYTES: usize = 8;

/// The one record that this text is, sharing its memory if it is most of it. None says nothing: there may be one record, several or none.
///
/// It is one record if it begins like an object and stands on one line, whether it is JSON or not; or if it is an
/// object over many lines that is JSON.
#[must_use]
pub fn whole(text: &Bytes, record_bytes_max: usize) -> Option<Found> {
    if text.len() > record_bytes_max {
        return None;
    }
    let start = text.iter().position(|byte| *byte == b'{')?;
    let (before, rest) = text.split_at_checked(start)?;
    let mark = trimmed(before);
    let record = trimmed(rest);
    if !(mark.is_empty() || mark == BYTE_ORDER_MARK) || !record.ends_with(b"}") {
        return None;
    }
    let tail = record.get(record.len().saturating_sub(TAIL_BYTES)..).unwrap_or(record);
    let is_plain_line = !record.contains(&b'\n') && !tail.contains(&b'\\');
    if !is_plain_line && !is_json(record) {
        return None;
    }
    let place = Place::behind(before);
    let body = part_of(text, start..start + record.len());
    Some(Found { index: 0, line: place.line, column: place.column, body: Some(body) })
}
