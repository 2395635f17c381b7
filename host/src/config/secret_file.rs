//! A secret that stands in a file of its own: what is wrong with the file is a mistake of the configuration.

use super::path::At;
use super::problem::Report;
use crate::secret::source::{self, Unreadable};
use crate::secret::{Secret, SecretSource};
use std::path::{Path, PathBuf};

/// The file's bytes, all of them. None where they cannot be had, which is then reported, or where they are not to be
/// looked for.
pub(super) fn read_bytes(path: &Path, at: At<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    read_with(source::read_bytes, path, at, report)
}

/// The same without the line end that editors leave.
pub(super) fn read(path: &Path, at: At<'_>, report: &mut Report<'_>) -> Option<Vec<u8>> {
    read_bytes(path, at, report).map(|secret| secret.trim_ascii_end().to_vec())
}

/// The same as a text.
pub(super) fn read_text(path: &Path, at: At<'_>, report: &mut Report<'_>) -> Option<Secret> {
    read_with(source::read_text, path, at, report)
}

/// One of the options `KEY` and `KEY_file`, whose names are given. None where neither is there or something is wrong
/// with them.
pub(super) fn source(
    (key, text): (At<'_>, Option<Secret>),
    (file_key, file): (At<'_>, Option<PathBuf>),
    report: &mut Report<'_>,
) -> Option<SecretSource> {
    match (text, file) {
        (Some(_), Some(_)) => {
            report.add_key(file_key, format!("there is `{}` too; leave one of the two out", key.name()));
            None
        }
        (Some(secret), None) => Some(SecretSource::Text(secret)),
        (None, file) => file.map(SecretSource::File),
    }
}

/// The same where one of them has to be there.
pub(super) fn required(
    (key, text): (At<'_>, Option<Secret>),
    (file_key, file): (At<'_>, Option<PathBuf>),
    report: &mut Report<'_>,
) -> Option<SecretSource> {
    if text.is_none() && file.is_none() {
        if report.is_good(key) && report.is_good(file_key) && report.checks_environment {
            report.add(key, format!("missing; expected `{}` or `{}`", key.name(), file_key.name()));
        }
        return None;
    }
    source((key, text), (file_key, file), report)
}

fn read_with<T>(
    read: fn(&Path) -> Result<T, Unreadable>,
    path: &Path,
    at: At<'_>,
    report: &mut Report<'_>,
) -> Option<T> {
    if !report.checks_environment {
        return None;
    }
    read(path)
        .map_err(|error| {
            let place = report.shown(at, &path.display().to_string());
            report.add(at, error.told(&place));
        })
        .ok()
}
