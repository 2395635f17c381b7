//! What the parts of a configuration are planned with.

use super::Overrides;
use super::path::At;
use super::problem::{Problem, Report};
use std::path::PathBuf;

/// Takes what is wrong, and knows what lies outside of the file.
pub(super) struct Planning<'p, 'd> {
    pub(super) report: &'p mut Report<'d>,
    pub(super) overrides: &'p Overrides,
    /// The environment, as far as it is to be looked at.
    pub(super) variable: &'p dyn Fn(&str) -> Option<String>,
    /// The folder for what is remembered; None where nobody says.
    pub(super) data_dir: Option<PathBuf>,
}

impl Planning<'_, '_> {
    /// The folder for what is remembered, for a part that needs one.
    pub(super) fn data_dir(&mut self, at: At<'_>) -> PathBuf {
        let missing = "there is no folder to remember positions in; set `data_dir` or the variable CALLSPAN_DATA_DIR";
        self.check_data_dir(at, missing);
        self.data_dir.clone().unwrap_or_default()
    }

    /// Reports that it is missing, if it is, for a part that needs one.
    pub(super) fn check_data_dir(&mut self, at: At<'_>, missing: &str) {
        let is_good = self.report.is_good(At::Root.key("data_dir"));
        if self.data_dir.is_none() && self.report.checks_environment && is_good {
            self.report.add(at, missing);
        }
    }

    /// Notes that an argument of the command line is wrong.
    pub(super) fn add_argument(&mut self, name: &str, message: &str) {
        self.report.extend([Problem::new(name, message)]);
    }
}

/// The folder that the environment names: callspan's own variable, systemd's, or where the user's programs keep state.
pub(super) fn data_dir_of(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // systemd divides several folders by colons (systemd.exec, "StateDirectory=").
    let state_directory =
        || folder("STATE_DIRECTORY").and_then(|all| Some(PathBuf::from(all.to_str()?.split(':').next()?)));
    folder("CALLSPAN_DATA_DIR")
        .or_else(state_directory)
        .or_else(|| Some(folder("XDG_DATA_HOME")?.join("callspan")))
        .or_else(|| Some(folder("HOME")?.join(".local/share/callspan")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_folder_is_the_first_that_is_named() {
        let named = ["CALLSPAN_DATA_DIR=/a", "STATE_DIRECTORY=/b:/c", "XDG_DATA_HOME=/d", "HOME=/e"];
        let folder = |skipped: usize| {
            let variable = |name: &str| {
                let pairs = named.iter().skip(skipped).filter_map(|pair| pair.split_once('='));
                pairs.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
            };
            data_dir_of(&variable).map(|folder| folder.display().to_string())
        };
        let folders: Vec<_> = (0..5).map(folder).collect();
        let expected = ["/a", "/b", "/d/callspan", "/e/.local/share/callspan"].map(|folder| Some(folder.to_owned()));
        assert_eq!(folders, [expected.as_slice(), &[None]].concat());
    }
}
