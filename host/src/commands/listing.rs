//! What commands about the queue write: aligned columns for people, JSON objects for programs.

use super::{Failure, or_reader_gone};
use serde::Serialize;
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Rows under a title for each column, each as wide as it has to be.
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(titles: &[&str]) -> Self {
        Table { rows: vec![titles.iter().map(|title| (*title).to_owned()).collect()] }
    }

    pub(super) fn add(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(super) fn print(&self) -> Result<(), Failure> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        or_reader_gone(io::stdout().lock().write_all(text.as_bytes()))
    }
}

pub(super) fn print(line: &str) -> Result<(), Failure> {
    or_reader_gone(writeln!(io::stdout().lock(), "{line}"))
}

pub(super) fn print_json(item: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(item).map_err(anyhow::Error::new)?;
    print(&text)
}

/// RFC 3339, in UTC.
pub(super) fn time(ms: u64) -> String {
    let time = UNIX_EPOCH.checked_add(Duration::from_millis(ms)).unwrap_or(UNIX_EPOCH);
    // The years after 9999 have no such form.
    if ms > 253_402_300_799_000 { "?".to_owned() } else { humantime::format_rfc3339_seconds(time).to_string() }
}

pub(super) fn millis(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// How long ago, in the largest unit that fits.
pub(super) fn age(ms: u64) -> String {
    let seconds = millis(SystemTime::now()).saturating_sub(ms) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

pub(super) fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..10_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{} GB", bytes / 1_000_000_000),
    }
}

/// `1 record`, `2 records`.
pub(super) fn count(count: u64, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

/// What a plugin, a backend or a record chose must not move the cursor.
pub(super) fn on_one_line(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_ages_and_sizes_are_for_people() {
        assert_eq!(time(1_700_000_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(time(u64::MAX), "?");
        assert_eq!(
            [999, 1_000, 999_999, 1_000_000, 10_000_000_000].map(bytes),
            ["999 B", "1 kB", "999 kB", "1 MB", "10 GB"]
        );
        let now = millis(SystemTime::now());
        assert_eq!([0, 61, 7_200, 200_000].map(|seconds| age(now - seconds * 1000)), ["0 s", "1 m", "2 h", "2 d"]);
        assert_eq!([count(1, "record"), count(2, "record")], ["1 record", "2 records"]);
        assert_eq!(on_one_line("a\u{1b}[31m\nb"), "a\u{fffd}[31m\u{fffd}b");
    }
}
