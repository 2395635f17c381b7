//! The other end of the socket: what commands ask a running service with.

use super::{FILE, PLUGINS, QUEUE, at_short_path, read_answer};
use crate::{queue, transform};
use axum::body::{Body, to_bytes};
use axum::http::{self, Method, header};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustix::process::geteuid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// A connection to a running service.
pub struct SocketClient {
    sender: http1::SendRequest<Body>,
}

/// Why a service does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No service runs, or not with this folder.
    #[error("no service answers")]
    Nobody,
    #[error("the service runs as user {service}, and this command as user {this}; run it as that user")]
    OtherUser { service: u32, this: u32 },
    #[error("failed to reach the service: {0}")]
    Io(#[from] io::Error),
    #[error("failed to ask the service: {0}")]
    Http(#[from] hyper::Error),
    #[error("the service did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    TimedOut,
    #[error("{message}")]
    Refused { code: String, message: String },
    #[error("the service's answer is not understood, so it may be another version of callspan: {0}")]
    NotUnderstood(String),
}

/// Bodies of dead letters come 8 MiB at a time, and one more, in base64.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

impl SocketClient {
    /// Connects to the service that uses this folder for what it remembers. To be called within a tokio runtime, whose
    /// tasks have to go on for the connection to.
    ///
    /// # Errors
    /// When there is none, or it is not this user's.
    pub async fn connect(data_dir: &Path) -> Result<Self, ClientError> {
        let connected = at_short_path(&data_dir.join(FILE), |path| StdUnixStream::connect(path));
        let stream = connected.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => ClientError::Nobody,
            _ => ClientError::Io(error),
        })?;
        stream.set_nonblocking(true)?;
        let stream = UnixStream::from_std(stream)?;
        let (service, this) = (stream.peer_cred()?.uid(), geteuid().as_raw());
        if service != this {
            return Err(ClientError::OtherUser { service, this });
        }
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with its sender; what goes wrong with it, the sender tells.
        tokio::spawn(connection);
        Ok(SocketClient { sender })
    }

    /// Asks one thing of the queue.
    ///
    /// # Errors
    /// When the service is gone, or refuses.
    pub async fn ask(&mut self, request: &queue::control::Request) -> Result<queue::control::Response, ClientError> {
        self.ask_at(QUEUE, request).await
    }

    /// Asks one thing of the plugins.
    ///
    /// # Errors
    /// When the service is gone, or refuses.
    pub async fn ask_plugins(
        &mut self,
        request: &transform::control::Request,
    ) -> Result<transform::control::Response, ClientError> {
        self.ask_at(PLUGINS, request).await
    }

    async fn ask_at<T: DeserializeOwned>(&mut self, path: &str, request: &impl Serialize) -> Result<T, ClientError> {
        timeout(ANSWER_TIMEOUT, self.exchange(path, request)).await.map_err(|_| ClientError::TimedOut)?
    }

    async fn exchange<T: DeserializeOwned>(&mut self, path: &str, request: &impl Serialize) -> Result<T, ClientError> {
        let body = serde_json::to_vec(request).map_err(io::Error::other)?;
        let request = http::Request::builder()
            .method(Method::POST)
            .uri(path)
            .header(header::HOST, "callspan")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(io::Error::other)?;
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = to_bytes(Body::new(body), ANSWER_BYTES_MAX).await.map_err(io::Error::other)?;
        read_answer(head.status, &body)
    }
}
