//! Which descriptors are those of files in the watched folder.
//!
//! A descriptor is looked at when it is first written to, wherever it came from, and what it turned out to be is kept
//! until it is closed, so that writes to sockets and files elsewhere cost one load. A sync looks again each time: it is
//! rare, and a folder's descriptor may have been closed out of sight, by `closedir`.

use crate::give_up;
use crate::inode::Inode;
use crate::watch::{Watch, watch};
use callspan_power_cut::folder;
use rustix::fs::{FileType, fstat};
use std::ffi::c_int;
use std::fs;
use std::os::fd::BorrowedFd;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Descriptors up to here are remembered, those beyond are looked at each time.
const REMEMBERED: usize = 65_536;

/// Null for a descriptor that was not looked at, [`elsewhere`] for one that is not watched.
static SLOTS: [AtomicPtr<Inode>; REMEMBERED] = [const { AtomicPtr::new(ptr::null_mut()) }; REMEMBERED];

/// What a descriptor in the watched folder is one of.
pub(crate) enum Watched {
    File(&'static Inode),
    Folder,
}

/// The file of a descriptor that is about to be written to.
#[inline]
pub(crate) fn file(fd: c_int) -> Option<&'static Inode> {
    let watch = watch()?;
    let inode = slot(fd).map_or(ptr::null_mut(), |slot| slot.load(Ordering::Acquire));
    if inode == elsewhere() {
        return None;
    }
    if !inode.is_null() {
        // SAFETY: a slot holds nothing else than the pointers of `look`, and inodes live as long as the process.
        return Some(unsafe { &*inode });
    }
    match look(fd, watch)? {
        Watched::File(inode) => Some(inode),
        Watched::Folder => None,
    }
}

/// What a descriptor is, looked at now.
pub(crate) fn look(fd: c_int, watch: &Watch) -> Option<Watched> {
    let descriptor = borrow(fd)?;
    let kind = FileType::from_raw_mode(fstat(descriptor).ok()?.st_mode);
    let is_kept = matches!(kind, FileType::RegularFile | FileType::Directory);
    if !is_kept || !fs::read_link(format!("/proc/self/fd/{fd}")).is_ok_and(|path| watch.holds(&path)) {
        remember(fd, elsewhere());
        return None;
    }
    if kind == FileType::Directory {
        return Some(Watched::Folder);
    }
    let identity = folder::identity(descriptor).unwrap_or_else(|error| give_up("identify a file", error));
    let inode = watch.inode(identity);
    remember(fd, ptr::from_ref(inode).cast_mut());
    Some(Watched::File(inode))
}

/// Forgets a descriptor that now is another one, or none.
#[inline]
pub(crate) fn forget(fd: c_int) {
    remember(fd, ptr::null_mut());
}

/// Forgets the descriptors from the first to the last.
pub(crate) fn forget_range(first: usize, last: usize) {
    for slot in SLOTS.iter().take(last.saturating_add(1)).skip(first) {
        slot.store(ptr::null_mut(), Ordering::Release);
    }
}

/// The descriptor of a call, for the time of the call.
pub(crate) fn borrow(fd: c_int) -> Option<BorrowedFd<'static>> {
    // SAFETY: the program that calls with a descriptor keeps it open until the call returns; one that is not open at all
    // makes the calls with it fail.
    (fd >= 0).then(|| unsafe { BorrowedFd::borrow_raw(fd) })
}

fn remember(fd: c_int, inode: *mut Inode) {
    if let Some(slot) = slot(fd) {
        slot.store(inode, Ordering::Release);
    }
}

fn slot(fd: c_int) -> Option<&'static AtomicPtr<Inode>> {
    SLOTS.get(usize::try_from(fd).ok()?)
}

/// No inode is at this address.
fn elsewhere() -> *mut Inode {
    ptr::without_provenance_mut(1)
}
