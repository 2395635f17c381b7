//! A secret that stands in a file of its own, as container platforms and credential stores hand them over.

use super::path::At;
use super::problem::Report;
use crate::secret::Secret;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// More is no secret.
const BYTES_MAX: u64 = 64 * 1024;

/// The file's bytes, all of them. None where they cannot be had, which is then reported, or where they are not to be
/// looked for.
pub(super) fn read_bytes(path: &Path, at: At<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    if !report.checks_environment {
        return None;
    }
    let mut secret = Vec::new();
    // One byte more than the limit tells that it is exceeded.
    let read = File::open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut secret));
    let place = report.shown(at, &path.display().to_string());
    if let Err(error) = read {
        report.add(at, format!("failed to read {place}: {error}"));
        return None;
    }
    if secret.len() as u64 > BYTES_MAX {
        report.add(at, format!("{place} is larger than {BYTES_MAX} bytes, which no secret is"));
        return None;
    }
    if secret.trim_ascii_end().is_empty() {
        report.add(at, format!("{place} is empty"));
        return None;
    }
    Some(secret)
}

/// The same without the line end that editors leave.
pub(super) fn read(path: &Path, at: At<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    read_bytes(path, at, report).map(|secret| secret.trim_ascii_end().to_vec())
}

/// The same as a text.
pub(super) fn read_text(path: &Path, at: At<'_>, report: &mut Report<'_>) -> Option<Secret> {
    match String::from_utf8(read(path, at, report)?) {
        Ok(secret) => Some(Secret::new(secret)),
        Err(_) => {
            let place = report.shown(at, &path.display().to_string());
            report.add(at, format!("{place} is no text in UTF-8"));
            None
        }
    }
}
