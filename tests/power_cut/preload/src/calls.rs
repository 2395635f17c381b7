//! The functions of libc that this library stands in for. Each is declared as in libc's headers; the arguments that are
//! not always there, as the mode of `open`, are read in any case and handed on, as the kernel ignores them.
//!
//! They make system calls of their own instead of asking the dynamic linker for libc's functions: nothing has to be
//! looked up, which would need memory, and so perhaps a call of one of these functions.

mod close;
mod copy;
mod length;
mod mapping;
mod open;
mod sync;
mod write;

use crate::give_up;
use crate::inode::Inode;
use crate::watch::watch;
use std::ffi::{c_int, c_long};
use std::io;

/// A system call's result as an `int`.
fn int(result: c_long) -> c_int {
    c_int::try_from(result).unwrap_or(-1)
}

/// A system call's result as a number of bytes.
fn size(result: c_long) -> isize {
    isize::try_from(result).unwrap_or(-1)
}

/// The position of a descriptor.
fn position(fd: c_int) -> u64 {
    // SAFETY: it takes nothing but numbers.
    let position = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
    u64::try_from(position).unwrap_or_else(|_| give_up("tell a file's position", io::Error::last_os_error()))
}

/// The flags a descriptor was opened with.
fn flags(fd: c_int) -> c_int {
    // SAFETY: it takes nothing but numbers.
    unsafe { libc::fcntl(fd, libc::F_GETFL) }
}

/// Makes a file durable.
fn sync_file(inode: &Inode, fd: c_int) {
    let Some(watch) = watch() else { return };
    inode.sync(fd, watch.image()).unwrap_or_else(|error| give_up("copy a file into the image", error));
}
