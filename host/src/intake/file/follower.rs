//! All files that are followed: finds them, reads them, and remembers how far they are settled. It blocks.

use super::budget::Budget;
use super::checkpoints::{Checkpoints, FileId};
use super::followed::{Farewell, Followed};
use super::lines::Content;
use super::{FileError, ReadFrom, Settings};
use crate::record::{Record, Rejection};
use crate::telemetry::metric::{ERRORS, FILES_OPEN, RECEIVING};
use crate::telemetry::{Component, Counter, Gauge, LogLines};
use glob::Pattern;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files of one source that may be open at a time.
pub(super) const FILES_OPEN_MAX: usize = 256;
/// How often positions of files that were not seen for long are forgotten.
const FORGET_INTERVAL: Duration = Duration::from_secs(60 * 60);

pub(super) struct Follower {
    settings: Settings,
    exclude: Vec<Pattern>,
    files: BTreeMap<FileId, Followed>,
    /// Those of them that are open.
    open: BTreeSet<FileId>,
    /// Those of them that are to be opened, in their order; some may be gone since.
    waiting: VecDeque<FileId>,
    /// What is read of all of them and not settled.
    budget: Budget,
    /// Where to go on reading: for the files from this one on, there was no room the last time.
    next: Option<FileId>,
    checkpoints: Checkpoints,
    /// Those of which it was said that they cannot be read: it is said once.
    unreadable: BTreeSet<PathBuf>,
    has_looked: bool,
    log_lines: LogLines,
    /// Looks until checkpoints are searched for old ones again.
    looks_until_forgetting: u128,
    files_open: Gauge,
    unreadable_errors: Counter,
    too_long_errors: Counter,
}

/// By which a record is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) file: FileId,
    /// Its number there.
    number: u64,
    /// How much of the budget it has, even if its file has forgotten it.
    bytes: usize,
}

impl Follower {
    /// # Errors
    /// When a pattern is none, or the checkpoints cannot be used.
    pub(super) fn new(settings: Settings, component: &Component) -> Result<Self, FileError> {
        let pattern = |pattern: &String| {
            Pattern::new(pattern).map_err(|error| FileError::Pattern { pattern: pattern.clone(), error })
        };
        settings.include.iter().try_for_each(|include| pattern(include).map(drop))?;
        let exclude = settings.exclude.iter().map(pattern).collect::<Result<_, _>>()?;
        let checkpoints = Checkpoints::open(settings.checkpoints.clone(), settings.ignore_checkpoints)?;
        let errors = |code, kind| component.counter(ERRORS, &[("error_code", code), ("error_type", kind), RECEIVING]);
        Ok(Self {
            settings,
            exclude,
            files: BTreeMap::new(),
            open: BTreeSet::new(),
            waiting: VecDeque::new(),
            budget: Budget::default(),
            next: None,
            checkpoints,
            unreadable: BTreeSet::new(),
            has_looked: false,
            log_lines: LogLines::default(),
            looks_until_forgetting: 0,
            files_open: component.gauge(FILES_OPEN, &[]),
            unreadable_errors: errors("file_unreadable", "reader_failed"),
            too_long_errors: errors("line_too_long", "condition_failed"),
        })
    }

    /// Finds new files, and lets go those that have ended.
    pub(super) fn look(&mut self) {
        self.files.values_mut().for_each(|file| file.is_listed = false);
        let paths = self.paths();
        for path in &paths {
            match self.take_up(path) {
                Ok(()) => {}
                // It was deleted after it was listed, or is a link to nothing.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => self.complain(path, &error),
            }
        }
        self.has_looked = true;
        let (checkpoints, open, others_wait) = (&mut self.checkpoints, &mut self.open, !self.waiting.is_empty());
        self.files.retain(|id, file| {
            match file.farewell(others_wait) {
                Farewell::NotYet => return true,
                Farewell::Renamed => {
                    let (position, head) = file.checkpoint();
                    checkpoints.set(*id, position, head, &file.path);
                }
                Farewell::Deleted => checkpoints.forget(*id),
            }
            open.remove(id);
            if file.is_waiting {
                tracing::warn!(path = %file.path.display(), "file is gone before it was read to its end");
            } else {
                tracing::info!(path = %file.path.display(), "file has ended");
            }
            false
        });
        // Not before what is there was taken up: after a long stop, all are old.
        if self.looks_until_forgetting == 0 {
            self.checkpoints.forget_old();
            self.looks_until_forgetting = FORGET_INTERVAL.as_nanos() / self.settings.poll_interval.as_nanos().max(1);
        }
        self.looks_until_forgetting = self.looks_until_forgetting.saturating_sub(1);
        self.files_open.set(self.open.len() as u64);
    }

