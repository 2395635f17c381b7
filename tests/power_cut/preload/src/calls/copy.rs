//! Copying from one descriptor to another within the kernel, as `std::fs::copy` and `std::io::copy` do.

use super::size;
use super::write::{at_offset, at_position};
use libc::off_t;
use std::ffi::{c_int, c_uint};

/// Copies to the place that is told, or to the descriptor's position if none is.
///
/// # Safety
///
/// The pointer is null, or that of a number.
unsafe fn to(fd: c_int, offset: *const off_t, call: impl FnOnce() -> isize) -> isize {
    // SAFETY: it is as this function asks; the number is read before the call moves it on.
    match unsafe { offset.as_ref() }.copied() {
        Some(offset) => at_offset(fd, offset, call),
        None => at_position(fd, call),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn copy_file_range(
    from: c_int,
    from_offset: *mut off_t,
    into: c_int,
    into_offset: *mut off_t,
    count: usize,
    flags: c_uint,
) -> isize {
    let number = libc::SYS_copy_file_range;
    // SAFETY: here and below, the caller's arguments are handed on.
    let call = || size(unsafe { libc::syscall(number, from, from_offset, into, into_offset, count, flags) });
    // SAFETY: it is as the caller of libc's function promises.
    unsafe { to(into, into_offset, call) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn splice(
    from: c_int,
    from_offset: *mut off_t,
    into: c_int,
    into_offset: *mut off_t,
    count: usize,
    flags: c_uint,
) -> isize {
    // SAFETY: see `copy_file_range`.
    let call = || size(unsafe { libc::syscall(libc::SYS_splice, from, from_offset, into, into_offset, count, flags) });
    // SAFETY: it is as the caller of libc's function promises.
    unsafe { to(into, into_offset, call) }
}

#[unsafe(no_mangle)]
extern "C" fn sendfile(into: c_int, from: c_int, offset: *mut off_t, count: usize) -> isize {
    // SAFETY: see `copy_file_range`.
    at_position(into, || size(unsafe { libc::syscall(libc::SYS_sendfile, into, from, offset, count) }))
}

#[unsafe(no_mangle)]
extern "C" fn sendfile64(into: c_int, from: c_int, offset: *mut off_t, count: usize) -> isize {
    sendfile(into, from, offset, count)
}
