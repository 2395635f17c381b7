//! The moment the machine comes up again.

use crate::identity::Identity;
use crate::image::{Image, Kind};
use crate::sparse;
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Replaces what the watched folder holds with exactly what the image holds. The process must have ended. It may be
/// called again for the same image; an image that was never begun, since the process was killed before it did
/// anything, leaves the folder as it is.
///
/// # Errors
///
/// When a file of either folder cannot be read or written, or the image is damaged.
pub fn restore(image: &Path, watched: &Path) -> io::Result<()> {
    let image = Image::new(image);
    let Some(root) = image.root()? else { return Ok(()) };
    for entry in fs::read_dir(watched)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Restoration { image, files: HashMap::new(), folders: HashSet::new() }.folder(&root, watched)
}

struct Restoration {
    image: Image,
    /// The first place of each file, so that its further names become links.
    files: HashMap<Identity, PathBuf>,
    /// A folder that was moved may be durable in both places, even within itself. It gets the first.
    folders: HashSet<Identity>,
}

impl Restoration {
    fn folder(&mut self, identity: &Identity, path: &Path) -> io::Result<()> {
        for entry in self.image.entries(identity)? {
            let path = path.join(&entry.name);
            match entry.kind {
                Kind::File => self.file(entry.identity, path)?,
                Kind::Folder if self.folders.insert(entry.identity.clone()) => {
                    fs::create_dir(&path)?;
                    self.folder(&entry.identity, &path)?;
                }
                Kind::Folder => {}
                Kind::Link => {
                    symlink(OsStr::from_bytes(&fs::read(self.image.content_path(&entry.identity))?), path)?;
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, identity: Identity, path: PathBuf) -> io::Result<()> {
        if let Some(first) = self.files.get(&identity) {
            return fs::hard_link(first, path);
        }
        let file = File::create_new(&path)?;
        match File::open(self.image.content_path(&identity)) {
            Ok(content) => {
                sparse::copy(&content, &file)?;
                file.set_permissions(content.metadata()?.permissions())?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.files.insert(identity, path);
        Ok(())
    }
}
