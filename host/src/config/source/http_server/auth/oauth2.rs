//! The strategy `oauth2`.

use super::basic::check_name;
use super::rotating::Secrets;
use crate::config::decode::{Options, Table};
use crate::config::path::At;
use crate::config::problem::Report;
use crate::config::value::{UrlPath, Whole};
use crate::intake::http_server::auth::{ClientSettings, Oauth2Settings, signing_key_problem};
use crate::secret::Secret;
use schemars::JsonSchema;
use std::path::PathBuf;

/// Clients fetch tokens here with their credentials (RFC 6749, section 4.4), and push with them (RFC 6750). A token is a
/// signed JWT for this source alone. Files are read again when they change.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields, extend("required" = ["clients"]))]
pub(super) struct Oauth2 {
    /// Who may fetch tokens.
    #[schemars(required, length(min = 1))]
    clients: Option<Vec<Client>>,
    /// Where tokens are fetched.
    token_path: UrlPath,
    /// How long a token is good, in seconds.
    token_lifetime_secs: Whole<60, 86_400>,
    /// What tokens are signed with, at least 32 bytes. Without it, and without `signing_key_file`, the process makes up a
    /// key when it starts: tokens that were fetched before a restart are no good after it, and clients fetch new ones.
    #[schemars(with = "Option<String>")]
    signing_key: Option<Secret>,
    /// A file that holds the key.
    signing_key_file: Option<PathBuf>,
    /// The key before, whose tokens are good as long as it stands here.
    #[schemars(with = "Option<String>")]
    previous_signing_key: Option<Secret>,
    /// A file that holds the key before.
    previous_signing_key_file: Option<PathBuf>,
}

/// A client.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Client {
    /// Its name.
    client_id: String,
    /// Its secret. Either this or `client_secret_file` is needed.
    #[schemars(with = "Option<String>")]
    client_secret: Option<Secret>,
    /// A file that holds its secret.
    client_secret_file: Option<PathBuf>,
    /// The secret before, which is good as long as it stands here.
    #[schemars(with = "Option<String>")]
    previous_client_secret: Option<Secret>,
    /// A file that holds the secret before.
    previous_client_secret_file: Option<PathBuf>,
}

impl Default for Oauth2 {
    fn default() -> Self {
        Oauth2 {
            clients: None,
            token_path: UrlPath("/oauth/token".to_owned()),
            token_lifetime_secs: Whole(3600),
            signing_key: None,
            signing_key_file: None,
            previous_signing_key: None,
            previous_signing_key_file: None,
        }
    }
}

impl Options for Client {
    fn read(table: &mut Table<'_, '_>) -> Self {
        Client {
            client_id: table.required("client_id", "the name that the client shows"),
            client_secret: table.take("client_secret", None),
            client_secret_file: table.take("client_secret_file", None),
            previous_client_secret: table.take("previous_client_secret", None),
            previous_client_secret_file: table.take("previous_client_secret_file", None),
        }
    }
}

impl Oauth2 {
    pub(super) fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Oauth2 {
            clients: table.required("clients", "a list of clients, each with `client_id` and `client_secret`"),
            token_path: table.take("token_path", default.token_path),
            token_lifetime_secs: table.take("token_lifetime_secs", default.token_lifetime_secs),
            signing_key: table.take("signing_key", None),
            signing_key_file: table.take("signing_key_file", None),
            previous_signing_key: table.take("previous_signing_key", None),
            previous_signing_key_file: table.take("previous_signing_key_file", None),
        }
    }

    /// None where something is wrong with it. The path is that of pushes.
    pub(super) fn plan(self, path: &str, at: At<'_>, report: &mut Report<'_>) -> Option<Oauth2Settings> {
        if self.token_path.0 == path {
            report.add(at.key("token_path"), "pushes go to this path; tokens need another one");
        }
        let signing_key = Secrets {
            names: ["signing_key", "signing_key_file", "previous_signing_key", "previous_signing_key_file"],
            current: (self.signing_key, self.signing_key_file),
            previous: (self.previous_signing_key, self.previous_signing_key_file),
        };
        let signing_key = signing_key.plan(false, signing_key_problem, at, report);
        let clients_at = at.key("clients");
        let clients = self.clients?;
        if clients.is_empty() {
            report.add(clients_at, "expected at least one client");
        }
        let clients: Vec<_> = clients
            .into_iter()
            .enumerate()
            .filter_map(|(index, client)| client.plan(clients_at.index(index), report))
            .collect();
        let (token_path, token_lifetime) = (self.token_path.0, self.token_lifetime_secs.seconds());
        Some(Oauth2Settings { token_path, token_lifetime, signing_key, clients })
    }
}

impl Client {
    fn plan(self, at: At<'_>, report: &mut Report<'_>) -> Option<ClientSettings> {
        check_name(&self.client_id, at.key("client_id"), report);
        let secrets = Secrets {
            names: ["client_secret", "client_secret_file", "previous_client_secret", "previous_client_secret_file"],
            current: (self.client_secret, self.client_secret_file),
            previous: (self.previous_client_secret, self.previous_client_secret_file),
        };
        let client_secret = secrets.plan(true, |_| None, at, report)?;
        Some(ClientSettings { client_id: self.client_id, client_secret })
    }
}
