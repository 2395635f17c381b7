//! The folder that compiled plugins are kept in, held open: what was checked of it is what is read and written.

use rustix::fs::{AtFlags, Mode, OFlags, fchmod, fstat, mkdir, open, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

const ROOT: u32 = 0;

/// A folder that nobody but this user and root can have written to.
pub(super) struct Folder {
    descriptor: OwnedFd,
}

/// Who may read what is kept. Compiled code is no secret: it holds what the component holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// This user.
    Own,
    /// Everybody: what root makes for a service of another user.
    All,
}

impl Folder {
    /// The folder at this path; none when nothing is there.
    pub(super) fn open(path: &Path) -> io::Result<Option<Self>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let descriptor = match open(path, flags, Mode::empty()) {
            Ok(descriptor) => descriptor,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => {
                return Err(io::Error::other("it is a symbolic link or no folder; give a folder by its own path"));
            }
            Err(error) => return Err(error.into()),
        };
        let status = fstat(&descriptor)?;
        let (owner, mode, user) = (status.st_uid, status.st_mode, geteuid().as_raw());
        if !is_folder_of_trust(owner, mode, user) {
            let found = format!("it belongs to user {owner} and has mode {:o}", mode & 0o7777);
            return Err(io::Error::other(format!(
                "{found}; it has to belong to user {user} with mode 700 (chown, chmod), or to root and be written by \
                 nobody else (chmod go-w)"
            )));
        }
        Ok(Some(Folder { descriptor }))
    }

    /// The same, made if it is not there.
    pub(super) fn make(path: &Path, readers: Readers) -> io::Result<Self> {
        let mode = match readers {
            Readers::Own => 0o700,
            Readers::All => 0o755,
        };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            DirBuilder::new().recursive(true).mode(mode).create(parent)?;
        }
        let was_made = match mkdir(path, Mode::from_raw_mode(mode)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(error) => return Err(error.into()),
        };
        let folder = Self::open(path)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        if was_made {
            // Whatever the process's mask took away.
            fchmod(&folder.descriptor, Mode::from_raw_mode(mode))?;
        }
        Ok(folder)
    }

    /// What a file in it holds, read once; none when it is not there.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
        // A pipe would have the opening wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(descriptor) => File::from(descriptor),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err(io::Error::other("the file is a symbolic link")),
            Err(error) => return Err(error.into()),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() || !is_file_of_trust(metadata.uid(), metadata.mode(), geteuid().as_raw()) {
            return Err(io::Error::other("the file belongs to somebody else, or others may write it"));
        }
        let mut bytes = Vec::new();
        file.take(bytes_max).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Puts a file in place, whole or not at all.
    pub(super) fn write(&self, name: &str, parts: &[&[u8]], readers: Readers) -> io::Result<()> {
        let unfinished = format!("{name}.{}.unfinished", std::process::id());
        let mode = Mode::from_raw_mode(match readers {
            Readers::Own => 0o600,
            Readers::All => 0o644,
        });
        let write = || {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mut file = File::from(openat(&self.descriptor, &unfinished, flags, mode)?);
            for part in parts {
                file.write_all(part)?;
            }
            fchmod(&file, mode)?;
            Ok(renameat(&self.descriptor, &unfinished, &self.descriptor, name)?)
        };
        write().inspect_err(|_| {
            // What could not be written is of no use; that it may not be there to be removed is no further error.
            let _removed = unlinkat(&self.descriptor, &unfinished, AtFlags::empty());
        })
    }
}

/// This user's own folder is closed to others. Root's may be read by all: whoever is root could exchange this program
/// as well.
fn is_folder_of_trust(owner: u32, mode: u32, user: u32) -> bool {
    match owner {
        ROOT => mode & 0o022 == 0,
        _ => owner == user && mode & 0o077 == 0,
    }
}

fn is_file_of_trust(owner: u32, mode: u32, user: u32) -> bool {
    (owner == user || owner == ROOT) && mode & 0o022 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: u32 = 1000;
    const OTHER: u32 = 1001;

    #[test]
    fn a_folder_is_trusted_by_its_owner_and_its_mode() {
        for (owner, mode, is_trusted) in [
            (USER, 0o700, true),
            (USER, 0o500, true),
            (USER, 0o755, false),
            (USER, 0o710, false),
            (ROOT, 0o700, true),
            (ROOT, 0o755, true),
            (ROOT, 0o775, false),
            (ROOT, 0o757, false),
            (ROOT, 0o1777, false),
            (OTHER, 0o700, false),
            (OTHER, 0o755, false),
        ] {
            assert_eq!(is_folder_of_trust(owner, mode, USER), is_trusted, "{owner} {mode:o}");
        }
        assert!(!is_folder_of_trust(USER, 0o700, ROOT), "root takes no code of other users");
    }

    #[test]
    fn a_file_is_trusted_by_its_owner_and_its_mode() {
        for (owner, mode, is_trusted) in [
            (USER, 0o600, true),
            (USER, 0o644, true),
            (USER, 0o620, false),
            (ROOT, 0o644, true),
            (ROOT, 0o664, false),
            (ROOT, 0o646, false),
            (OTHER, 0o600, false),
            (OTHER, 0o644, false),
        ] {
            assert_eq!(is_file_of_trust(owner, mode, USER), is_trusted, "{owner} {mode:o}");
        }
        assert!(!is_file_of_trust(USER, 0o600, ROOT), "root takes no code of other users");
    }
}