    /// Adds the next lines of the files whose windows have room, one file after the other, as long as there is room for
    /// all. The next time it begins where it ended.
    pub(super) fn read(&mut self, records: &mut VecDeque<(Mark, Record)>) {
        let mut waiting = self.waiting.len();
        loop {
            let opened = self.open_waiting();
            self.read_open(records);
            // Files may have been opened that had nothing to read, and give their place to others.
            waiting = waiting.saturating_sub(opened);
            if waiting == 0 || self.budget.room().is_none() || !self.may_open_waiting() {
                break;
            }
        }
        self.files_open.set(self.open.len() as u64);
    }

    fn read_open(&mut self, records: &mut VecDeque<(Mark, Record)>) {
        let mut failed = Vec::new();
        let others_wait = !self.waiting.is_empty();
        for id in self.turns() {
            let Some(room) = self.budget.room() else {
                self.next = Some(id);
                break;
            };
            let Some(file) = self.files.get_mut(&id).filter(|file| !(others_wait && file.makes_way())) else {
                continue;
            };
            let lines = match file.read(room, self.settings.line_bytes_max) {
                Ok(lines) => lines,
                Err(error) => {
                    failed.push((file.path.clone(), error));
                    continue;
                }
            };
            for (number, line) in lines {
                match line.content {
                    Content::Record(body) => {
                        let mark = Mark { file: id, number, bytes: body.len() };
                        self.budget.take(mark.bytes);
                        records.push_back((mark, Record { body, metadata: Vec::new() }));
                    }
                    Content::Blank => {}
                    Content::TooLong => {
                        self.too_long_errors.add(1);
                        let (path, offset, bytes) = (file.path.display(), line.start, line.end - line.start);
                        tracing::warn!(%path, offset, bytes, "line is too long, passing it over");
                    }
                }
            }
        }
        for (path, error) in failed {
            self.complain(&path, &error);
        }
    }

    /// Whether reading again would give more, without a file having grown.
    pub(super) fn has_more(&self) -> bool {
        let others_wait = !self.waiting.is_empty();
        let mut open = self.open.iter().filter_map(|id| self.files.get(id));
        let has_more = open.any(|file| file.has_more() && !(others_wait && file.makes_way()));
        self.budget.room().is_some() && (has_more || self.may_open_waiting())
    }

    /// A record is done with, and its file's position may pass it.
    pub(super) fn settle(&mut self, mark: Mark, rejection: Option<&Rejection>) {
        self.budget.give_back(mark.bytes);
        let Some(file) = self.files.get_mut(&mark.file) else { return };
        let offset = file.window.settle(mark.number);
        if let Some(rejection) = rejection
            && let Some(omitted) = self.log_lines.next(Instant::now())
        {
            let (path, class, code) = (file.path.display(), &rejection.class, &rejection.code);
            tracing::warn!(%path, offset, class, code, omitted, "record refused");
        }
    }

    /// Brings to the disk how far the files are settled.
    pub(super) fn save(&mut self) -> Result<(), FileError> {
        for (id, file) in &self.files {
            let (position, head) = file.checkpoint();
            self.checkpoints.set(*id, position, head, &file.path);
        }
        self.checkpoints.forget_surplus(|id| self.files.contains_key(&id));
        self.checkpoints.save()
    }

    /// Whether there is a file to open, and a place for it.
    fn may_open_waiting(&self) -> bool {
        let may_close = || self.open.iter().filter_map(|id| self.files.get(id)).any(Followed::may_close);
        !self.waiting.is_empty() && (self.open.len() < FILES_OPEN_MAX || may_close())
    }

    /// Opens files that have something to read, if need be in the place of such as can be closed. Says of how many it
    /// was tried.
    fn open_waiting(&mut self) -> usize {
        let count = self.waiting.len();
        if count == 0 {
            return 0;
        }
        let open = self.open.iter().filter_map(|id| Some((*id, self.files.get(id)?)));
        let mut closable: Vec<_> =
            open.filter(|(_, file)| file.may_close()).map(|(id, file)| (file.worth(), id)).collect();
        closable.sort_unstable();
        let mut closable = closable.into_iter().map(|(_, id)| id);
        for tried in 0..count {
            if self.open.len() >= FILES_OPEN_MAX {
                let Some(id) = closable.next() else { return tried };
                self.close(id);
            }
            if let Some(id) = self.waiting.pop_front() {
                self.reopen(id);
            }
        }
        count
    }

