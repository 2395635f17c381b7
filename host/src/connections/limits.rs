//! What connections and the heads of requests are held to.

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use std::time::Duration;

/// What connections are held to. Memory that senders can take before anything of a body is read is bounded by
/// `connections_max` times [`ConnectionLimits::connection_bytes_max`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnectionLimits {
    /// How many there may be at once; the next wait to be accepted.
    pub connections_max: usize,
    /// How many there may be from one address, which for IPv6 is a network of 64 bits; the next are closed.
    pub connections_per_address_max: usize,
    /// How many requests may be answered at once, over all connections; the next are asked to come again.
    pub requests_max: usize,
    /// How many requests there may be at once on a connection of HTTP/2.
    pub streams_max: u32,
    /// How many streams of a connection of HTTP/2 may have been taken back before anybody looked at them; with the next,
    /// the connection is closed (CVE-2023-44487).
    pub pending_resets_max: usize,
    /// How many streams of a connection of HTTP/2 may have been broken off for what was wrong with them; with the next,
    /// the connection is closed.
    pub error_resets_max: usize,
    /// The longest address of a request, in bytes.
    pub uri_bytes_max: usize,
    /// How long the headers of a request may be together: names, values, and 32 bytes for each (RFC 9113, section 6.5.2).
    pub header_bytes_max: usize,
    /// How many headers a request may have.
    pub headers_max: usize,
    /// How long TLS may take to be agreed on.
    pub handshake_timeout: Duration,
    /// How long the head of a request may take, from its first byte, and of the first request from when the connection
    /// was opened.
    pub header_timeout: Duration,
    /// How long one may be open without a request to answer. A request counts from when its headers have arrived.
    pub idle_timeout: Duration,
    /// After how long a connection gets no more requests, so that a load balancer divides its senders anew.
    pub age_max: Duration,
    /// By what part of it that differs from one connection to another, so that not all end at once.
    pub age_jitter_factor: f64,
}

/// What HTTP/2 may keep of bodies that nobody has read yet, for each stream and for all of a connection.
const WINDOW_BYTES: u32 = 128 * 1024;
/// What the library looks for at least.
const BUFFER_BYTES_MIN: usize = 8 * 1024;
/// What stands in a head beside the address and what the headers count for: the method, the version, and what HTTP/2 says
/// in headers of its own.
const HEAD_BYTES_MORE: usize = 1024;
/// As many fit in what the library has ready; for more it takes memory with each request.
const HEADERS_AT_HAND: usize = 100;

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            connections_per_address_max: 768,
            requests_max: 1024,
            streams_max: 100,
            pending_resets_max: 20,
            error_resets_max: 128,
            uri_bytes_max: 4 * 1024,
            header_bytes_max: 16 * 1024,
            headers_max: 100,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            age_max: Duration::from_secs(300),
            age_jitter_factor: 0.1,
        }
    }
}

impl ConnectionLimits {
    /// What a connection may take of memory beside the bodies of its requests, to some kilobytes: the head that is being
    /// read, what HTTP/2 keeps of bodies, and what TLS keeps of a record each way.
    #[must_use]
    pub fn connection_bytes_max(&self) -> usize {
        const TLS_BYTES: usize = 2 * 16 * 1024;
        self.head_bytes_max() + WINDOW_BYTES as usize + TLS_BYTES
    }

    fn head_bytes_max(&self) -> usize {
        self.uri_bytes_max.saturating_add(self.header_bytes_max).saturating_add(HEAD_BYTES_MORE).max(BUFFER_BYTES_MIN)
    }

    /// What speaks HTTP within these limits. What they say of a head is the least that the libraries pass on: they count
    /// otherwise, and tell nobody. Each head is held against the limits once more when it is there.
    pub(super) fn builder(&self) -> Builder<TokioExecutor> {
        let mut builder = Builder::new(TokioExecutor::new());
        let head_bytes_max = self.head_bytes_max();
        // The clock of a connection does what the library's would do with one more for each request.
        let mut http1 = builder.http1();
        http1.header_read_timeout(None).max_buf_size(head_bytes_max);
        if self.headers_max > HEADERS_AT_HAND {
            http1.max_headers(self.headers_max);
        }
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(self.streams_max)
            .max_pending_accept_reset_streams(self.pending_resets_max)
            .max_local_error_reset_streams(self.error_resets_max)
            .max_header_list_size(u32::try_from(head_bytes_max).unwrap_or(u32::MAX))
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES);
        builder
    }

    /// The age of one connection, for a number from 0 to 1 by which they differ.
    pub(super) fn age(&self, chance: f64) -> Duration {
        let factor = 1.0 + self.age_jitter_factor * (2.0 * chance - 1.0);
        Duration::try_from_secs_f64(self.age_max.as_secs_f64() * factor).unwrap_or(self.age_max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_differ_by_the_factor_to_both_sides() {
        let limits = ConnectionLimits { age_max: Duration::from_secs(100), ..ConnectionLimits::default() };
        let ages = [0.0, 0.5, 1.0].map(|chance| limits.age(chance).as_secs());
        assert_eq!(ages, [90, 100, 110]);
        let exact = ConnectionLimits { age_jitter_factor: 0.0, ..limits };
        assert_eq!(exact.age(0.0), exact.age(1.0));
    }
}
