//! Writing: where it wrote is noted, and synced at once for descriptors and writes that ask for it.

use super::{flags, position, size, sync_file};
use crate::{descriptors, give_up};
use libc::{iovec, off_t};
use rustix::fs::fstat;
use std::ffi::{c_int, c_void};

/// Writes that begin at the descriptor's position.
#[inline]
pub(super) fn at_position(fd: c_int, call: impl FnOnce() -> isize) -> isize {
    followed(fd, |_| position(fd), call)
}

/// Writes that begin somewhere else.
#[inline]
pub(super) fn at_offset(fd: c_int, offset: off_t, call: impl FnOnce() -> isize) -> isize {
    // Linux appends at such a descriptor wherever it is told to write.
    let end = |written| if flags(fd) & libc::O_APPEND != 0 { length(fd) } else { offset.cast_unsigned() + written };
    followed(fd, end, call)
}

/// Makes a call, and notes the bytes it has written, which are those before the end.
#[inline]
fn followed(fd: c_int, end: impl FnOnce(u64) -> u64, call: impl FnOnce() -> isize) -> isize {
    let Some(inode) = descriptors::file(fd) else { return call() };
    let result = inode.change(|dirty| {
        let result = call();
        if let Ok(written @ 1..) = u64::try_from(result) {
            let end = end(written);
            dirty.add(end.saturating_sub(written)..end);
        }
        result
    });
    if flags(fd) & libc::O_DSYNC != 0 {
        sync_file(inode, fd);
    }
    result
}

fn length(fd: c_int) -> u64 {
    let status = descriptors::borrow(fd).map(fstat);
    let length = status.and_then(Result::ok).and_then(|status| u64::try_from(status.st_size).ok());
    length.unwrap_or_else(|| give_up("tell a file's length", "its descriptor was closed"))
}

#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, bytes: *const c_void, count: usize) -> isize {
    // SAFETY: here and below, the caller's arguments are handed on.
    at_position(fd, || size(unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) }))
}

#[unsafe(no_mangle)]
extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> isize {
    // SAFETY: see `write`.
    at_position(fd, || size(unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) }))
}

#[unsafe(no_mangle)]
extern "C" fn pwrite(fd: c_int, bytes: *const c_void, count: usize, offset: off_t) -> isize {
    // SAFETY: see `write`.
    at_offset(fd, offset, || size(unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, offset) }))
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, count: usize, offset: off_t) -> isize {
    pwrite(fd, bytes, count, offset)
}

#[unsafe(no_mangle)]
extern "C" fn pwritev(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> isize {
    // SAFETY: see `write`.
    at_offset(fd, offset, || size(unsafe { libc::syscall(libc::SYS_pwritev, fd, parts, count, offset, 0) }))
}

#[unsafe(no_mangle)]
extern "C" fn pwritev64(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> isize {
    pwritev(fd, parts, count, offset)
}

#[unsafe(no_mangle)]
extern "C" fn pwritev2(fd: c_int, parts: *const iovec, count: c_int, offset: off_t, how: c_int) -> isize {
    // SAFETY: see `write`.
    let call = || size(unsafe { libc::syscall(libc::SYS_pwritev2, fd, parts, count, offset, 0, how) });
    let result = match (offset, how & libc::RWF_APPEND != 0) {
        (_, true) => followed(fd, |_| length(fd), call),
        (-1, _) => at_position(fd, call),
        _ => at_offset(fd, offset, call),
    };
    if how & (libc::RWF_DSYNC | libc::RWF_SYNC) != 0
        && let Some(inode) = descriptors::file(fd)
    {
        sync_file(inode, fd);
    }
    result
}

#[unsafe(no_mangle)]
extern "C" fn pwritev64v2(fd: c_int, parts: *const iovec, count: c_int, offset: off_t, how: c_int) -> isize {
    pwritev2(fd, parts, count, offset, how)
}
