//! What is in a folder, and who it is.

use crate::identity::Identity;
use crate::image::{Entry, Image, Kind};
use rustix::fs::{AtFlags, Dir, FileType, StatxFlags, readlinkat, statat, statx};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::os::unix::ffi::OsStrExt as _;

/// No file system has longer handles, it is `MAX_HANDLE_SZ` of the kernel's.
const HANDLE_BYTES_MAX: usize = 128;

/// How often a folder is read that changes meanwhile.
const READINGS_MAX: usize = 1000;

/// The entries of a folder, in the order of their names; nothing if the folder was removed. Reading a folder is no single
/// step, a rename may pass it by on both sides: it is read until two readings agree.
///
/// # Errors
///
/// When it cannot be read, or does not stop changing.
pub fn entries(folder: impl AsFd) -> io::Result<Option<Vec<Entry>>> {
    let mut before = None;
    for _ in 0..READINGS_MAX {
        let now = match read(&folder) {
            Ok(entries) => entries,
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if now.is_some() && now == before {
            return Ok(now);
        }
        before = now;
    }
    Err(io::Error::other("a folder changes faster than it can be read"))
}

/// The identity of an open file or folder.
pub fn identity(file: impl AsFd) -> io::Result<Identity> {
    Ok(identity_at(&file, c"", AtFlags::EMPTY_PATH)?)
}

/// Keeps where the symbolic links among the entries lead. A link is never changed, so it is kept once.
pub fn keep_links(folder: impl AsFd, entries: &[Entry], image: &Image) -> io::Result<()> {
    for Entry { name, identity, .. } in entries.iter().filter(|entry| entry.kind == Kind::Link) {
        let path = image.content_path(identity);
        if !path.try_exists()? {
            let target = readlinkat(&folder, name, Vec::new())?;
            let new = path.with_extension("new");
            fs::write(&new, target.as_bytes())?;
            fs::rename(new, path)?;
        }
    }
    Ok(())
}

/// One reading; nothing if an entry went away during it.
fn read(folder: impl AsFd) -> Result<Option<Vec<Entry>>, Errno> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        match entry_of(&folder, name) {
            Ok(entry) => entries.extend(entry),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    entries.sort();
    Ok(Some(entries))
}

/// The entry of this name, unless it is a socket or another thing that keeps nothing.
fn entry_of(folder: impl AsFd, name: &CStr) -> Result<Option<Entry>, Errno> {
    let kind = match FileType::from_raw_mode(statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode) {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Link,
        _ => return Ok(None),
    };
    let identity = identity_at(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(Some(Entry { name: OsStr::from_bytes(name.to_bytes()).to_owned(), kind, identity }))
}

#[expect(unsafe_code, reason = "the kernel writes the handle behind a head, and rustix has no such call")]
fn identity_at(folder: impl AsFd, name: &CStr, flags: AtFlags) -> Result<Identity, Errno> {
    #[repr(C)]
    struct Handle {
        head: libc::file_handle,
        bytes: [u8; HANDLE_BYTES_MAX],
    }
    let fd = folder.as_fd().as_raw_fd();
    // This call follows no links unless it is told to, the other one the other way round.
    let handle_flags = if flags.contains(AtFlags::EMPTY_PATH) { libc::AT_EMPTY_PATH } else { 0 };
    // SAFETY: a handle is numbers, for which zero is a value.
    let mut handle: Handle = unsafe { std::mem::zeroed() };
    handle.head.handle_bytes = 128;
    let mut mount = 0;
    // SAFETY: the name ends in a zero, and behind the head there is as much room as the head says.
    let result =
        unsafe { libc::name_to_handle_at(fd, name.as_ptr(), (&raw mut handle).cast(), &raw mut mount, handle_flags) };
    if result == 0 {
        let length = usize::try_from(handle.head.handle_bytes).unwrap_or_default();
        return Ok(Identity::from_handle(handle.head.handle_type, handle.bytes.get(..length).unwrap_or_default()));
    }
    match Errno::from_io_error(&io::Error::last_os_error()) {
        // Some file systems have no handles, layered ones above all. The time of birth tells two inodes with one number
        // apart as well, unless the second was born within the same few milliseconds.
        Some(Errno::OPNOTSUPP | Errno::OVERFLOW) => {
            let status = statx(&folder, name, flags, StatxFlags::INO | StatxFlags::BTIME)?;
            let birth = i128::from(status.stx_btime.tv_sec) << 32 | i128::from(status.stx_btime.tv_nsec);
            Ok(Identity::from_handle(-1, &[&status.stx_ino.to_be_bytes()[..], &birth.to_be_bytes()].concat()))
        }
        Some(error) => Err(error),
        None => Err(Errno::IO),
    }
}
