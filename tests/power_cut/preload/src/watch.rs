//! What is watched: one folder, the image of it, and the files in it that are known.

use crate::inode::Inode;
use crate::{give_up, lock};
use callspan_power_cut::identity::Identity;
use callspan_power_cut::image::{Entry, Image, Kind};
use callspan_power_cut::{IMAGE_VARIABLE, PRELOAD_VARIABLE, WATCHED_VARIABLE, folder, sparse};
use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

static WATCH: OnceLock<Watch> = OnceLock::new();

pub(crate) struct Watch {
    folder: PathBuf,
    image: Image,
    /// Inodes live as long as the process: what was written to a file must be synced even if it was closed since.
    inodes: Mutex<HashMap<Identity, &'static Inode>>,
    /// Held while a folder is read and its entries replaced, lest an older reading replaces a newer one.
    folders: Mutex<()>,
}

/// Begins to watch, if the environment says what. Processes started by this one would begin the image anew, so they get
/// no such environment.
pub(crate) fn begin() {
    let (Some(folder), Some(image)) = (env::var_os(WATCHED_VARIABLE), env::var_os(IMAGE_VARIABLE)) else { return };
    for name in [PRELOAD_VARIABLE, WATCHED_VARIABLE, IMAGE_VARIABLE] {
        // SAFETY: the dynamic linker runs this before the program's `main`, so there is one thread.
        unsafe { env::remove_var(name) };
    }
    let watch = Watch::new(Path::new(&folder), Path::new(&image))
        .unwrap_or_else(|error| give_up("begin the image of the watched folder", error));
    // What was opened until now was not followed, and only now is there something to follow it for.
    assert!(WATCH.set(watch).is_ok(), "the dynamic linker starts a library once");
}

/// What is watched, if anything.
pub(crate) fn watch() -> Option<&'static Watch> {
    WATCH.get()
}

impl Watch {
    fn new(folder: &Path, image: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        let image = Image::new(&image.canonicalize()?);
        image.begin()?;
        let watch = Self { folder, image, inodes: Mutex::default(), folders: Mutex::default() };
        let root = watch.seed(&watch.folder)?;
        watch.image.set_root(&root)?;
        Ok(watch)
    }

    /// Takes what lies in a folder as durable.
    fn seed(&self, path: &Path) -> io::Result<Identity> {
        let folder = File::open(path)?;
        let identity = folder::identity(&folder)?;
        let entries = folder::entries(&folder)?.unwrap_or_default();
        for Entry { name, kind, identity } in &entries {
            match kind {
                Kind::File => {
                    let inode = Inode::durable(identity.clone());
                    let file = File::open(path.join(name))?;
                    let mode = file.metadata()?.permissions().mode();
                    sparse::copy(&file, &inode.content(&self.image, mode)?)?;
                    lock(&self.inodes).insert(identity.clone(), inode.leak());
                }
                Kind::Folder => drop(self.seed(&path.join(name))?),
                Kind::Link => {}
            }
        }
        folder::keep_links(&folder, &entries, &self.image)?;
        self.image.set_entries(&identity, &entries)?;
        Ok(identity)
    }

    /// Whether a path, as the kernel tells it, is that of the folder or something below it.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.folder)
    }

    /// The file with this identity. One that was never heard of has nothing durable.
    pub(crate) fn inode(&self, identity: Identity) -> &'static Inode {
        let mut inodes = lock(&self.inodes);
        inodes.entry(identity).or_insert_with_key(|identity| Inode::unknown(identity.clone()).leak())
    }

    /// Makes the entries of a folder durable.
    pub(crate) fn sync_folder(&self, folder: impl AsFd) -> io::Result<()> {
        let _one = lock(&self.folders);
        // A folder that was removed has no entries, and no name by which they could be found.
        let Some(entries) = folder::entries(&folder)? else { return Ok(()) };
        folder::keep_links(&folder, &entries, &self.image)?;
        self.image.set_entries(&folder::identity(&folder)?, &entries)
    }

    /// The image.
    pub(crate) fn image(&self) -> &Image {
        &self.image
    }
}
