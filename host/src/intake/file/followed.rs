//! One file that is followed: while it is open, it is read to its end whatever becomes of its name. If others need the
//! room, it is closed between two readings, and everything but the handle stays.

use super::ReadFrom;
use super::checkpoints::{Checkpoint, FileId, Head};
use super::lines::{Line, Lines, Room};
use super::window::Window;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// A file that was renamed may still be written to by whoever has it open. After so long without a new line it is let
/// go; its position stays remembered.
const QUIET_FOR: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Followed {
    pub(super) path: PathBuf,
    pub(super) window: Window,
    /// Whether the last look at the folders found it.
    pub(super) is_listed: bool,
    /// Whether it is closed and has something to read.
    pub(super) is_waiting: bool,
    file: Option<fs::File>,
    /// Whether nothing will follow the last line, so that it is taken without its line break.
    takes_rest: bool,
    turn: Turn,
    lines: Lines,
    head: Head,
    /// What the file was like when it was last read.
    version: Option<Version>,
    read_at: Instant,
}

/// Whether a file was read since it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Due,
    Taken,
    Failed,
}

/// What tells a file that has something new from one that has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    length: u64,
    /// Not every file system knows it.
    modified: Option<SystemTime>,
}

/// Whether a file that is listed no more can be let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Farewell {
    NotYet,
    /// It has another name now, and may come back under it.
    Renamed,
    Deleted,
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        Self { length: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl Followed {
    /// Opens a file to go on where it was left, or else to begin.
    pub(super) fn open(
        path: &Path,
        read_from: ReadFrom,
        known: impl Fn(FileId) -> Option<Checkpoint>,
    ) -> io::Result<(FileId, Self)> {
        let (file, metadata) = open(path)?;
        let id = FileId::of(&metadata);
        let position = match (known(id), read_from) {
            (Some(known), _) if metadata.len() >= known.position && known.head.is_of(&file)? => known.position,
            (Some(_), _) => {
                tracing::warn!(path = %path.display(), "file is not the one that was remembered, beginning at its start");
                0
            }
            (None, ReadFrom::Beginning) => 0,
            (None, ReadFrom::End) => behind_last_line(&file, metadata.len())?,
        };
        let head = Head::of(&file, position)?;
        let (lines, window) = (Lines::from(position), Window::from(position));
        let (path, read_at) = (path.to_owned(), Instant::now());
        let (file, turn) = (Some(file), Turn::Due);
        let (is_listed, is_waiting, takes_rest, version) = (true, false, false, None);
        Ok((id, Self { path, window, is_listed, is_waiting, file, takes_rest, turn, lines, head, version, read_at }))
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// Whether it would lose nothing if it were closed: it had its turn, and nothing is under way. One that is listed
    /// no more could not be opened again.
    pub(super) fn may_close(&self) -> bool {
        self.is_open() && self.is_listed && self.turn != Turn::Due && self.window.is_empty()
    }

    /// The least is closed first: the one that was quiet for longest, and last of all one whose last line is not
    /// complete.
    pub(super) fn worth(&self) -> (bool, Instant) {
        (self.has_rest(), self.read_at)
    }

    /// Gives up the handle. Says whether the file has more to read already.
    pub(super) fn close(&mut self) -> bool {
        let metadata = self.file.take().and_then(|file| file.metadata().ok());
        self.turn != Turn::Failed && metadata.is_some_and(|metadata| self.is_behind(&metadata))
    }

    /// Opens it again, unless its name is another's by now.
    pub(super) fn reopen(&mut self, id: FileId) -> io::Result<()> {
        let (file, metadata) = open(&self.path)?;
        if FileId::of(&metadata) != id {
            return Err(io::ErrorKind::NotFound.into());
        }
        (self.file, self.turn) = (Some(file), Turn::Due);
        Ok(())
    }

    /// Whether it was not read to its end, or has changed since.
    pub(super) fn is_behind(&self, metadata: &Metadata) -> bool {
        !self.lines.is_at_end() || self.version != Some(Version::of(metadata))
    }

    /// Whether it is to read no more for now, so that it can be closed for others once what is under way is settled.
    /// What is listed no more is read to its end.
    pub(super) fn makes_way(&self) -> bool {
        self.is_listed && self.turn != Turn::Due && !self.window.is_empty()
    }

    /// The next lines, each with its number in the window, as many as there is room for, here and among all files.
    pub(super) fn read(&mut self, room: Room, line_bytes_max: usize) -> io::Result<Vec<(u64, Line)>> {
        let Some(room) = self.window.room().map(|own| own.min(room)) else { return Ok(Vec::new()) };
        let Some(file) = &self.file else { return Ok(Vec::new()) };
        self.turn = Turn::Failed;
        let version = Version::of(&file.metadata()?);
        if self.version == Some(version) && self.lines.is_at_end() && !self.takes_rest {
            self.turn = Turn::Taken;
            return Ok(Vec::new());
        }
        if version.length < self.lines.position() || !self.head.is_of(file)? {
            tracing::warn!(path = %self.path.display(), "file was cut off or written anew, beginning at its start again");
            self.lines = Lines::default();
            self.window.restart();
            self.head = Head::of(file, 0)?;
        }
        let mut lines = self.lines.read(file, room, line_bytes_max)?;
        if self.takes_rest && lines.is_empty() && self.lines.is_at_end() {
            lines.extend(self.lines.rest(file, line_bytes_max)?);
            self.takes_rest = false;
        }
        if !lines.is_empty() || self.version != Some(version) {
            self.read_at = Instant::now();
        }
        // It may have grown since; then it is looked at again.
        self.version = Some(version);
        if !self.head.is_full() {
            self.head = Head::of(file, self.lines.position())?;
        }
        self.turn = Turn::Taken;
        Ok(lines.into_iter().map(|line| (self.window.push(&line), line)).collect())
    }

    /// Whether there are lines that wait for room.
    pub(super) fn has_more(&self) -> bool {
        self.is_open() && !self.lines.is_at_end() && self.window.room().is_some()
    }

    /// What is to be remembered of it.
    pub(super) fn checkpoint(&self) -> (u64, &Head) {
        (self.window.settled_to(), &self.head)
    }

    /// What a network file system has lost is as good as renamed, and so is what was closed. If others wait to be
    /// opened, a renamed file is not waited for, unless its last line is not complete. Such a line is to be read first.
    pub(super) fn farewell(&mut self, others_wait: bool) -> Farewell {
        if self.is_listed {
            self.takes_rest = false;
            return Farewell::NotYet;
        }
        let Some(Ok(metadata)) = self.file.as_ref().map(fs::File::metadata) else { return Farewell::Renamed };
        let is_done = self.lines.is_at_end() && self.version == Some(Version::of(&metadata)) && self.window.is_empty();
        let is_quiet = self.read_at.elapsed() >= QUIET_FOR;
        let farewell = match metadata.nlink() {
            _ if !is_done => Farewell::NotYet,
            0 => Farewell::Deleted,
            _ if is_quiet || others_wait && !self.has_rest() => Farewell::Renamed,
            _ => Farewell::NotYet,
        };
        if farewell != Farewell::NotYet && self.has_rest() {
            self.takes_rest = true;
            return Farewell::NotYet;
        }
        farewell
    }

    /// Whether the last line is not complete.
    fn has_rest(&self) -> bool {
        self.version.is_some_and(|version| self.lines.has_rest(version.length))
    }
}

/// Without waiting for the other end of a pipe.
fn open(path: &Path) -> io::Result<(fs::File, Metadata)> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = fs::OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::Unsupported.into());
    }
    Ok((file, metadata))
}

/// The beginning of the last line, if that is not complete yet, or else the end.
fn behind_last_line(file: &fs::File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut chunk = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(chunk.len() as u64);
        let count = usize::try_from(end - start).unwrap_or(chunk.len());
        let bytes = chunk.get_mut(..count).unwrap_or_default();
        file.read_exact_at(bytes, start)?;
        if let Some(at) = bytes.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
