//! Text for a terminal: harmless, of a known width, and short.

use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const NANOSECONDS_PER_SECOND: u64 = 1_000_000_000;

/// The text with all that a terminal could obey, or that would reorder the line, written as escapes.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut escaped, character| {
        if is_harmless(character) {
            escaped.push(character);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "{}", character.escape_default());
        }
        escaped
    })
}

/// Not harmless are control characters, line and paragraph separators, and the invisible ones that change the direction
/// of text or join it.
fn is_harmless(character: char) -> bool {
    !character.is_control()
        && !matches!(character, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Columns: a Chinese character takes two.
pub(super) fn width_of(text: &str) -> usize {
    text.width()
}

/// The text, or its beginning and an ellipsis.
pub(super) fn fitted(text: &str, width: usize) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let mut fitted: String = text
        .chars()
        .take_while(|character| {
            let rest = room.checked_sub(character.width().unwrap_or(0));
            room = rest.unwrap_or(0);
            rest.is_some()
        })
        .collect();
    fitted.push('…');
    fitted
}

pub(super) fn padded(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(width_of(text))))
}

/// A length of time as people say it: `45 s`, `2 m 10 s`, `26 h 3 m`. A nanosecond is how a span of no length is
/// written, so it counts as none.
pub(super) fn human(nanoseconds: u64) -> String {
    let seconds = nanoseconds / NANOSECONDS_PER_SECOND;
    let two = |large: u64, large_unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{large} {large_unit}"),
        _ => format!("{large} {large_unit} {small} {small_unit}"),
    };
    match (seconds, nanoseconds) {
        (0, 0..=1) => "0 s".to_owned(),
        (0, 0..1_000) => format!("{nanoseconds} ns"),
        (0, 0..1_000_000) => format!("{} µs", nanoseconds / 1_000),
        (0, _) => format!("{} ms", nanoseconds / 1_000_000),
        (1..60, _) => match nanoseconds % NANOSECONDS_PER_SECOND / 100_000_000 {
            0 => format!("{seconds} s"),
            tenths => format!("{seconds}.{tenths} s"),
        },
        (60..3_600, _) => two(seconds / 60, "m", seconds % 60, "s"),
        _ => two(seconds / 3_600, "h", seconds % 3_600 / 60, "m"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_could_obey_is_escaped() {
        assert_eq!(escaped("\u{1b}[31m\r\n\0\u{9b}"), r"\u{1b}[31m\r\n\u{0}\u{9b}");
        assert_eq!(escaped("a\u{202e}b\u{2066}"), r"a\u{202e}b\u{2066}");
        assert_eq!(escaped("Zhang 张三 é"), "Zhang 张三 é");
    }

    #[test]
    fn text_is_cut_by_columns() {
        assert_eq!(fitted("abcde", 5), "abcde");
        assert_eq!(fitted("abcdef", 5), "abcd…");
        assert_eq!(fitted("张三李四", 5), "张三…");
        assert_eq!(fitted("张三李四", 4), "张…");
        assert_eq!(padded("张", 4), "张  ");
    }

    #[test]
    fn a_length_of_time_reads_as_people_say_it() {
        let cases = [
            (0, "0 s"),
            (1, "0 s"),
            (999, "999 ns"),
            (12_345, "12 µs"),
            (250_000_000, "250 ms"),
            (1_500_000_000, "1.5 s"),
            (45 * NANOSECONDS_PER_SECOND, "45 s"),
            (60 * NANOSECONDS_PER_SECOND, "1 m"),
            (130 * NANOSECONDS_PER_SECOND, "2 m 10 s"),
            (93_780 * NANOSECONDS_PER_SECOND, "26 h 3 m"),
        ];
        for (nanoseconds, expected) in cases {
            assert_eq!(human(nanoseconds), expected);
        }
        assert!(human(u64::MAX).ends_with('m'));
    }
}
