//! What a store has on disk: finding its files, damaging them, and how much space they take.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Bytes that the file system has allocated; a sparse file counts with what was written.
pub(crate) fn allocated_bytes(folder: &Path) -> u64 {
    all(folder).iter().filter_map(|path| path.metadata().ok()).map(|file| file.blocks() * 512).sum()
}

pub(crate) fn count(folder: &Path) -> usize {
    all(folder).len()
}

pub(crate) fn largest_with(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<Option<PathBuf>> {
    let files = all(folder).into_iter().filter(|path| wanted(path));
    Ok(files.max_by_key(|path| path.metadata().map_or(0, |file| file.len())))
}

pub(crate) fn newest_with(folder: &Path, wanted: impl Fn(&Path) -> bool) -> Result<PathBuf> {
    let files = all(folder).into_iter().filter(|path| wanted(path));
    files.max_by_key(|path| path.metadata().and_then(|file| file.modified()).ok()).context("a log file")
}

/// Where the bytes of a file end; logs are allocated ahead and zero from there on.
pub(crate) fn written_bytes(path: &Path) -> Result<u64> {
    let bytes = fs::read(path)?;
    Ok(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1))
}

pub(crate) fn positions(path: &Path, of: &[u8]) -> Result<Vec<u64>> {
    let bytes = fs::read(path)?;
    let windows = bytes.windows(of.len()).enumerate().filter(|(_, window)| *window == of);
    Ok(windows.map(|(at, _)| at as u64).collect())
}

pub(crate) fn flip(path: &Path, at: u64) -> Result<()> {
    let file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at)?;
    Ok(file.write_all_at(&[byte[0] ^ 0x20], at)?)
}

pub(crate) fn cut(path: &Path, at: u64) -> Result<()> {
    Ok(File::options().write(true).open(path)?.set_len(at)?)
}

/// Zeroes the rest of what was written, as a file that was allocated ahead looks after a torn write.
pub(crate) fn zero(path: &Path, from: u64) -> Result<()> {
    let length = written_bytes(path)?.saturating_sub(from);
    Ok(File::options().write(true).open(path)?.write_all_at(&vec![0; usize::try_from(length)?], from)?)
}

pub(crate) fn copy(from: &Path, to: &Path) -> Result<()> {
    for path in all(from) {
        let target = to.join(path.strip_prefix(from)?);
        fs::create_dir_all(target.parent().context("inside the folder")?)?;
        fs::copy(path, target)?;
    }
    Ok(())
}

fn all(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    // A store may remove files meanwhile.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => found.extend(all(&entry.path())),
            Ok(kind) if kind.is_file() => found.push(entry.path()),
            _ => {}
        }
    }
    found
}
