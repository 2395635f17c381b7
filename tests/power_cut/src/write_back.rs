//! What a disk may have without being asked to: a part, by chance, of what was not synced.

use crate::folder;
use crate::identity::Identity;
use crate::image::{Entry, Image, Kind};
use fastrand::Rng;
use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

/// What the kernel writes back at once.
const PAGE_BYTES: usize = 4096;

/// Lets some of what was not synced into the image, chosen by the seed: of each file no, some or all pages that differ,
/// and its length with or without them; of the names some changes. A file that was renamed loses its old name when it
/// gets the new one, as in every journaling file system. What was synced stays as it is.
///
/// The process must have ended, and the watched folder be as it has left it.
///
/// # Errors
///
/// When a file of either folder cannot be read or written, or the image is damaged.
pub fn write_back(image: &Path, watched: &Path, seed: u64) -> io::Result<()> {
    let image = Image::new(image);
    if image.root()?.is_none() {
        return Ok(());
    }
    let mut back = WriteBack { image, chance: Rng::with_seed(seed), folders: BTreeMap::new(), groups: Vec::new() };
    back.folder(watched)?;
    back.names()
}

struct WriteBack {
    image: Image,
    chance: Rng,
    /// The entries each folder will have.
    folders: BTreeMap<Identity, BTreeMap<OsString, Entry>>,
    groups: Vec<Group>,
}

/// Changes of names that have a file in common, so that they come together or not at all.
#[derive(Default)]
struct Group {
    identities: HashSet<Identity>,
    changes: Vec<Change>,
}

/// A name of a folder that is another file's than before, or nobody's.
struct Change {
    folder: Identity,
    name: OsString,
    now: Option<Entry>,
}

impl WriteBack {
    fn folder(&mut self, path: &Path) -> io::Result<()> {
        let folder = File::open(path)?;
        let identity = folder::identity(&folder)?;
        let now = folder::entries(&folder)?.unwrap_or_default();
        folder::keep_links(&folder, &now, &self.image)?;
        for entry in &now {
            match entry.kind {
                Kind::File => self.file(&path.join(&entry.name), &entry.identity)?,
                Kind::Folder => self.folder(&path.join(&entry.name))?,
                Kind::Link => {}
            }
        }
        self.compare(identity, by_name(now))
    }

    /// Notes how a folder's names differ from those in the image.
    fn compare(&mut self, folder: Identity, mut now: BTreeMap<OsString, Entry>) -> io::Result<()> {
        let before = by_name(self.image.entries(&folder)?);
        for entry in before.values() {
            let now = now.remove(&entry.name);
            if now.as_ref() != Some(entry) {
                self.change(&folder, Some(entry), now);
            }
        }
        for entry in now.into_values() {
            self.change(&folder, None, Some(entry));
        }
        self.folders.insert(folder, before);
        Ok(())
    }

    fn change(&mut self, folder: &Identity, before: Option<&Entry>, now: Option<Entry>) {
        let Some(entry) = before.or(now.as_ref()) else { return };
        let name = entry.name.clone();
        let identities = before.into_iter().chain(&now).map(|entry| entry.identity.clone()).collect();
        let mut joined = Group { identities, changes: Vec::new() };
        for group in
            self.groups.extract_if(.., |group| !group.identities.is_disjoint(&joined.identities)).collect::<Vec<_>>()
        {
            joined.identities.extend(group.identities);
            joined.changes.extend(group.changes);
        }
        joined.changes.push(Change { folder: folder.clone(), name, now });
        self.groups.push(joined);
    }

    /// Makes some of the changes of names.
    fn names(mut self) -> io::Result<()> {
        for change in self.groups.into_iter().filter(|_| self.chance.bool()).flat_map(|group| group.changes) {
            let entries = self.folders.entry(change.folder).or_default();
            match change.now {
                Some(entry) => drop(entries.insert(change.name, entry)),
                None => drop(entries.remove(&change.name)),
            }
        }
        for (folder, entries) in self.folders {
            self.image.set_entries(&folder, &entries.into_values().collect::<Vec<_>>())?;
        }
        Ok(())
    }

    /// Makes some of the changes of a file.
    fn file(&mut self, path: &Path, identity: &Identity) -> io::Result<()> {
        let now = File::open(path)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(now.metadata()?.permissions().mode() | 0o600);
        let content = options.open(self.image.content_path(identity))?;
        let some = self.chance.f64();
        let share = self.chance.choice([0.0, some, 1.0]).unwrap_or_default();
        let (length_before, length_now) = (content.metadata()?.len(), now.metadata()?.len());
        let length = if self.chance.bool() { length_now } else { length_before };
        for start in (0..length_now.min(length)).step_by(PAGE_BYTES) {
            let length = usize::try_from(length - start).map_or(PAGE_BYTES, |left| left.min(PAGE_BYTES));
            let (page_before, page_now) = (page(&content, start, length)?, page(&now, start, length)?);
            if page_before != page_now && self.chance.f64() < share {
                content.write_all_at(&page_now, start)?;
            }
        }
        content.set_len(length)
    }
}

/// The bytes of a page, with zeros where the file has ended.
fn page(file: &File, start: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, start + filled as u64)? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(bytes)
}

fn by_name(entries: Vec<Entry>) -> BTreeMap<OsString, Entry> {
    entries.into_iter().map(|entry| (entry.name.clone(), entry)).collect()
}
