//! Who a file or folder is, whatever its names are.
//!
//! An inode's number is given to the next file as soon as the file is removed, while the image may still hold the removed
//! one. The kernel's file handles, those of `name_to_handle_at(2)`, carry a generation besides, so they are never used
//! twice.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::path::Path;

/// The identity of an inode, spelled so that it can be a file's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(String);

impl Identity {
    /// The identity with this file handle.
    pub fn from_handle(handle_type: i32, handle: &[u8]) -> Self {
        let mut text = format!("{handle_type:x}-");
        for byte in handle {
            write!(text, "{byte:02x}").expect("a string takes any text");
        }
        Self(text)
    }

    /// The identity in what [`Identity::as_str`] gave; nothing if the text cannot be one.
    pub fn parse(text: &str) -> Option<Self> {
        let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        is_one.then(|| Self(text.to_owned()))
    }

    /// Its spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<Path> for Identity {
    fn as_ref(&self) -> &Path {
        Path::new(OsStr::new(&self.0))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
