//! The strategy `basic`.

use super::rotating::Secrets;
use crate::config::decode::Table;
use crate::config::path::At;
use crate::config::problem::Report;
use crate::intake::http_server::auth::BasicSettings;
use crate::secret::Secret;
use schemars::JsonSchema;
use std::path::PathBuf;

/// One user with HTTP Basic authentication (RFC 7617); a list of them has several. Files are read again when they change.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Basic {
    /// The user.
    username: String,
    /// The password. Either this or `password_file` is needed.
    #[schemars(with = "Option<String>")]
    password: Option<Secret>,
    /// A file that holds the password.
    password_file: Option<PathBuf>,
    /// The password before, which is good as long as it stands here.
    #[schemars(with = "Option<String>")]
    previous_password: Option<Secret>,
    /// A file that holds the password before.
    previous_password_file: Option<PathBuf>,
}

impl Basic {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        Basic {
            username: table.required("username", "the name that senders show"),
            password: table.take("password", None),
            password_file: table.take("password_file", None),
            previous_password: table.take("previous_password", None),
            previous_password_file: table.take("previous_password_file", None),
        }
    }

    /// None where something is wrong with it.
    pub(super) fn plan(self, at: At<'_>, report: &mut Report<'_>) -> Option<BasicSettings> {
        check_name(&self.username, at.key("username"), report);
        let secrets = Secrets {
            names: ["password", "password_file", "previous_password", "previous_password_file"],
            current: (self.password, self.password_file),
            previous: (self.previous_password, self.previous_password_file),
        };
        let password = secrets.plan(true, |_| None, at, report)?;
        Some(BasicSettings { username: self.username, password })
    }
}

/// Of a user or a client.
pub(super) fn check_name(name: &str, at: At<'_>, report: &mut Report<'_>) {
    if name.contains(':') {
        report.add(at, "a user's name has no colon, which is what divides it from the password");
    } else if name.is_empty() && report.is_good(at) && report.checks_environment {
        report.add(at, "it is empty");
    }
}
