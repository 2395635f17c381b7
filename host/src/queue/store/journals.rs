//! The journals of the store, and copies of them: the library cuts a journal where it cannot read it, and says nothing.

use super::folder::Folder;
use super::recovery::Recovered;
use crate::queue::OpenError;
use rustix::fs::{SeekFrom as Place, seek};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const JOURNAL: &str = "jnl";

/// A journal is cut where it cannot be read; until it is known whether anything was lost, a copy is kept. One that is left
/// from a start that came to no end is the better one.
pub(super) fn copy(folder: &Folder) -> Result<(), OpenError> {
    for journal in all(&folder.store()) {
        let copy = folder.quarantine().join(format!("{}.copy", name_of(&journal)));
        if !copy.exists() {
            let half = copy.with_extension("half");
            let copied = copy_data(&journal, &half).and_then(|_| fs::rename(&half, &copy));
            copied.map_err(OpenError::io("copy", &journal))?;
        }
    }
    Ok(())
}

/// Keeps the copies that hold what is nowhere else, and removes the others.
pub(super) fn settle_copies(folder: &Folder, recovered: &mut Recovered) -> Result<(), OpenError> {
    let copies = listed(&folder.quarantine(), "copy");
    for (place, copy) in copies.iter().enumerate() {
        let journal = folder.store().join(copy.file_stem().unwrap_or_default());
        let is_cut = is_cut(copy, &journal).map_err(OpenError::io("read", copy))?;
        // After a crash the end of the newest one is torn.
        let is_torn = recovered.was_cut && place == 0;
        if recovered.lost > 0 || is_cut && !is_torn {
            let kept = unused(&copy.with_extension(""), "lost");
            fs::rename(copy, &kept).map_err(OpenError::io("keep", copy))?;
            tracing::error!(file = %kept.display(), code = "journal_cut", "a journal was damaged and is kept aside");
            recovered.quarantined.push(kept);
        } else {
            fs::remove_file(copy).map_err(OpenError::io("remove", copy))?;
        }
    }
    Ok(())
}

/// Copies what was ever written to a file, and leaves out the room that was only set aside.
fn copy_data(from: &Path, to: &Path) -> io::Result<()> {
    let mut from = File::open(from)?;
    let mut to = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut place = 0;
    // There is no data after the last of it, which is an error of its own.
    while let Ok(data) = seek(&from, Place::Data(place)) {
        let hole = seek(&from, Place::Hole(data))?;
        from.seek(SeekFrom::Start(data))?;
        to.seek(SeekFrom::Start(data))?;
        io::copy(&mut (&from).take(hole - data), &mut to)?;
        place = hole;
    }
    Ok(())
}

/// Whether a journal is shorter than its copy by more than room that had been set aside.
fn is_cut(copy: &Path, journal: &Path) -> io::Result<bool> {
    let length = match fs::metadata(journal) {
        Ok(found) => found.len(),
        // All of it was written to tables.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let mut rest = BufReader::new(File::open(copy)?);
    rest.seek(SeekFrom::Start(length))?;
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(false);
        }
        if bytes.iter().any(|byte| *byte != 0) {
            return Ok(true);
        }
        let count = bytes.len();
        rest.consume(count);
    }
}

/// A name in the quarantine that nothing has yet.
pub(super) fn unused(path: &Path, why: &str) -> PathBuf {
    let names = (1_u32..).map(|number| path.with_added_extension(format!("{why}-{number}")));
    names.into_iter().find(|name| !name.exists()).unwrap_or_else(|| path.to_owned())
}

/// Newest first: the last one to be written to is the first to be damaged.
pub(super) fn all(store: &Path) -> Vec<PathBuf> {
    listed(store, JOURNAL)
}

/// The journals, or their copies, in a folder, newest first.
fn listed(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let mut listed: Vec<PathBuf> = files.filter(|file| file.extension().is_some_and(|it| it == extension)).collect();
    let number = |path: &PathBuf| name_of(path).split('.').next().and_then(|number| number.parse::<u64>().ok());
    listed.sort_by_key(|path| std::cmp::Reverse(number(path)));
    listed
}

pub(super) fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
