//! Whether the head of a request is within the limits, as they are counted for HTTP/1.1 and HTTP/2 alike.

use super::ConnectionLimits;
use axum::http::{HeaderMap, Request, StatusCode, Uri};

/// Why a request is not even looked at. The text of each is what its sender reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Excess {
    #[error("the address of the request is longer than {limit} bytes")]
    LongUri { limit: usize },
    #[error("the request has more than {limit} headers")]
    ManyHeaders { limit: usize },
    #[error("the headers of the request are longer than {limit} bytes")]
    LongHeaders { limit: usize },
    #[error("too many requests are being answered; send this one again later")]
    ManyRequests,
}

/// What a header counts for beside its name and its value (RFC 9113, section 6.5.2).
const HEADER_BYTES_MORE: usize = 32;

impl Excess {
    /// One of each.
    #[must_use]
    pub fn all(limits: &ConnectionLimits) -> [Self; 4] {
        [
            Self::LongUri { limit: limits.uri_bytes_max },
            Self::ManyHeaders { limit: limits.headers_max },
            Self::LongHeaders { limit: limits.header_bytes_max },
            Self::ManyRequests,
        ]
    }

    /// The status that says so (RFC 9110, sections 15.5.15 and 15.6.4; RFC 6585, section 5).
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::LongUri { .. } => StatusCode::URI_TOO_LONG,
            Self::ManyHeaders { .. } | Self::LongHeaders { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::ManyRequests => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// Stable, for scripts and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::LongUri { .. } => "uri_too_long",
            Self::ManyHeaders { .. } => "too_many_headers",
            Self::LongHeaders { .. } => "headers_too_large",
            Self::ManyRequests => "too_many_requests",
        }
    }
}

impl ConnectionLimits {
    /// What of the head is too much, if anything is.
    pub(super) fn excess<B>(&self, request: &Request<B>) -> Option<Excess> {
        if length(request.uri()) > self.uri_bytes_max {
            return Some(Excess::LongUri { limit: self.uri_bytes_max });
        }
        let headers = request.headers();
        if headers.len() > self.headers_max {
            return Some(Excess::ManyHeaders { limit: self.headers_max });
        }
        (size(headers) > self.header_bytes_max).then_some(Excess::LongHeaders { limit: self.header_bytes_max })
    }
}

/// Of the path and the query: HTTP/2 tells scheme and host apart from them, HTTP/1.1 leaves them out.
fn length(uri: &Uri) -> usize {
    uri.path_and_query().map_or(0, |path| path.as_str().len())
}

fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES_MORE).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn request(uri: &str, headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.uri_mut() = uri.parse().expect("an address");
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        request
    }

    #[test]
    fn just_so_much_is_taken_and_one_more_is_not() {
        let limits =
            ConnectionLimits { uri_bytes_max: 4, headers_max: 2, header_bytes_max: 72, ..ConnectionLimits::default() };
        let (four_bytes, two_headers) = ("/?ab", [("a", "123"), ("a", "123")]);
        assert_eq!(limits.excess(&request(four_bytes, &two_headers)), None);
        assert_eq!(limits.excess(&request("http://host/?ab", &[])), None);
        for (uri, headers, expected) in [
            ("/?abc", two_headers.to_vec(), Excess::LongUri { limit: 4 }),
            (four_bytes, vec![("a", ""); 3], Excess::ManyHeaders { limit: 2 }),
            (four_bytes, vec![("a", "123"), ("a", "1234")], Excess::LongHeaders { limit: 72 }),
        ] {
            assert_eq!(limits.excess(&request(uri, &headers)), Some(expected));
        }
    }
}
