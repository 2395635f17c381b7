//! A secret and the one before it, each written in the configuration or in a file of its own.

use crate::config::path::At;
use crate::config::problem::Report;
use crate::config::secret_file;
use crate::intake::http_server::auth::Rotating;
use crate::secret::{Secret, SecretSource};
use std::path::PathBuf;

/// The options `NAME`, `NAME_file`, `previous_NAME` and `previous_NAME_file`.
pub(in crate::config::source::http_server) struct Secrets {
    pub(in crate::config::source::http_server) names: [&'static str; 4],
    pub(in crate::config::source::http_server) current: (Option<Secret>, Option<PathBuf>),
    pub(in crate::config::source::http_server) previous: (Option<Secret>, Option<PathBuf>),
}

type Check = fn(&Secret) -> Option<&'static str>;

impl Secrets {
    /// None where one of them is wrong, or there is none. `is_required` says whether that is wrong too; `check` what is
    /// wrong with a secret.
    pub(in crate::config::source::http_server) fn plan(
        self,
        is_required: bool,
        check: Check,
        at: At<'_>,
        report: &mut Report<'_>,
    ) -> Option<Rotating> {
        let [option, file, previous_option, previous_file] = self.names;
        let (key, file_key) = (at.key(option), at.key(file));
        let (previous_key, previous_file_key) = (at.key(previous_option), at.key(previous_file));
        let ((text, path), (previous_text, previous_path)) = (self.current, self.previous);
        let read = if is_required { secret_file::required } else { secret_file::source };
        let current = read((key, text), (file_key, path), report);
        let previous = secret_file::source((previous_key, previous_text), (previous_file_key, previous_path), report);
        if current.is_none() && previous.is_some() && !is_required && report.is_good(key) && report.is_good(file_key) {
            report.add_key(previous_key, format!("there is no `{option}` that took its place"));
        }
        for (source, key, file_key) in [(&current, key, file_key), (&previous, previous_key, previous_file_key)] {
            look(source.as_ref(), check, key, file_key, report);
        }
        current.map(|current| Rotating { option, current, previous })
    }
}

/// Reports a file that holds no secret, and a secret that cannot be used.
fn look(source: Option<&SecretSource>, check: Check, key: At<'_>, file_key: At<'_>, report: &mut Report<'_>) {
    let (secret, at) = match source {
        Some(SecretSource::Text(secret)) => (Some(secret.clone()), key),
        Some(SecretSource::File(path)) => (secret_file::read_text(path, file_key, report), file_key),
        None => return,
    };
    if let Some(problem) = secret.as_ref().and_then(check) {
        report.add(at, problem);
    }
}
