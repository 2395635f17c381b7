//! A refusal for good, and what it may be about: the configuration of the client, or what was in the request.

/// A backend took nothing of a request and never will.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What the backend answered, in the words of its protocol: `HTTP 401`, `UNAUTHENTICATED`.
    pub status: String,
    /// What has to be changed, as far as the status says so.
    pub cause: Cause,
    /// A fragment for people, with the backend's words. It holds no header's value.
    pub reason: String,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Who we are.
    Credentials,
    /// What we may do.
    Permission,
    /// Where, and in what protocol, we send to.
    Address,
    /// Where the backend would have us go.
    Redirect,
    /// Perhaps what was in the request, perhaps anything else.
    Unnamed,
}

impl Refusal {
    /// What is wrong with the configuration, and what to look at. None where the status does not say that it is the
    /// configuration: then other requests may be taken.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let status = &self.status;
        Some(match self.cause {
            Cause::Credentials => format!("the backend refuses the credentials ({status}): check `headers`"),
            Cause::Permission => format!(
                "the backend does not permit these credentials to send traces ({status}): check `headers`, and what they are allowed"
            ),
            Cause::Address => {
                format!("the backend takes no traces at this address ({status}): check `endpoint` and `protocol`")
            }
            Cause::Redirect => format!(
                "the backend redirects ({status}), which is not followed: set `endpoint` to where the traces go"
            ),
            Cause::Unnamed => return None,
        })
    }

    /// What is wrong when a backend refuses one request after another and takes none.
    #[must_use]
    pub fn advice_in_a_row(&self) -> String {
        let Self { status, reason, .. } = self;
        format!(
            "the backend refuses one trace after another ({status}): check the sink's options and the backend; {reason}"
        )
    }
}

impl Cause {
    pub(super) fn of_http(status: reqwest::StatusCode) -> Self {
        match status.as_u16() {
            300..=399 => Self::Redirect,
            401 | 407 => Self::Credentials,
            403 => Self::Permission,
            404 | 405 => Self::Address,
            _ => Self::Unnamed,
        }
    }

    pub(super) fn of_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::Unauthenticated => Self::Credentials,
            tonic::Code::PermissionDenied => Self::Permission,
            tonic::Code::Unimplemented => Self::Address,
            _ => Self::Unnamed,
        }
    }
}

/// A code as gRPC's documentation spells it.
pub(super) fn name_of(code: tonic::Code) -> &'static str {
    match code {
        tonic::Code::Ok => "OK",
        tonic::Code::Cancelled => "CANCELLED",
        tonic::Code::Unknown => "UNKNOWN",
        tonic::Code::InvalidArgument => "INVALID_ARGUMENT",
        tonic::Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        tonic::Code::NotFound => "NOT_FOUND",
        tonic::Code::AlreadyExists => "ALREADY_EXISTS",
        tonic::Code::PermissionDenied => "PERMISSION_DENIED",
        tonic::Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        tonic::Code::FailedPrecondition => "FAILED_PRECONDITION",
        tonic::Code::Aborted => "ABORTED",
        tonic::Code::OutOfRange => "OUT_OF_RANGE",
        tonic::Code::Unimplemented => "UNIMPLEMENTED",
        tonic::Code::Internal => "INTERNAL",
        tonic::Code::Unavailable => "UNAVAILABLE",
        tonic::Code::DataLoss => "DATA_LOSS",
        tonic::Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
