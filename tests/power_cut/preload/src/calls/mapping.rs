//! Mapping a file into memory, which is refused where it would change a watched file out of sight.

use crate::{descriptors, give_up};
use libc::{off_t, size_t};
use std::ffi::{c_int, c_void};
use std::ptr;

#[unsafe(no_mangle)]
extern "C" fn mmap(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    // A mapping that is shared and validated has both bits, a private one the other.
    let is_shared = flags & libc::MAP_SHARED != 0 && flags & libc::MAP_ANONYMOUS == 0;
    if is_shared && protection & libc::PROT_WRITE != 0 && descriptors::file(fd).is_some() {
        give_up("follow a mapping", "a watched file was mapped shared and writable");
    }
    // SAFETY: the caller's arguments are handed on.
    let result = unsafe { libc::syscall(libc::SYS_mmap, address, length, protection, flags, fd, offset) };
    usize::try_from(result).map_or(libc::MAP_FAILED, ptr::with_exposed_provenance_mut)
}

#[unsafe(no_mangle)]
extern "C" fn mmap64(
    address: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    mmap(address, length, protection, flags, fd, offset)
}
