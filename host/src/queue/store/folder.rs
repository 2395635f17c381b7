//! The folder of a queue: who may look into it, who has it, and which format it is in.
//!
//! ```text
//! queue/
//!   LOCK         held while a process uses the folder; says which
//!   FORMAT       `callspan queue 1`
//!   WATERMARK    the id after the last record that was synced, see `watermark.rs`
//!   store/       the tables
//!   quarantine/  what was damaged
//! ```

use crate::queue::OpenError;
use rustix::process::geteuid;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The format that this version writes, and the latest it reads.
pub(in crate::queue) const FORMAT: u32 = 1;

const LOCK_FILE: &str = "LOCK";
const FORMAT_FILE: &str = "FORMAT";
const STORE: &str = "store";
const FORMAT_WORDS: &str = "callspan queue ";
const PRIVATE_FOLDER: u32 = 0o700;
const PRIVATE_FILE: u32 = 0o600;
const OTHERS: u32 = 0o077;
/// More is no lock and no format.
const TEXT_BYTES_MAX: u64 = 64;

/// A folder that this process has, until it is dropped.
#[derive(Debug)]
pub(in crate::queue) struct Folder {
    path: PathBuf,
    /// Held, not looked at.
    _lock: File,
}

impl Folder {
    /// Takes the folder, and makes it if it is not there.
    ///
    /// # Errors
    /// When others may look into it, another process has it, or its format is not known.
    pub(in crate::queue) fn open(path: &Path) -> Result<Self, OpenError> {
        make(path)?;
        check(path)?;
        let lock = lock(path)?;
        let folder = Folder { path: path.to_owned(), _lock: lock };
        folder.check_format()?;
        make(&folder.quarantine())?;
        Ok(folder)
    }

    pub(in crate::queue) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the tables are.
    pub(in crate::queue) fn store(&self) -> PathBuf {
        self.path.join(STORE)
    }

    /// Where damaged files are put.
    pub(in crate::queue) fn quarantine(&self) -> PathBuf {
        self.path.join("quarantine")
    }

    fn check_format(&self) -> Result<(), OpenError> {
        if has_format(&self.path)? {
            return Ok(());
        }
        let file = self.path.join(FORMAT_FILE);
        self.write_format(&file).map_err(OpenError::io("write", &file))
    }

    /// Either the whole file is there afterwards, or none.
    fn write_format(&self, file: &Path) -> io::Result<()> {
        let new = self.path.join("FORMAT.new");
        let mut writer = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(&new)?;
        writer.write_all(format!("{FORMAT_WORDS}{FORMAT}\n").as_bytes())?;
        writer.sync_all()?;
        fs::rename(&new, file)?;
        File::open(&self.path)?.sync_all()
    }
}

/// What somebody finds who looks at a folder and does not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Examined {
    /// It is not there yet.
    Absent,
    /// A queue could be opened in it.
    Free,
    /// It is used by this process, as far as it says so.
    InUse {
        /// Its id.
        process: Option<u32>,
    },
}

/// Looks at the folder of a queue. Nothing in it is changed.
///
/// # Errors
/// When others may look into it, or its format is not known.
pub fn examine(path: &Path) -> Result<Examined, OpenError> {
    match check(path) {
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Examined::Absent),
        checked => checked?,
    }
    has_format(path)?;
    let lock = path.join(LOCK_FILE);
    let file = match File::open(&lock) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Examined::Free),
        Err(error) => return Err(OpenError::io("open", &lock)(error)),
    };
    // Given back at once. It is shared, so that two who look are not in each other's way.
    match file.try_lock_shared() {
        Ok(()) => Ok(Examined::Free),
        Err(TryLockError::WouldBlock) => Ok(Examined::InUse { process: holder(&lock) }),
        Err(TryLockError::Error(error)) => Err(OpenError::io("lock", &lock)(error)),
    }
}

/// Whether the folder says its format, which then is a known one; a new folder does not.
fn has_format(folder: &Path) -> Result<bool, OpenError> {
    let file = folder.join(FORMAT_FILE);
    let text = match read_text(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !folder.join(STORE).exists() => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(OpenError::io("read", &file)(error)),
    };
    let format = text.trim_end().strip_prefix(FORMAT_WORDS).and_then(|number| number.parse::<u32>().ok());
    match format {
        Some(1..=FORMAT) => Ok(true),
        Some(found) if found > FORMAT => Err(OpenError::Newer { folder: folder.to_owned(), found, known: FORMAT }),
        _ => Err(OpenError::NoFormat { file, folder: folder.to_owned() }),
    }
}

/// The process that has a lock.
fn holder(lock: &Path) -> Option<u32> {
    read_text(lock).ok()?.trim_end().parse().ok()
}

