//! What is done once.

use anyhow::Result;
use rustix::fs::CWD;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};

pub(crate) fn put(path: &str, text: &str) -> Result<()> {
    Ok(fs::write(path, text)?)
}

pub(crate) fn append(path: &str, text: &str) -> Result<()> {
    Ok(OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())?)
}

/// Appends through a descriptor whose writes are synced by themselves.
pub(crate) fn append_synced(path: &str, text: &str) -> Result<()> {
    let dsync = i32::try_from(rustix::fs::OFlags::DSYNC.bits())?;
    let mut file = OpenOptions::new().append(true).create(true).custom_flags(dsync).open(path)?;
    Ok(file.write_all(text.as_bytes())?)
}

pub(crate) fn overwrite(path: &str, offset: u64, text: &str) -> Result<()> {
    Ok(OpenOptions::new().write(true).open(path)?.write_all_at(text.as_bytes(), offset)?)
}

pub(crate) fn set_length(path: &str, length: u64) -> Result<()> {
    Ok(OpenOptions::new().write(true).create(true).truncate(false).open(path)?.set_len(length)?)
}

pub(crate) fn copy(from: &str, to: &str) -> Result<()> {
    fs::copy(from, to)?;
    Ok(())
}

pub(crate) fn sync(path: &str) -> Result<()> {
    Ok(File::open(path)?.sync_all()?)
}

pub(crate) fn sync_data(path: &str) -> Result<()> {
    Ok(File::open(path)?.sync_data()?)
}

pub(crate) fn rename(from: &str, to: &str) -> Result<()> {
    Ok(fs::rename(from, to)?)
}

/// Renames by a system call, without libc.
pub(crate) fn rename_past_libc(from: &str, to: &str) -> Result<()> {
    Ok(rustix::fs::renameat(CWD, from, CWD, to)?)
}

pub(crate) fn remove(path: &str) -> Result<()> {
    Ok(fs::remove_file(path)?)
}

pub(crate) fn link(from: &str, to: &str) -> Result<()> {
    Ok(fs::hard_link(from, to)?)
}

pub(crate) fn symlink(from: &str, to: &str) -> Result<()> {
    Ok(std::os::unix::fs::symlink(from, to)?)
}

pub(crate) fn make_folder(path: &str) -> Result<()> {
    Ok(fs::create_dir(path)?)
}

pub(crate) fn remove_folder(path: &str) -> Result<()> {
    Ok(fs::remove_dir_all(path)?)
}
