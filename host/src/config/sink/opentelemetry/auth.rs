//! The options `auth` of the sink `opentelemetry`.

use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::planning::Planning;
use crate::config::secret_file;
use crate::config::value::{Choice, Word};
use crate::secret::{Secret, SecretSource};
use schemars::JsonSchema;
use std::path::PathBuf;

/// A bearer token (RFC 6750).
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(super) struct Auth {
    /// How this service shows who it is.
    strategy: Choice<Strategy>,
    /// The token. Either this or `token_file` is needed.
    #[schemars(with = "Option<String>")]
    token: Option<Secret>,
    /// A file that holds the token and nothing else, as Kubernetes mounts it. It is read again when it changes.
    token_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Default, PartialEq)]
struct Strategy;

impl Word for Strategy {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("bearer", Strategy)]
    }
}

impl Options for Auth {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Auth {
            strategy: table.required("strategy", "bearer"),
            token: table.take("token", None),
            token_file: table.take("token_file", None),
        }
    }
}

impl Auth {
    /// None where something is wrong with it.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<SecretSource> {
        let Choice(Strategy) = self.strategy;
        let report = &mut *planning.report;
        let (token, token_file) = (at.key("token"), at.key("token_file"));
        secret_file::required((token, self.token), (token_file, self.token_file), report)
    }
}
