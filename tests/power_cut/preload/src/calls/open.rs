//! Opening: a new descriptor is forgotten, and what `O_TRUNC` took away is noted.

use super::int;
use crate::descriptors;
use libc::{AT_FDCWD, mode_t};
use std::ffi::{c_char, c_int};

fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's arguments are handed on.
    let fd = int(unsafe { libc::syscall(libc::SYS_openat, folder, path, flags, mode) });
    if fd < 0 {
        return fd;
    }
    descriptors::forget(fd);
    if flags & libc::O_TRUNC != 0
        && let Some(inode) = descriptors::file(fd)
    {
        // Somebody else may have written by now, so this takes more than was taken away.
        inode.change(|dirty| dirty.add(0..u64::MAX));
    }
    fd
}

#[unsafe(no_mangle)]
pub(super) extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(AT_FDCWD, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(AT_FDCWD, path, flags | libc::O_LARGEFILE, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(folder, path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn openat64(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    open_at(folder, path, flags | libc::O_LARGEFILE, mode)
}

#[unsafe(no_mangle)]
extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    open_at(AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode)
}

#[unsafe(no_mangle)]
extern "C" fn creat64(path: *const c_char, mode: mode_t) -> c_int {
    creat(path, mode)
}