/// A folder for this user alone, with those above it. Its name is on disk afterwards: all that is synced within is lost
/// with it.
fn make(path: &Path) -> Result<(), OpenError> {
    let missing = path.ancestors().skip(1).take_while(|folder| !folder.exists()).count();
    let made = DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(path);
    made.map_err(OpenError::io("make the folder", path))?;
    for parent in path.ancestors().skip(1).take(1 + missing) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        // One that may not be read cannot be asked for that.
        if let Ok(folder) = File::open(parent) {
            folder.sync_all().map_err(OpenError::io("sync the folder", parent))?;
        }
    }
    Ok(())
}

/// Call records hold numbers and names: nobody else may look.
fn check(path: &Path) -> Result<(), OpenError> {
    let found = fs::metadata(path).map_err(OpenError::io("look at", path))?;
    let not_private =
        |problem: String, remedy: String| OpenError::NotPrivate { path: path.to_owned(), problem, remedy };
    let user = geteuid().as_raw();
    if found.uid() != user {
        let remedy = format!("sudo -u '#{}' callspan", found.uid());
        return Err(not_private(format!("belongs to user {}, and this process is user {user}", found.uid()), remedy));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        let remedy = format!("chmod -R go= {}", path.display());
        return Err(not_private(format!("can be used by others (mode {mode:03o})"), remedy));
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File, OpenError> {
    let path = folder.join(LOCK_FILE);
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(&path);
    let mut file = options.map_err(OpenError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let by = holder(&path).map_or_else(|| "another process".to_owned(), |process| format!("process {process}"));
            return Err(OpenError::InUse { folder: folder.to_owned(), by });
        }
        Err(TryLockError::Error(error)) => return Err(OpenError::io("lock", &path)(error)),
    }
    let noted = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    noted.map_err(OpenError::io("write", &path))?;
    file.set_permissions(Permissions::from_mode(PRIVATE_FILE)).map_err(OpenError::io("protect", &path))?;
    Ok(file)
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(TEXT_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let outer = tempfile::tempdir().expect("a folder");
        let path = outer.path().join("data/queue");
        (outer, path)
    }

    fn error(path: &Path) -> String {
        Folder::open(path).expect_err("it cannot be used").to_string()
    }

    #[test]
    fn a_new_folder_is_private_and_can_be_opened_again() {
        let (_outer, path) = folder();
        drop(Folder::open(&path).expect("a new one"));
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join("LOCK")), mode(&path.join("FORMAT"))), (0o700, 0o600, 0o600));
        assert_eq!(fs::read_to_string(path.join("FORMAT")).expect("it is there"), "callspan queue 1\n");
        assert!(Folder::open(&path).is_ok());
    }

    #[test]
    fn a_folder_belongs_to_one_at_a_time() {
        let (_outer, path) = folder();
        let first = Folder::open(&path).expect("a new one");
        let second = Folder::open(&path).expect_err("the first one has it");
        assert!(second.is_in_use());
        assert!(second.to_string().contains(&format!("in use by process {}", std::process::id())), "{second}");
        drop(first);
        assert!(Folder::open(&path).is_ok());
    }

    #[test]
    fn a_folder_that_others_can_use_is_refused_with_what_to_do() {
        let (_outer, path) = folder();
        drop(Folder::open(&path).expect("a new one"));
        for mode in [0o701, 0o710, 0o740, 0o777] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
            let error = error(&path);
            assert!(error.contains(&format!("mode {mode:03o}")) && error.contains("chmod -R go= "), "{error}");
        }
        fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("it is ours");
        assert!(Folder::open(&path).is_ok());
    }

    /// Whoever may not use the folder is told as whom the command is to be run.
    #[test]
    fn a_folder_of_another_user_is_refused_with_what_to_do() {
        let (outer, path) = folder();
        drop(Folder::open(&path).expect("a new one"));
        // Root alone can give a folder away; everybody else finds one that is root's.
        let (path, user) = if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65_534), None).expect("we are root");
            (path, 65_534)
        } else {
            (PathBuf::from("/"), 0)
        };
        let error = error(&path);
        assert!(error.contains(&format!("belongs to user {user}")), "{error}");
        assert!(error.contains(&format!("sudo -u '#{user}' callspan")), "{error}");
        drop(outer);
    }

    #[test]
    fn a_newer_format_is_refused_and_none_too() {
        let (_outer, path) = folder();
        drop(Folder::open(&path).expect("a new one"));
        fs::write(path.join("FORMAT"), "callspan queue 2\n").expect("it can be written");
        let newer = error(&path);
        assert!(newer.contains("newer callspan, in format 2; this one knows formats up to 1"), "{newer}");
        for text in ["", "callspan queue", "callspan queue 0\n", "callspan queue x\n", "something else\n"] {
            fs::write(path.join("FORMAT"), text).expect("it can be written");
            assert!(error(&path).contains("does not say which format"), "{text}");
        }
        fs::remove_file(path.join("FORMAT")).expect("it is there");
        fs::create_dir(path.join("store")).expect("a store of nobody knows which format");
        assert!(error(&path).contains("does not say which format"));
    }
}
