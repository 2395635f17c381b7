//! The positions that are remembered across restarts.
//!
//! They are a JSON file, replaced as a whole: what is new is written beside it, brought to the disk, and given its name,
//! so that a crash leaves the one or the other.
//!
//! ```json
//! {"version":1,"files":[{"device":64768,"inode":1311,"position":4096,"head_bytes":256,"head_sha256":"9f…","seen":1700000000,"path":"/var/log/calls.ndjson"}]}
//! ```
//!
//! A file is known by its device and inode, which renaming does not change. Since a file system gives inodes of deleted
//! files to new ones, its first bytes, up to 256 and up to the position, have to be the same too. The path is for
//! people only.

use super::FileError;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const VERSION: u32 = 1;
/// As many of a file's first bytes tell it from others.
const HEAD_BYTES_MAX: usize = 256;
/// Files that were not seen for so long are forgotten.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Files that are remembered; of those that are not followed any more, the ones seen last.
const ENTRIES_MAX: usize = 10_000;

/// What tells one file from another while both exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

/// The first bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    head_bytes: usize,
    head_sha256: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Checkpoint {
    #[serde(flatten)]
    id: FileId,
    pub(super) position: u64,
    #[serde(flatten)]
    pub(super) head: Head,
    /// Seconds since 1970.
    seen: u64,
    path: String,
}

#[derive(Debug)]
pub(super) struct Checkpoints {
    path: PathBuf,
    entries: BTreeMap<FileId, Checkpoint>,
    is_changed: bool,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Read {
    files: Vec<Checkpoint>,
}

#[derive(Serialize)]
struct Written<'c> {
    version: u32,
    files: Vec<&'c Checkpoint>,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), inode: metadata.ino() }
    }
}

impl Head {
    /// The beginning of a file, but nothing behind the position.
    pub(super) fn of(file: &fs::File, position: u64) -> io::Result<Self> {
        let head_bytes = usize::try_from(position).unwrap_or(usize::MAX).min(HEAD_BYTES_MAX);
        let mut head = vec![0; head_bytes];
        file.read_exact_at(&mut head, 0)?;
        let head_sha256 = Sha256::digest(&head).iter().fold(String::new(), |mut hex, byte| {
            // Writing to a string cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Ok(Self { head_bytes, head_sha256 })
    }

    /// Whether the file still begins like this.
    pub(super) fn is_of(&self, file: &fs::File) -> io::Result<bool> {
        match Self::of(file, self.head_bytes as u64) {
            Ok(head) => Ok(head == *self),
            // The file has become shorter.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether there is nothing to add to it.
    pub(super) fn is_full(&self) -> bool {
        self.head_bytes >= HEAD_BYTES_MAX
    }
}

impl Checkpoints {
    /// Those of earlier runs, unless they count for nothing.
    ///
    /// # Errors
    /// When there are some that cannot be read, or their folder cannot be made.
    pub(super) fn open(path: PathBuf, ignore: bool) -> Result<Self, FileError> {
        let unusable = |reason: String| FileError::Checkpoints { path: path.clone(), reason };
        let folder = folder_of(&path);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| FileError::Save { path: path.clone(), error })?;
        let entries = match fs::read(&path) {
            _ if ignore => Vec::new(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unusable(error.to_string())),
            Ok(bytes) => {
                let broken = |error: serde_json::Error| unusable(error.to_string());
                let Version { version } = serde_json::from_slice(&bytes).map_err(broken)?;
                if version != VERSION {
                    return Err(unusable(format!("its format is version {version}, and {VERSION} is known")));
                }
                serde_json::from_slice::<Read>(&bytes).map_err(broken)?.files
            }
        };
        let entries = entries.into_iter().map(|entry| (entry.id, entry)).collect();
        Ok(Self { path, entries, is_changed: false })
    }

    pub(super) fn get(&self, id: FileId) -> Option<&Checkpoint> {
        self.entries.get(&id)
    }

    /// Remembers how far a file is settled.
    pub(super) fn set(&mut self, id: FileId, position: u64, head: &Head, path: &Path) {
        let known = self.entries.get(&id);
        self.is_changed |= known.is_none_or(|known| known.position != position || known.head != *head);
        let (path, head) = (path.display().to_string(), head.clone());
        self.entries.insert(id, Checkpoint { id, position, head, seen: now(), path });
    }

    pub(super) fn forget(&mut self, id: FileId) {
        self.is_changed |= self.entries.remove(&id).is_some();
    }

    /// Forgets the files that were not seen for long.
    pub(super) fn forget_old(&mut self) {
        let count = self.entries.len();
        let oldest = now().saturating_sub(KEPT_FOR.as_secs());
        self.entries.retain(|_, entry| entry.seen >= oldest);
        self.is_changed |= self.entries.len() < count;
    }

    /// Forgets the files that were seen longest ago, if there are too many; none that is followed.
    pub(super) fn forget_surplus(&mut self, is_followed: impl Fn(FileId) -> bool) {
        self.forget_beyond(ENTRIES_MAX, is_followed);
    }

    fn forget_beyond(&mut self, entries_max: usize, is_followed: impl Fn(FileId) -> bool) {
        let surplus = self.entries.len().saturating_sub(entries_max);
        if surplus == 0 {
            return;
        }
        let left = self.entries.values().filter(|entry| !is_followed(entry.id));
        let mut left: Vec<_> = left.map(|entry| (entry.seen, entry.id)).collect();
        left.sort_unstable();
        for (_, id) in left.into_iter().take(surplus) {
            self.forget(id);
        }
    }

    /// Writes them, if there is anything new.
    ///
    /// # Errors
    /// When they cannot be written; they count as new then.
    pub(super) fn save(&mut self) -> Result<(), FileError> {
        if self.is_changed {
            self.write().map_err(|error| FileError::Save { path: self.path.clone(), error })?;
            self.is_changed = false;
        }
        Ok(())
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&Written { version: VERSION, files: self.entries.values().collect() })?;
        let mut beside = self.path.clone().into_os_string();
        beside.push(".new");
        let beside = PathBuf::from(beside);
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        fs::File::open(folder_of(&self.path))?.sync_all()
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_saved_is_read_again_unless_it_is_ignored() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state/files.json");
        let log = folder.path().join("log");
        fs::write(&log, "one\ntwo\n").expect("written");
        let file = fs::File::open(&log).expect("opened");
        let id = FileId::of(&file.metadata().expect("it is there"));
        let head = Head::of(&file, 4).expect("read");
        let mut checkpoints = Checkpoints::open(path.clone(), false).expect("there are none");
        checkpoints.set(id, 4, &head, &log);
        checkpoints.save().expect("written");
        let read = Checkpoints::open(path.clone(), false).expect("read");
        let known = read.get(id).expect("it is known");
        assert_eq!((known.position, known.head.is_of(&file).expect("read")), (4, true));
        assert!(Checkpoints::open(path.clone(), true).expect("ignored").get(id).is_none());
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(folder_of(&path))), (0o600, 0o700));
        fs::write(&log, "another").expect("written");
        assert!(!known.head.is_of(&file).expect("read"));
        fs::write(&log, "").expect("written");
        assert!(!known.head.is_of(&file).expect("read"));
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("files.json");
        for text in ["{", "{}", r#"{"version":2}"#, r#"{"version":1,"files":[{}]}"#] {
            fs::write(&path, text).expect("written");
            let error = Checkpoints::open(path.clone(), false).expect_err("it cannot be read").to_string();
            assert!(error.contains("files.json") && error.contains("move"), "{error}");
            assert!(Checkpoints::open(path.clone(), true).is_ok());
        }
    }

