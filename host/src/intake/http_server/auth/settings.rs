//! Whom a source lets in, as it is configured.

use crate::secret::{Secret, SecretSource};
use axum::http::{HeaderName, Uri};
use ipnet::IpNet;
use jsonwebtoken::Algorithm;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a sender has to meet: all of the conditions, and one of the ways.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthSettings {
    /// How senders show who they are; whoever does so in one way is let in. Without any, nobody is asked.
    pub ways: Vec<Way>,
    /// What the path ends in.
    pub path_secret: Option<Rotating>,
    /// Where senders are; anywhere, if this is empty.
    pub permit_origin: Vec<IpNet>,
    /// Whose word is taken for where a sender is.
    pub trusted_proxies: Vec<IpNet>,
    /// What an address that shows wrong credentials is held to.
    pub lockout: LockoutSettings,
}

/// One way to show who one is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// A user with HTTP Basic authentication (RFC 7617).
    Basic(BasicSettings),
    /// Tokens that are fetched here with a client's credentials (RFC 6749, section 4.4).
    Oauth2(Oauth2Settings),
    /// Tokens of an issuer elsewhere (RFC 7519).
    Jwt(JwtSettings),
    /// A code over time and body (RFC 2104).
    Hmac(HmacSettings),
}

/// A secret, and the one that it takes the place of: both are good until the previous one is left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotating {
    /// The option, for messages.
    pub option: &'static str,
    pub current: SecretSource,
    pub previous: Option<SecretSource>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BasicSettings {
    pub username: String,
    pub password: Rotating,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oauth2Settings {
    pub token_path: String,
    pub token_lifetime: Duration,
    /// What tokens are signed with; one that this process makes up, if there is none.
    pub signing_key: Option<Rotating>,
    pub clients: Vec<ClientSettings>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    pub client_id: String,
    pub client_secret: Rotating,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtSettings {
    pub issuer: String,
    /// A token has to be for one of them.
    pub audience: Vec<String>,
    pub keys: KeySource,
    /// With public keys alone.
    pub algorithms: Vec<Algorithm>,
    /// What a token has to allow.
    pub scope: Option<String>,
    /// How far the issuer's clock may be off.
    pub leeway: Duration,
}

/// Where an issuer's public keys are (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    File(PathBuf),
    Url {
        url: Uri,
        /// The least time between two tries to fetch them.
        cooldown: Duration,
        /// After this long they are fetched again, whoever asks.
        max_age: Duration,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacSettings {
    pub secret: Rotating,
    pub signature_header: HeaderName,
    pub timestamp_header: HeaderName,
    /// How far the time may be from now, before and after.
    pub max_age: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockoutSettings {
    /// So many failures of an address within the window are let pass.
    pub failures_max: u32,
    pub window: Duration,
    /// How many addresses are remembered.
    pub addresses_max: usize,
}

impl Default for LockoutSettings {
    fn default() -> Self {
        Self { failures_max: 10, window: Duration::from_secs(60), addresses_max: 10_000 }
    }
}

impl AuthSettings {
    /// Nobody is turned away.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ways.is_empty() && self.path_secret.is_none() && self.permit_origin.is_empty()
    }

    /// What is read again when it changes.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<&Path> = self.path_secret.iter().flat_map(Rotating::files).collect();
        for way in &self.ways {
            match way {
                Way::Basic(basic) => files.extend(basic.password.files()),
                Way::Oauth2(oauth2) => {
                    files.extend(oauth2.signing_key.iter().flat_map(Rotating::files));
                    files.extend(oauth2.clients.iter().flat_map(|client| client.client_secret.files()));
                }
                Way::Jwt(JwtSettings { keys: KeySource::File(file), .. }) => files.push(file),
                Way::Jwt(_) => {}
                Way::Hmac(hmac) => files.extend(hmac.secret.files()),
            }
        }
        files.into_iter().map(Path::to_path_buf).collect()
    }

    /// The way by tokens that are fetched here; there is one at most.
    pub(in crate::intake::http_server) fn oauth2(&self) -> Option<&Oauth2Settings> {
        self.ways.iter().find_map(|way| match way {
            Way::Oauth2(oauth2) => Some(oauth2),
            _ => None,
        })
    }
}

impl Rotating {
    fn files(&self) -> impl Iterator<Item = &Path> {
        [Some(&self.current), self.previous.as_ref()].into_iter().flatten().filter_map(SecretSource::file)
    }

    /// Both as they are now, the current one first. A path is not shown, since a variable may have a part in it.
    pub(super) fn read(&self) -> Result<(Secret, Option<Secret>), String> {
        let option = self.option;
        let current = self.current.read().map_err(|error| format!("{option}_file: {}", error.told("the file")))?;
        let previous = self.previous.as_ref().map(SecretSource::read).transpose();
        let previous = previous.map_err(|error| format!("previous_{option}_file: {}", error.told("the file")))?;
        Ok((current, previous))
    }
}

/// How long secrets of each kind have to be: what can be tried without asking anybody has to be more than a word.
const PATH_SECRET_BYTES_MIN: usize = 16;
const HMAC_SECRET_BYTES_MIN: usize = 16;
/// As many as the code has (RFC 7518, section 3.2).
const SIGNING_KEY_BYTES_MIN: usize = 32;

/// What is wrong with a secret of this kind, if anything is.
#[must_use]
pub fn path_secret_problem(secret: &Secret) -> Option<&'static str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if secret.expose().len() < PATH_SECRET_BYTES_MIN {
        return Some("it is shorter than 16 characters, which could be guessed");
    }
    // What stands for itself in every URL (RFC 3986, section 2.3).
    (!secret.expose().bytes().all(is_plain)).then_some("expected letters, digits and -._~ alone")
}

/// The same of a secret for codes.
#[must_use]
pub fn hmac_secret_problem(secret: &Secret) -> Option<&'static str> {
    let is_short = secret.expose().len() < HMAC_SECRET_BYTES_MIN;
    is_short.then_some("it is shorter than 16 bytes, which could be guessed")
}

/// The same of a key that signs tokens.
#[must_use]
pub fn signing_key_problem(secret: &Secret) -> Option<&'static str> {
    let is_short = secret.expose().len() < SIGNING_KEY_BYTES_MIN;
    is_short.then_some("it is shorter than 32 bytes, for example from `openssl rand -hex 32`")
}