    fn close(&mut self, id: FileId) {
        self.open.remove(&id);
        if let Some(file) = self.files.get_mut(&id)
            && file.close()
        {
            file.is_waiting = true;
            self.waiting.push_back(id);
        }
    }

    fn reopen(&mut self, id: FileId) {
        let Some(file) = self.files.get_mut(&id).filter(|file| file.is_waiting) else { return };
        file.is_waiting = false;
        match file.reopen(id) {
            Ok(()) => {
                self.unreadable.remove(&file.path);
                self.open.insert(id);
            }
            // It was deleted or renamed; the next look will tell.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let path = file.path.clone();
                self.complain(&path, &error);
            }
        }
    }

    /// In which order files are read now.
    fn turns(&self) -> Vec<FileId> {
        let (later, sooner): (Vec<_>, Vec<_>) =
            self.open.iter().partition(|id| self.next.is_none_or(|next| **id >= next));
        [later, sooner].concat()
    }

    /// All that match, each once.
    fn paths(&mut self) -> BTreeSet<PathBuf> {
        let (mut paths, mut failed) = (BTreeSet::new(), Vec::new());
        // The patterns were checked.
        for found in self.settings.include.iter().filter_map(|include| glob::glob(include).ok()).flatten() {
            match found {
                Ok(path) if self.exclude.iter().any(|exclude| exclude.matches_path(&path)) => {}
                Ok(path) => drop(paths.insert(path)),
                Err(error) => failed.push((error.path().to_owned(), error.into())),
            }
        }
        for (path, error) in failed {
            self.complain(&path, &error);
        }
        paths
    }

    fn take_up(&mut self, path: &Path) -> io::Result<()> {
        let metadata = fs::metadata(path)?;
        if !metadata.is_file() {
            return Ok(());
        }
        if let Some(file) = self.files.get_mut(&FileId::of(&metadata)) {
            // Of several names, the first counts.
            if !file.is_listed {
                file.is_listed = true;
                path.clone_into(&mut file.path);
            }
            if !file.is_open() && !file.is_waiting && file.is_behind(&metadata) {
                file.is_waiting = true;
                self.waiting.push_back(FileId::of(&metadata));
            }
            return Ok(());
        }
        // What appears later is new from its first line on.
        let read_from = if self.has_looked { ReadFrom::Beginning } else { self.settings.read_from };
        let (id, file) = Followed::open(path, read_from, |id| self.checkpoints.get(id).cloned())?;
        tracing::info!(path = %path.display(), position = file.checkpoint().0, "following file");
        if let Entry::Vacant(place) = self.files.entry(id) {
            place.insert(file);
            self.open.insert(id);
        }
        if self.open.len() > FILES_OPEN_MAX {
            self.close(id);
        }
        self.unreadable.remove(path);
        Ok(())
    }

    fn complain(&mut self, path: &Path, error: &io::Error) {
        if self.unreadable.insert(path.to_owned()) {
            self.unreadable_errors.add(1);
            tracing::warn!(path = %path.display(), %error, "file cannot be read, trying again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn positions_of_files_that_were_moved_away_are_forgotten_while_others_are_followed() {
        let folder = TempDir::new().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let settings = Settings {
            include: vec![path("*.log").display().to_string()],
            exclude: Vec::new(),
            read_from: ReadFrom::Beginning,
            ignore_checkpoints: false,
            line_bytes_max: 100,
            poll_interval: FORGET_INTERVAL / 2,
            checkpoints: path("files.json"),
        };
        let saved = || fs::read_to_string(path("files.json")).expect("saved");
        let start = || Follower::new(settings.clone(), &Component::default()).expect("settings in order");
        for name in ["moved.log", "stays.log"] {
            fs::write(path(name), "").expect("written");
        }
        let mut follower = start();
        follower.look();
        follower.save().expect("saved");
        fs::rename(path("moved.log"), path("moved")).expect("renamed");
        let mut follower = start();
        follower.look();
        follower.checkpoints.age();
        follower.look();
        follower.save().expect("saved");
        assert!(saved().contains("moved.log") && saved().contains("stays.log"));
        follower.look();
        follower.save().expect("saved");
        assert!(!saved().contains("moved.log") && saved().contains("stays.log"));
    }
}
