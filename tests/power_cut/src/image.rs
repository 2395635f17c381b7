//! The durable image on the disk.
//!
//! ```text
//! root             the identity of the watched folder; written last, so an image without it was never begun
//! contents/<id>    the content of a file as of its last sync, with its permissions; absent if it was never synced
//! folders/<id>     the entries of a folder as of its last sync; absent if it was never synced
//! ```
//!
//! A folder's entries follow each other as `<kind> <id> <name> 0x00`, where the kind is `file`, `folder` or `link`; a
//! symbolic link's content is where it leads. They are replaced as a whole, by renaming. A file's content is changed in
//! place: what is in it before its sync returns may be any mixture of what was synced and what is being synced, as on a
//! disk. The process may be killed, the machine stays up, so nothing in here is ever synced itself.

use crate::identity::Identity;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// The folder that holds an image.
#[derive(Clone, Debug)]
pub struct Image {
    path: PathBuf,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: OsString,
    pub kind: Kind,
    pub identity: Identity,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    File,
    Folder,
    Link,
}

impl Image {
    /// The image in this folder, which may be empty yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Empties it; it is not valid until it has a root again.
    pub fn begin(&self) -> io::Result<()> {
        match fs::remove_file(self.root_path()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        for folder in ["contents", "folders"].map(|name| self.path.join(name)) {
            if folder.try_exists()? {
                fs::remove_dir_all(&folder)?;
            }
            fs::create_dir(&folder)?;
        }
        Ok(())
    }

    /// Makes it valid, with this folder as the watched one.
    pub fn set_root(&self, identity: &Identity) -> io::Result<()> {
        self.replace(&self.root_path(), identity.as_str().as_bytes())
    }

    /// The watched folder; nothing if the image was never begun.
    pub fn root(&self) -> io::Result<Option<Identity>> {
        let Some(bytes) = read(&self.root_path())? else { return Ok(None) };
        let identity = str::from_utf8(&bytes).ok().and_then(Identity::parse);
        identity.map(Some).ok_or_else(|| damaged(&self.root_path()))
    }

    /// Where the content of a file is, if it has any.
    pub fn content_path(&self, identity: &Identity) -> PathBuf {
        self.path.join("contents").join(identity)
    }

    /// Replaces the entries of a folder.
    pub fn set_entries(&self, folder: &Identity, entries: &[Entry]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for Entry { name, kind, identity } in entries {
            bytes.extend_from_slice(format!("{} {identity} ", kind.as_str()).as_bytes());
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
        }
        self.replace(&self.folder_path(folder), &bytes)
    }

    /// The entries of a folder; none if it was never synced.
    pub fn entries(&self, folder: &Identity) -> io::Result<Vec<Entry>> {
        let path = self.folder_path(folder);
        let Some(bytes) = read(&path)? else { return Ok(Vec::new()) };
        let entries = bytes.split_inclusive(|byte| *byte == 0).map(|entry| parse_entry(entry.strip_suffix(&[0])?));
        entries.collect::<Option<_>>().ok_or_else(|| damaged(&path))
    }

    fn folder_path(&self, identity: &Identity) -> PathBuf {
        self.path.join("folders").join(identity)
    }

    fn root_path(&self) -> PathBuf {
        self.path.join("root")
    }

    /// Replaces a file at one stroke. Callers see to it that nobody else replaces the same one.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        fs::write(&new, bytes)?;
        fs::rename(&new, path)
    }
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Folder => "folder",
            Self::Link => "link",
        }
    }

    fn parse(text: &[u8]) -> Option<Self> {
        [Self::File, Self::Folder, Self::Link].into_iter().find(|kind| kind.as_str().as_bytes() == text)
    }
}

fn parse_entry(bytes: &[u8]) -> Option<Entry> {
    let mut parts = bytes.splitn(3, |byte| *byte == b' ');
    let kind = Kind::parse(parts.next()?)?;
    let identity = Identity::parse(str::from_utf8(parts.next()?).ok()?)?;
    let name = OsStr::from_bytes(parts.next()?).to_owned();
    Some(Entry { name, kind, identity })
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn damaged(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{} is damaged", path.display()))
}
