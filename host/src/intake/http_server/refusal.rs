//! Why a request as a whole is not taken. The text of each is what its sender reads.

use crate::intake::body::BodyError;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("nothing is served at this path; call records go to {path}")]
    OtherPath { path: String },
    #[error("call records are sent with POST")]
    OtherMethod,
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
            Self::OtherMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooManyRecords { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoRecord => StatusCode::BAD_REQUEST,
            Self::Body(error) => match error {
                BodyError::UnknownEncoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
                BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
                BodyError::BrokenOff | BodyError::BrokenEncoding => StatusCode::BAD_REQUEST,
                BodyError::Slow => StatusCode::REQUEST_TIMEOUT,
            },
        }
    }

    /// What HTTP wants to be said beside the status (RFC 9110, sections 15.5.6 and 15.5.16).
    pub(super) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        match self {
            Self::OtherMethod => Some((header::ALLOW, HeaderValue::from_static("POST"))),
            Self::Body(BodyError::UnknownEncoding) => {
                Some((header::ACCEPT_ENCODING, HeaderValue::from_static("gzip, deflate, identity")))
            }
            _ => None,
        }
    }
}
