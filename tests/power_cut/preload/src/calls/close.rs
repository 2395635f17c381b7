//! Closing: a descriptor's number may be another file's at once, so it is forgotten before the system call.

use super::int;
use crate::descriptors;
use std::ffi::{c_int, c_uint};

#[unsafe(no_mangle)]
pub(super) extern "C" fn close(fd: c_int) -> c_int {
    descriptors::forget(fd);
    // SAFETY: the caller's argument is handed on.
    int(unsafe { libc::syscall(libc::SYS_close, fd) })
}

#[unsafe(no_mangle)]
extern "C" fn close_range(first: c_uint, last: c_uint, flags: c_int) -> c_int {
    descriptors::forget_range(first as usize, last as usize);
    // SAFETY: the caller's arguments are handed on.
    int(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) })
}

#[unsafe(no_mangle)]
extern "C" fn dup2(from: c_int, to: c_int) -> c_int {
    if from == to {
        // SAFETY: it takes nothing but numbers.
        let is_open = unsafe { libc::fcntl(from, libc::F_GETFD) } >= 0;
        return if is_open { to } else { -1 };
    }
    dup3(from, to, 0)
}

#[unsafe(no_mangle)]
extern "C" fn dup3(from: c_int, to: c_int, flags: c_int) -> c_int {
    descriptors::forget(to);
    // SAFETY: the caller's arguments are handed on.
    int(unsafe { libc::syscall(libc::SYS_dup3, from, to, flags) })
}
