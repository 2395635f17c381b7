//! A file in the watched folder, whatever its names and descriptors.

use crate::dirty::Dirty;
use crate::lock;
use callspan_power_cut::identity::Identity;
use callspan_power_cut::image::Image;
use callspan_power_cut::sparse;
use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::sync::Mutex;

pub(crate) struct Inode {
    identity: Identity,
    /// Held while a call changes the file, so that the position it leaves tells where it wrote.
    dirty: Mutex<Dirty>,
    /// Held by a sync until all is in the image. A second one that finds nothing left to copy must not return before.
    sync: Mutex<()>,
}

impl Inode {
    /// A file that is in the image as it is.
    pub(crate) fn durable(identity: Identity) -> Self {
        Self { identity, dirty: Mutex::default(), sync: Mutex::default() }
    }

    /// A file of which nothing is in the image.
    pub(crate) fn unknown(identity: Identity) -> Self {
        Self { identity, dirty: Mutex::new(Dirty::all()), sync: Mutex::default() }
    }

    /// Makes it live as long as the process.
    pub(crate) fn leak(self) -> &'static Self {
        Box::leak(Box::new(self))
    }

    /// Makes a call that changes the file, and notes what it changed.
    pub(crate) fn change<R>(&self, call: impl FnOnce(&mut Dirty) -> R) -> R {
        call(&mut lock(&self.dirty))
    }

    /// Makes what was changed so far durable, through any descriptor of the file.
    pub(crate) fn sync(&self, fd: RawFd, image: &Image) -> io::Result<()> {
        let _one = lock(&self.sync);
        // A description of our own: the caller's may be one for writing, and its position is in use.
        let file = File::open(format!("/proc/self/fd/{fd}"))?;
        let (dirty, metadata) = {
            let mut dirty = lock(&self.dirty);
            (mem::take(&mut *dirty), file.metadata()?)
        };
        let content = self.content(image, metadata.permissions().mode())?;
        let length = metadata.len();
        for range in dirty.within(length) {
            sparse::copy_range(&file, &content, range)?;
        }
        if content.metadata()?.len() != length {
            content.set_len(length)?;
        }
        Ok(())
    }

    /// Its content in the image, which has these permissions besides those it needs if it is new.
    pub(crate) fn content(&self, image: &Image, mode: u32) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(mode | 0o600).open(image.content_path(&self.identity))
    }
}
