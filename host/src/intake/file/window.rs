//! The lines of one file that are under way: whatever the order in which they are settled, the position that is
//! remembered passes only lines that are settled, and all before them.

use super::lines::{Content, Line, Room};
use crate::intake::under_way::{BYTES_MAX, RECORDS_MAX};
use std::collections::VecDeque;

#[derive(Debug)]
pub(super) struct Window {
    lines: VecDeque<Entry>,
    /// The number of the first of these lines. Numbers are never given twice.
    first: u64,
    /// How many of the lines are records that are not settled, and how many bytes they have.
    records: usize,
    bytes: usize,
    settled_to: u64,
}

#[derive(Debug)]
struct Entry {
    start: u64,
    end: u64,
    /// Of a record that is not settled.
    bytes: Option<usize>,
}

impl Window {
    /// Everything before this position counts as settled.
    pub(super) fn from(position: u64) -> Self {
        Self { lines: VecDeque::new(), first: 0, records: 0, bytes: 0, settled_to: position }
    }

    /// Forgets the lines under way, and begins at the start of the file.
    pub(super) fn restart(&mut self) {
        *self = Self { first: self.next(), ..Self::from(0) };
    }

    /// Behind the last line before which there is none that is not settled.
    pub(super) fn settled_to(&self) -> u64 {
        self.settled_to
    }

    pub(super) fn is_empty(&self) -> bool {
        self.records == 0
    }

    /// How much more may be read, if it is worth reading: not for every single line that is settled.
    pub(super) fn room(&self) -> Option<Room> {
        let room =
            Room { records: RECORDS_MAX.saturating_sub(self.records), bytes: BYTES_MAX.saturating_sub(self.bytes) };
        (room.records >= RECORDS_MAX / 2 && room.bytes >= BYTES_MAX / 2).then_some(room)
    }

    /// Takes in the next line, and gives its number. Only a record has to be settled.
    pub(super) fn push(&mut self, line: &Line) -> u64 {
        let number = self.next();
        let bytes = if let Content::Record(body) = &line.content { Some(body.len()) } else { None };
        self.records += usize::from(bytes.is_some());
        self.bytes += bytes.unwrap_or(0);
        self.lines.push_back(Entry { start: line.start, end: line.end, bytes });
        self.advance();
        number
    }

    /// The record of this number is settled. Gives the place where it began, unless it was forgotten.
    pub(super) fn settle(&mut self, number: u64) -> Option<u64> {
        let at = usize::try_from(number.checked_sub(self.first)?).ok()?;
        let line = self.lines.get_mut(at)?;
        let start = line.start;
        self.bytes -= line.bytes.unwrap_or(0);
        self.records -= usize::from(line.bytes.take().is_some());
        self.advance();
        Some(start)
    }

    fn next(&self) -> u64 {
        self.first + self.lines.len() as u64
    }

    fn advance(&mut self) {
        while let Some(line) = self.lines.pop_front_if(|line| line.bytes.is_none()) {
            self.settled_to = line.end;
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn record(start: u64, end: u64) -> Line {
        Line {
            start,
            end,
            content: Content::Record(Bytes::from(vec![b'x'; usize::try_from(end - start).expect("few")])),
        }
    }

    #[test]
    fn the_position_passes_only_settled_lines_in_order() {
        let mut window = Window::from(10);
        let [first, second, third] =
            [(10, 20), (20, 30), (30, 40)].map(|(start, end)| window.push(&record(start, end)));
        assert_eq!(window.settle(second), Some(20));
        assert_eq!(window.settled_to(), 10);
        assert_eq!(window.settle(first), Some(10));
        assert_eq!((window.settled_to(), window.is_empty()), (30, false));
        assert_eq!(window.settle(third), Some(30));
        assert_eq!((window.settled_to(), window.is_empty()), (40, true));
        assert_eq!(window.settle(third), None);
    }

    #[test]
    fn lines_that_are_no_records_are_passed_in_their_turn() {
        let mut window = Window::from(0);
        let number = window.push(&record(0, 10));
        window.push(&Line { start: 10, end: 11, content: Content::Blank });
        window.push(&Line { start: 11, end: 99, content: Content::TooLong });
        assert_eq!(window.settled_to(), 0);
        window.settle(number);
        assert_eq!(window.settled_to(), 99);
    }

    #[test]
    fn a_line_of_before_a_restart_is_not_taken_for_another() {
        let mut window = Window::from(0);
        let before = window.push(&record(0, 10));
        window.restart();
        window.push(&record(0, 5));
        assert_eq!((window.settle(before), window.settled_to()), (None, 0));
    }

    #[test]
    fn there_is_room_for_so_many_records_and_bytes() {
        let mut window = Window::from(0);
        assert_eq!(window.room(), Some(Room { records: RECORDS_MAX, bytes: BYTES_MAX }));
        for number in 0..RECORDS_MAX as u64 / 2 {
            assert!(window.room().is_some());
            window.push(&record(number, number + 1));
        }
        assert!(window.room().is_some());
        window.push(&record(500, 501));
        assert_eq!(window.room(), None);
        let mut window = Window::from(0);
        window.push(&record(0, BYTES_MAX as u64 / 2 + 1));
        assert_eq!(window.room(), None);
    }
}
