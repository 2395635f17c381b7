//! OTLP over HTTP, in protocol buffers or in JSON.

use super::endpoint::{Compression, Endpoint, Protocol};
use super::outcome::Answer;
use super::quotes::Quotes;
use super::{ConnectError, USER_AGENT};
use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Response, Url, redirect};
use std::io::{self, Write as _};
use std::time::{Duration, SystemTime};

/// More of an answer is not read: all that is needed is in its first lines.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;
/// Traces repeat their keys, and the fastest level finds what repeats: it leaves 6 % of a request of 64 calls in 0.2 ms,
/// where the usual level 6 leaves 5 % in 0.8 ms.
const GZIP_LEVEL: Level = Level::new(1);
/// What is compressed without leaving the thread, in less than a millisecond.
const GZIP_INLINE_BYTES_MAX: usize = 256 * 1024;

pub(super) struct Http {
    client: Client,
    url: Url,
    compression: Compression,
    timeout: Duration,
    quotes: Quotes,
}

impl Http {
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let content_type = match endpoint.protocol() {
            Protocol::HttpJson => "application/json",
            Protocol::HttpProtobuf | Protocol::Grpc => "application/x-protobuf",
        };
        let mut headers = endpoint.headers().clone();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if endpoint.compression() == Compression::Gzip {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        let mut builder = Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            // A redirect would carry call records and credentials to an address that nobody configured.
            .redirect(redirect::Policy::none())
            .timeout(endpoint.timeout());
        if endpoint.url().scheme() == "http" {
            // Without TLS no certificates are needed, and a small container image has none to load.
            builder = builder.tls_certs_only([]);
        }
        Ok(Self {
            client: builder.build().map_err(|error| ConnectError::new(endpoint, &error))?,
            url: endpoint.url().clone(),
            compression: endpoint.compression(),
            timeout: endpoint.timeout(),
            quotes: Quotes::without(endpoint.headers()),
        })
    }

    /// Sends an encoded `ExportTraceServiceRequest`.
    pub(super) async fn send(&self, request: Bytes) -> Answer {
        let body = match self.compression {
            Compression::None => Ok(request),
            Compression::Gzip => gzip(request).await,
        };
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                return Answer::Retry { after: None, reason: format!("the request could not be compressed: {error}") };
            }
        };
        match self.exchange(body).await {
            Ok(answer) => answer,
            Err(error) if error.is_timeout() => Answer::timed_out(self.timeout),
            Err(error) => Answer::unreachable(&error.without_url(), &self.quotes),
        }
    }

    async fn exchange(&self, body: Bytes) -> reqwest::Result<Answer> {
        let mut response = self.client.post(self.url.clone()).body(body).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = beginning_of(&mut response).await?;
        Ok(Answer::of_http(status, &headers, &body, SystemTime::now(), &self.quotes))
    }
}

/// Much is compressed on a thread for blocking work: it takes milliseconds.
async fn gzip(request: Bytes) -> io::Result<Bytes> {
    let is_large = request.len() > GZIP_INLINE_BYTES_MAX;
    let compress = move || {
        let mut encoder = GzEncoder::new(Vec::with_capacity(request.len() / 4), GZIP_LEVEL);
        encoder.write_all(&request)?;
        encoder.finish().map(Bytes::from)
    };
    if is_large { tokio::task::spawn_blocking(compress).await.map_err(io::Error::other)? } else { compress() }
}

async fn beginning_of(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() >= RESPONSE_BYTES_MAX {
            body.truncate(RESPONSE_BYTES_MAX);
            break;
        }
    }
    Ok(body)
}
