//! A file that a setting names, read again whenever it changes: certificates, keys, tokens.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// More is neither a certificate nor a secret; a bundle of all public CAs has a quarter of it.
const BYTES_MAX: u64 = 1024 * 1024;

/// One setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {problem}")]
pub struct Unusable {
    /// The variable or the configuration's key.
    pub name: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

/// What is wrong with it is told by the setting's name. Its path is not shown, since a variable may have a part in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingFile {
    setting: String,
    path: PathBuf,
}

impl SettingFile {
    /// The file of this setting.
    pub fn new(setting: &str, path: impl Into<PathBuf>) -> Self {
        Self { setting: setting.to_owned(), path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of its bytes.
    ///
    /// # Errors
    /// When it cannot be read, or is larger than 1 MiB.
    pub fn read(&self) -> Result<Vec<u8>, Unusable> {
        let mut bytes = Vec::new();
        // One byte more than the limit tells that it is exceeded.
        let read = File::open(&self.path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) if bytes.len() as u64 > BYTES_MAX => Err(self.unusable("the file is larger than 1 MiB")),
            Ok(_) => Ok(bytes),
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                Err(self.unusable(&format!("failed to read the file: {error}; its owner or mode has to change")))
            }
            Err(error) => Err(self.unusable(&format!("failed to read the file: {error}"))),
        }
    }

    /// What is wrong with it.
    #[must_use]
    pub fn unusable(&self, problem: &str) -> Unusable {
        Unusable { name: self.setting.clone(), problem: problem.to_owned() }
    }
}
