//! Changing a file's length or giving it room. The length itself is read when the file is synced; what is noted is that
//! all bytes from some place on may be others than before.

use super::{close, int, open};
use crate::descriptors;
use libc::off_t;
use std::ffi::{c_char, c_int};
use std::io;

/// Makes a call that changes bytes from this place on.
fn from(offset: off_t, fd: c_int, call: impl FnOnce() -> c_int) -> c_int {
    let Some(inode) = descriptors::file(fd) else { return call() };
    inode.change(|dirty| {
        let result = call();
        if result == 0 {
            dirty.add(u64::try_from(offset).unwrap_or_default()..u64::MAX);
        }
        result
    })
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    // SAFETY: here and below, the caller's arguments are handed on.
    from(length, fd, || int(unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) }))
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    ftruncate(fd, length)
}

#[unsafe(no_mangle)]
extern "C" fn truncate(path: *const c_char, length: off_t) -> c_int {
    let fd = open::open(path, libc::O_WRONLY | libc::O_CLOEXEC, 0);
    if fd < 0 {
        return fd;
    }
    let result = ftruncate(fd, length);
    let error = io::Error::last_os_error().raw_os_error().unwrap_or_default();
    close::close(fd);
    // SAFETY: the pointer is that of this thread's number.
    unsafe { *libc::__errno_location() = error };
    result
}

#[unsafe(no_mangle)]
extern "C" fn truncate64(path: *const c_char, length: off_t) -> c_int {
    truncate(path, length)
}

#[unsafe(no_mangle)]
extern "C" fn fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    // SAFETY: see `ftruncate`.
    let call = || int(unsafe { libc::syscall(libc::SYS_fallocate, fd, mode, offset, length) });
    let gives_room_only = mode & !libc::FALLOC_FL_KEEP_SIZE == 0;
    if gives_room_only { call() } else { from(offset, fd, call) }
}

#[unsafe(no_mangle)]
extern "C" fn fallocate64(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int {
    fallocate(fd, mode, offset, length)
}

/// Tells the error by its result. Where a file system cannot do it this fails, it writes no zeros as libc does.
#[unsafe(no_mangle)]
extern "C" fn posix_fallocate(fd: c_int, offset: off_t, length: off_t) -> c_int {
    if fallocate(fd, 0, offset, length) == 0 {
        return 0;
    }
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

#[unsafe(no_mangle)]
extern "C" fn posix_fallocate64(fd: c_int, offset: off_t, length: off_t) -> c_int {
    posix_fallocate(fd, offset, length)
}
