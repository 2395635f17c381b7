//! Why a request as a whole is not taken. The text of each is what its sender reads.

use crate::connections::Excess;
use crate::intake::body::{self, BodyError};
use crate::intake::postponed::Postponed;
use crate::intake::store::{RETRY_AFTER, whole_seconds};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("nothing is served at this path{}", path.as_ref().map(|path| format!("; call records go to {path}")).unwrap_or_default())]
    OtherPath {
        /// None where it is a secret.
        path: Option<String>,
    },
    #[error("call records are sent with {method}")]
    OtherMethod { method: Method },
    #[error("tokens are asked for with POST")]
    OtherTokenMethod,
    #[error("the credentials are missing or wrong")]
    Unauthorized { challenges: Vec<HeaderValue> },
    #[error("this sender may not push here")]
    Forbidden { challenges: Vec<HeaderValue> },
    #[error("too many requests with wrong credentials came from this address; try again later")]
    LockedOut { remaining: Duration },
    #[error("credentials cannot be checked for now; send the whole body again later")]
    Undecided,
    #[error("the body holds more than {limit} records")]
    TooManyRecords { limit: usize },
    #[error(transparent)]
    Excess(#[from] Excess),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Postponed(#[from] Postponed),
    #[error("the body is empty; expected a call record in JSON")]
    NoRecord,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::OtherPath { .. } => StatusCode::NOT_FOUND,
            Self::OtherMethod { .. } | Self::OtherTokenMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::LockedOut { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Undecided => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooManyRecords { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRecord => StatusCode::BAD_REQUEST,
            Self::Excess(excess) => excess.status(),
            Self::Body(error) => error.status(),
            Self::Postponed(postponed) => postponed.status(),
        }
    }

    /// Stable, for scripts and metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::OtherPath { .. } => "unknown_path",
            Self::OtherMethod { .. } | Self::OtherTokenMethod => "method_not_allowed",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Forbidden { .. } => "forbidden",
            Self::LockedOut { .. } => "locked_out",
            Self::Undecided => "credentials_not_checked",
            Self::TooManyRecords { .. } => "too_many_records",
            Self::Excess(excess) => excess.code(),
            Self::Body(error) => error.code(),
            Self::Postponed(postponed) => postponed.code(),
            Self::NoRecord => "no_record",
        }
    }

    /// What HTTP wants to be said beside the status (RFC 9110, sections 15.5.2, 15.5.6 and 15.5.16; RFC 6585, section 4).
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        match self {
            Self::OtherMethod { method } => {
                HeaderValue::from_str(method.as_str()).map(|method| (header::ALLOW, method)).into_iter().collect()
            }
            Self::OtherTokenMethod => vec![(header::ALLOW, HeaderValue::from_static("POST"))],
            Self::Unauthorized { challenges } | Self::Forbidden { challenges } => {
                challenges.iter().map(|challenge| (header::WWW_AUTHENTICATE, challenge.clone())).collect()
            }
            Self::LockedOut { remaining } => vec![(header::RETRY_AFTER, whole_seconds(*remaining).into())],
            Self::Undecided => vec![(header::RETRY_AFTER, whole_seconds(RETRY_AFTER).into())],
            Self::Postponed(postponed) | Self::Body(BodyError::Postponed(postponed)) => {
                vec![(header::RETRY_AFTER, whole_seconds(postponed.retry_after).into())]
            }
            Self::Body(BodyError::UnknownEncoding) => {
                vec![(header::ACCEPT_ENCODING, HeaderValue::from_static(body::ENCODINGS))]
            }
            _ => Vec::new(),
        }
    }
}
