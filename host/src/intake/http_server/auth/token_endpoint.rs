//! `POST /oauth/token`: a client shows its id and secret, and is given a token for its pushes (RFC 6749, section 4.4). It
//! shows them with HTTP Basic or in the form, and never in both. Answers are those of sections 5.1 and 5.2, and nobody
//! keeps them.

use super::basic::{self, user_and_password};
use super::failure::Failure;
use super::tokens::{SCOPE, Tokens};
use crate::openapi::Description;
use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// An id, a secret and a few words.
pub(in crate::intake::http_server) const BODY_BYTES_MAX: usize = 8 * 1024;

/// What a client is told.
#[derive(Debug)]
pub(in crate::intake::http_server) enum TokenAnswer {
    Granted { access_token: String, expires_in: u64 },
    Refused(TokenError),
}

/// What is wrong with its request. The text of each is what its sender reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::intake::http_server) enum TokenError {
    #[error(
        "expected a form with each parameter once, among them grant_type, and the client's credentials in one place"
    )]
    InvalidRequest,
    #[error("the client's credentials are missing or wrong")]
    InvalidClient(Failure),
    #[error("the one grant there is, is client_credentials")]
    UnsupportedGrantType,
    #[error("the one scope there is, is push")]
    InvalidScope,
    #[error("no token can be made")]
    ServerError,
}

/// A token (RFC 6749, section 5.1).
#[derive(JsonSchema, Serialize)]
struct Granted<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u64,
    scope: &'static str,
}

/// Why there is none (RFC 6749, section 5.2).
#[derive(JsonSchema, Serialize)]
struct Refused {
    error: &'static str,
    error_description: String,
}

/// An id and a secret.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

type Form = BTreeMap<String, String>;

pub(super) fn answer(tokens: &Tokens, headers: &HeaderMap, body: &[u8]) -> TokenAnswer {
    match grant(tokens, headers, body) {
        Ok(access_token) => TokenAnswer::Granted { access_token, expires_in: tokens.lifetime.as_secs() },
        Err(error) => TokenAnswer::Refused(error),
    }
}

fn grant(tokens: &Tokens, headers: &HeaderMap, body: &[u8]) -> Result<String, TokenError> {
    let form = form(headers, body)?;
    let spellings = credentials(headers, &form)?;
    let client = tokens.client(&spellings).ok_or(TokenError::InvalidClient(Failure::Wrong))?;
    match form.get("grant_type").map(String::as_str) {
        Some("client_credentials") => {}
        Some(_) => return Err(TokenError::UnsupportedGrantType),
        None => return Err(TokenError::InvalidRequest),
    }
    if form.get("scope").is_some_and(|scopes| scopes.split(' ').any(|scope| scope != SCOPE)) {
        return Err(TokenError::InvalidScope);
    }
    tokens.issue(client).map_err(|_| TokenError::ServerError)
}

/// A parameter without a value counts as left out, and none may be there twice (section 3.2).
fn form(headers: &HeaderMap, body: &[u8]) -> Result<Form, TokenError> {
    const FORM: &[u8] = b"application/x-www-form-urlencoded";
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if !kind.eq_ignore_ascii_case(FORM) {
        return Err(TokenError::InvalidRequest);
    }
    let mut form = Form::new();
    for (name, value) in form_urlencoded::parse(body).filter(|(_, value)| !value.is_empty()) {
        if form.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err(TokenError::InvalidRequest);
        }
    }
    Ok(form)
}

/// An id and a secret, as they are spelled. In the header they are those of a form (section 2.3.1), but many clients
/// write them as they are.
fn credentials(headers: &HeaderMap, form: &Form) -> Result<Vec<Pair>, TokenError> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    let in_form = (form.get("client_id"), form.get("client_secret"));
    match (authorizations.next(), authorizations.next(), in_form) {
        (Some(authorization), None, (None, None)) => {
            let token = super::scheme(authorization.as_bytes(), b"Basic");
            let (id, secret) =
                token.and_then(user_and_password).ok_or(TokenError::InvalidClient(Failure::Malformed))?;
            let decoded = (decoded(&id), decoded(&secret));
            Ok(vec![(id, secret), decoded])
        }
        (None, _, (Some(id), Some(secret))) => Ok(vec![(id.clone().into_bytes(), secret.clone().into_bytes())]),
        (None, _, (None, None)) => Err(TokenError::InvalidClient(Failure::Missing)),
        (None, _, _) => Err(TokenError::InvalidClient(Failure::Malformed)),
        _ => Err(TokenError::InvalidRequest),
    }
}

fn decoded(text: &[u8]) -> Vec<u8> {
    // A name of a form ends where an equals sign or an ampersand stands, neither of which is in one that is encoded.
    form_urlencoded::parse(text).next().map(|(name, _)| Cow::into_owned(name).into_bytes()).unwrap_or_default()
}

impl TokenAnswer {
    /// What a token looks like, and a refusal.
    pub(in crate::intake::http_server) fn schemas(description: &mut Description) -> (Value, Value) {
        (description.schema::<Granted<'_>>("Token"), description.schema::<Refused>("TokenRefusal"))
    }

    /// In a few words.
    pub(in crate::intake::http_server) fn summary(&self) -> String {
        match self {
            Self::Granted { .. } => "here is a token".to_owned(),
            Self::Refused(error) => error.to_string(),
        }
    }

    pub(in crate::intake::http_server) fn status(&self) -> StatusCode {
        match self {
            Self::Granted { .. } => StatusCode::OK,
            Self::Refused(TokenError::InvalidClient(_)) => StatusCode::UNAUTHORIZED,
            Self::Refused(TokenError::ServerError) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Refused(_) => StatusCode::BAD_REQUEST,
        }
    }

    /// What is wrong, unless nothing is.
    pub(in crate::intake::http_server) fn code(&self) -> Option<&'static str> {
        match self {
            Self::Granted { .. } => None,
            Self::Refused(error) => Some(error.code()),
        }
    }

    pub(in crate::intake::http_server) fn into_response(self) -> Response<Body> {
        let status = self.status();
        let text = match &self {
            Self::Granted { access_token, expires_in } => {
                let (token_type, expires_in) = ("Bearer", *expires_in);
                serde_json::to_vec(&Granted { access_token, token_type, expires_in, scope: SCOPE })
            }
            Self::Refused(error) => {
                serde_json::to_vec(&Refused { error: error.code(), error_description: error.to_string() })
            }
        };
        let mut response = Response::new(Body::from(text.expect("its keys and values are texts and numbers")));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, basic::CHALLENGE);
        }
        response
    }
}

impl TokenError {
    /// One of each.
    pub(in crate::intake::http_server) const ALL: [Self; 5] = [
        Self::InvalidRequest,
        Self::InvalidClient(Failure::Wrong),
        Self::UnsupportedGrantType,
        Self::InvalidScope,
        Self::ServerError,
    ];

    fn code(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient(_) => "invalid_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::ServerError => "server_error",
        }
    }
}
