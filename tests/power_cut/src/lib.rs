//! Power cuts for tests: what a folder would still hold if the machine had lost its power at this moment.
//!
//! A process that is killed leaves the page cache behind, so a test that kills one finds every write, synced or not. Here
//! the process under test runs with a preloaded library, `callspan-power-cut-preload`, which follows its file calls below
//! one watched folder and keeps, in a second folder, a *durable image*: what a file system that promises no more than
//! POSIX does would have on the disk.
//!
//! - The content and the length of a file are those of its last `fsync` or `fdatasync`; of a file that was never synced
//!   there is nothing but, perhaps, its name.
//! - The entries of a folder, whatever created, renamed or removed them, are those of the last `fsync` of that folder.
//!   Syncing a file makes no name durable.
//! - What lies in the folder when the process starts is durable.
//!
//! The image is valid at every moment. A kill in the middle of a sync leaves a part of what that sync would have made
//! durable, as a disk may; a sync that has returned is in the image whole.
//!
//! ```no_run
//! # use std::{path::Path, process::Command};
//! # fn main() -> std::io::Result<()> {
//! let (watched, image) = (Path::new("/tmp/data"), Path::new("/tmp/image"));
//! let mut process = Command::new("store").envs(callspan_power_cut::environment(watched, image)?).spawn()?;
//! // …until it has acknowledged something…
//! process.kill()?;
//! process.wait()?;
//! callspan_power_cut::restore(image, watched)?;
//! // A process that starts now finds what the power cut has left.
//! # Ok(())
//! # }
//! ```
//!
//! A disk that has more than it promised is a trap as well: pages are written back, and names reach the disk, before
//! anybody syncs them, in any order. Between the kill and the restoration, [`write_back`] lets a random part of what was
//! not synced into the image.
//!
//! # What it cannot see
//!
//! Content is followed through the calls of libc, as Rust's standard library makes them. Bytes written by system calls of
//! a program's own, by `io_uring`, through the streams of C or by another process are missing in the image unless a
//! followed call touches the same bytes: a test then fails that should pass, it never passes wrongly. Names need no
//! calls to be followed, they are read when the folder is synced. A shared writable mapping of a watched file ends the
//! process with a message. `sync` and `syncfs` make nothing durable. Files moved in from outside the folder have no
//! content until they are synced. Processes that the watched one starts are not followed. Owners, times, extended
//! attributes and the permissions of folders are not kept.

pub mod folder;
pub mod identity;
pub mod image;
mod library;
mod restore;
pub mod sparse;
mod write_back;

use std::io;
use std::path::{Path, PathBuf};

pub use library::library;
pub use restore::restore;
pub use write_back::write_back;

/// Names the watched folder, for the preloaded library.
pub const WATCHED_VARIABLE: &str = "CALLSPAN_POWER_CUT_WATCHED";

/// Names the folder of the durable image, for the preloaded library.
pub const IMAGE_VARIABLE: &str = "CALLSPAN_POWER_CUT_IMAGE";

/// The variable of the dynamic linker that names the preloaded library.
pub const PRELOAD_VARIABLE: &str = "LD_PRELOAD";

/// The variables a process needs to have its power cut: for the process itself, not for a shell that starts it, since the
/// first process takes them away from those it starts. The image is begun anew with each process.
///
/// # Errors
///
/// When one of the folders is missing, or the image lies in the watched folder.
pub fn environment(watched: &Path, image: &Path) -> io::Result<[(&'static str, PathBuf); 3]> {
    let (watched, image) = (watched.canonicalize()?, image.canonicalize()?);
    if image.starts_with(&watched) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the image lies in the watched folder"));
    }
    Ok([(PRELOAD_VARIABLE, library().to_owned()), (WATCHED_VARIABLE, watched), (IMAGE_VARIABLE, image)])
}
