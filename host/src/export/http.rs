//! OTLP over HTTP, in protocol buffers or in JSON.

use super::compression::{compressed, content_encoding};
use super::connector::{self, Host};
use super::endpoint::{Compression, Endpoint, Protocol};
use super::outcome::Answer;
use super::quotes::Quotes;
use super::{ANSWER_BYTES_MAX, Client, ConnectError, USER_AGENT, Unanswered};
use bytes::Bytes;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderValue};
use reqwest::{ClientBuilder, Response, Url, redirect};
use std::time::{Duration, SystemTime};

pub(super) struct Http {
    client: reqwest::Client,
    url: Url,
    compression: Compression,
    timeout: Duration,
    quotes: Quotes,
}

impl Http {
    /// Connects when the first request is sent.
    pub(super) fn new(endpoint: &Endpoint) -> Result<Self, ConnectError> {
        let content_type = match endpoint.protocol() {
            Protocol::HttpJson => "application/json",
            Protocol::HttpProtobuf | Protocol::Grpc => "application/x-protobuf",
        };
        let unusable = |error| ConnectError::new(endpoint, &error);
        let mut headers = endpoint.headers().map_err(unusable)?;
        let quotes = Quotes::without(&headers);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        if let Some(encoding) = content_encoding(endpoint.compression()) {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        }
        let builder = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .default_headers(headers)
            // A redirect would carry call records and credentials to an address that nobody configured.
            .redirect(redirect::Policy::none())
            .timeout(endpoint.timeout());
        let builder = if endpoint.has_tls() {
            with_tls(builder, endpoint)?
        } else {
            // Without TLS no certificates are needed, and a small container image has none to load.
            builder.tls_certs_only([])
        };
        Ok(Self {
            client: builder.build().map_err(|error| ConnectError::new(endpoint, &error))?,
            url: endpoint.named_url(),
            compression: endpoint.compression(),
            timeout: endpoint.timeout(),
            quotes,
        })
    }

    async fn exchange(&self, body: Bytes) -> reqwest::Result<Answer> {
        let mut response = self.client.post(self.url.clone()).body(body).send().await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = beginning_of(&mut response).await?;
        Ok(Answer::of_http(status, &headers, &body, SystemTime::now(), &self.quotes))
    }
}

impl Client for Http {
    async fn send(&self, request: Bytes) -> Result<Answer, Unanswered> {
        let body = match compressed(request, self.compression).await {
            Ok(body) => body,
            Err(error) => {
                let reason = format!("the request could not be compressed: {error}");
                return Ok(Answer::Retry { after: None, reason });
            }
        };
        match self.exchange(body).await {
            Ok(answer) => Ok(answer),
            Err(error) if error.is_timeout() => Err(Unanswered(self.timeout)),
            Err(error) => Ok(Answer::unreachable(&error.without_url(), &self.quotes)),
        }
    }
}

/// Under another name than the address's no proxy is asked, which would look for a host of that name.
fn with_tls(builder: ClientBuilder, endpoint: &Endpoint) -> Result<ClientBuilder, ConnectError> {
    let config = connector::client_config(endpoint, &["h2", "http/1.1"]);
    let builder = builder.tls_backend_preconfigured(config.map_err(|error| ConnectError::new(endpoint, &error))?);
    let host = endpoint.url().host_str().unwrap_or_default().trim_matches(['[', ']']);
    Ok(match endpoint.tls().server_name {
        Some(_) => builder.no_proxy().dns_resolver(Host(host.to_owned())),
        None => builder,
    })
}

async fn beginning_of(response: &mut Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        body.extend_from_slice(&chunk);
        if body.len() >= ANSWER_BYTES_MAX {
            body.truncate(ANSWER_BYTES_MAX);
            break;
        }
    }
    Ok(body)
}