    #[test]
    fn files_that_were_not_seen_for_long_are_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut checkpoints = Checkpoints::open(folder.path().join("files.json"), false).expect("there are none");
        let head = Head { head_bytes: 0, head_sha256: String::new() };
        let [old, new] = [1, 2].map(|inode| FileId { device: 1, inode });
        for id in [old, new] {
            checkpoints.set(id, 1, &head, Path::new("log"));
        }
        if let Some(entry) = checkpoints.entries.get_mut(&old) {
            entry.seen -= KEPT_FOR.as_secs() + 60;
        }
        checkpoints.forget_old();
        assert!(checkpoints.get(old).is_none() && checkpoints.get(new).is_some());
    }

    #[test]
    fn of_too_many_files_those_seen_longest_ago_are_forgotten_but_none_that_is_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut checkpoints = Checkpoints::open(folder.path().join("files.json"), false).expect("there are none");
        let head = Head { head_bytes: 0, head_sha256: String::new() };
        for inode in 0..10 {
            let id = FileId { device: 1, inode };
            checkpoints.set(id, 1, &head, Path::new("log"));
            if let Some(entry) = checkpoints.entries.get_mut(&id) {
                entry.seen -= inode * 60;
            }
        }
        checkpoints.save().expect("written");
        let is_followed = |id: FileId| id.inode == 9;
        let left = |checkpoints: &Checkpoints| checkpoints.entries.keys().map(|id| id.inode).collect::<Vec<_>>();
        checkpoints.forget_beyond(10, is_followed);
        assert_eq!((left(&checkpoints).len(), checkpoints.is_changed), (10, false));
        checkpoints.forget_beyond(4, is_followed);
        assert_eq!((left(&checkpoints), checkpoints.is_changed), (vec![0, 1, 2, 9], true));
        checkpoints.forget_beyond(0, is_followed);
        assert_eq!(left(&checkpoints), [9]);
    }

    impl Checkpoints {
        /// Makes all entries so old that they are not kept.
        pub(in crate::intake::file) fn age(&mut self) {
            self.entries.values_mut().for_each(|entry| entry.seen -= KEPT_FOR.as_secs() + 60);
        }
    }
}
