//! Why a request as a whole is not taken. The text of each is what its sender reads.

use super::auth;
use crate::intake::body::{self, BodyError};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("nothing is served at this path; call records go to {path}")]
    OtherPath { path: String },
    #[error("call records are sent with {method}")]
    OtherMethod { method: Method },
    #[error("the user or the password is missing or wrong")]
    Unauthorized,
    #[error("the body holds more than {limit} records")]
    TooManyRecords { limit: usize },
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the body is empty; expected a call record in JSON")]
    NoRecord,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::OtherPath { .. } => StatusCode::NOT_FOUND,
            Self::OtherMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::TooManyRecords { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRecord => StatusCode::BAD_REQUEST,
            Self::Body(error) => error.status(),
        }
    }

    /// Stable, for scripts and metrics.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::OtherPath { .. } => "unknown_path",
            Self::OtherMethod { .. } => "method_not_allowed",
            Self::Unauthorized => "unauthorized",
            Self::TooManyRecords { .. } => "too_many_records",
            Self::Body(error) => error.code(),
            Self::NoRecord => "no_record",
        }
    }

    /// What HTTP wants to be said beside the status (RFC 9110, sections 15.5.2, 15.5.6 and 15.5.16).
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::OtherMethod { method } => Some((header::ALLOW, HeaderValue::from_str(method.as_str()).ok()?)),
            Self::Unauthorized => Some((header::WWW_AUTHENTICATE, auth::CHALLENGE)),
            Self::Body(BodyError::UnknownEncoding) => {
                Some((header::ACCEPT_ENCODING, HeaderValue::from_static(body::ENCODINGS)))
            }
            _ => None,
        }
    }
}
