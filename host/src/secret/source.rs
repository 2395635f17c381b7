//! Where a secret comes from: the configuration, or a file of its own, as container platforms and credential stores hand
//! them over.

use super::Secret;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Where a secret text comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// It is known.
    Text(Secret),
    /// It stands in this file, and is read again when that changes.
    File(PathBuf),
}

/// A file that holds no secret that can be used.
#[derive(Debug)]
pub enum Unreadable {
    Io(io::Error),
    TooLarge,
    Empty,
    NoText,
}

/// More is no secret.
const BYTES_MAX: u64 = 64 * 1024;

impl SecretSource {
    /// The secret as it is now.
    ///
    /// # Errors
    /// When its file cannot be read, or holds none.
    pub fn read(&self) -> Result<Secret, Unreadable> {
        match self {
            Self::Text(secret) => Ok(secret.clone()),
            Self::File(path) => read_text(path),
        }
    }

    /// The file that it stands in, if it does.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Text(_) => None,
            Self::File(path) => Some(path),
        }
    }
}

impl Unreadable {
    /// What is wrong with the file of this name, as its reader is told.
    #[must_use]
    pub fn told(&self, file: &str) -> String {
        match self {
            Self::Io(error) => format!("failed to read {file}: {error}"),
            Self::TooLarge => format!("{file} is larger than {BYTES_MAX} bytes, which no secret is"),
            Self::Empty => format!("{file} is empty"),
            Self::NoText => format!("{file} is no text in UTF-8"),
        }
    }
}

/// A file's bytes, all of them.
///
/// # Errors
/// When it cannot be read, is larger than 64 KiB, or holds nothing.
pub fn read_bytes(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let mut secret = Vec::new();
    // One byte more than the limit tells that it is exceeded.
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut secret));
    read.map_err(Unreadable::Io)?;
    if secret.len() as u64 > BYTES_MAX {
        return Err(Unreadable::TooLarge);
    }
    if secret.trim_ascii_end().is_empty() {
        return Err(Unreadable::Empty);
    }
    Ok(secret)
}

/// A file's text, without the line end that editors leave.
///
/// # Errors
/// As for [`read_bytes`], and when it is no text.
pub fn read_text(path: &Path) -> Result<Secret, Unreadable> {
    let secret = read_bytes(path)?.trim_ascii_end().to_vec();
    String::from_utf8(secret).map(Secret::new).map_err(|_| Unreadable::NoText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_a_secret_up_to_a_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("secret");
        let read = |text: &[u8]| {
            std::fs::write(&path, text).expect("it is written");
            SecretSource::File(path.clone()).read().map(|secret| secret.expose().len()).map_err(|it| it.told("it"))
        };
        assert_eq!(read(b"word\r\n"), Ok(4));
        let limit = usize::try_from(BYTES_MAX).expect("it is small");
        assert_eq!(read(&vec![b'x'; limit]), Ok(limit));
        assert_eq!(read(&vec![b'x'; limit + 1]), Err("it is larger than 65536 bytes, which no secret is".to_owned()));
        assert_eq!(read(b" \n"), Err("it is empty".to_owned()));
        assert_eq!(read(b"\xff"), Err("it is no text in UTF-8".to_owned()));
        std::fs::remove_file(&path).expect("it is there");
        let missing = SecretSource::File(path.clone()).read().expect_err("there is none");
        assert!(missing.told("it").starts_with("failed to read it: No such file"));
    }
}
