//! Syncing: the image has everything before the system call begins. Should that fail, the image has more than the caller
//! was promised, as a disk may.

use super::{int, sync_file};
use crate::descriptors::{self, Watched};
use crate::give_up;
use crate::watch::watch;
use std::ffi::c_int;

fn sync_into_image(fd: c_int) {
    let Some(watch) = watch() else { return };
    match descriptors::look(fd, watch) {
        Some(Watched::File(inode)) => sync_file(inode, fd),
        Some(Watched::Folder) => {
            let result = descriptors::borrow(fd).map(|folder| watch.sync_folder(folder));
            result.transpose().unwrap_or_else(|error| give_up("read a folder into the image", error));
        }
        None => {}
    }
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    sync_into_image(fd);
    // SAFETY: here and below, the caller's argument is handed on.
    int(unsafe { libc::syscall(libc::SYS_fsync, fd) })
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    sync_into_image(fd);
    // SAFETY: see `fsync`.
    int(unsafe { libc::syscall(libc::SYS_fdatasync, fd) })
}
