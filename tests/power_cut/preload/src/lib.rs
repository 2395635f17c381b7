//! The preloaded library that keeps what a power cut would leave of a folder; what that is, and how tests use it, is told
//! in `callspan-power-cut`.
//!
//! It stands before libc in the dynamic linker's search, so its functions in `calls` are the ones a program calls. Each
//! makes the system call itself, and notes what it changed if the file lies in the watched folder. A sync copies what
//! was noted since the last one into the image before it makes the system call, so that nothing is acknowledged that is
//! not in the image.
//!
//! Names are not followed at all: the sync of a folder reads what is in it. That holds whichever way names were changed,
//! also by system calls that pass libc by.
//!
//! What is noted is noted after the call that changed the bytes and under the file's lock, never before: a sync that
//! came between would copy the old bytes and forget the note. No panic leaves this library, since a panic that reaches
//! the end of an `extern "C"` function ends the process; so does, with a message, whatever would make the image wrong.

#![expect(unsafe_code, reason = "a library that stands in for libc's functions takes their pointers and descriptors")]

mod calls;
mod descriptors;
mod dirty;
mod inode;
mod watch;

use std::fmt::Display;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Called by the dynamic linker before the program's `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static START: extern "C" fn() = start;

extern "C" fn start() {
    watch::begin();
}

/// Ends the process: the image would no longer be what a disk holds.
fn give_up(what: &str, why: impl Display) -> ! {
    let message = format!("the power cut's library cannot go on, it failed to {what}: {why}\n");
    // SAFETY: the pointer and the length are those of one string.
    unsafe { libc::syscall(libc::SYS_write, libc::STDERR_FILENO, message.as_ptr(), message.len()) };
    process::abort()
}

/// A panic under a lock has ended the process, so no lock is ever poisoned.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
