//! A socket beside the queue, for commands of the user whom the service runs as: whatever changes something, or shows a
//! record, goes through it.
//!
//! It speaks HTTP/1.1: `POST /queue` with a [`queue::control::Request`] as JSON, answered with a
//! [`queue::control::Response`], `POST /plugins` with those of [`transform::control`], or either with
//! `{"error":{"code":…,"message":…}}`. Nobody else can reach it: the file has mode 0600 from the moment it has its name,
//! and who connects is asked for the user.

mod client;
#[cfg(test)]
mod tests;

use crate::connections::Listen;
use crate::{queue, transform};
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use rustix::process::geteuid;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, Permissions};
use std::future::ready;
use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixStream};

pub use client::{ClientError, SocketClient};

/// Within the folder for what is remembered.
const FILE: &str = "admin.sock";
/// The socket's name before it can be reached.
const NEW_FILE: &str = "admin.sock.new";
const QUEUE: &str = "/queue";
const PLUGINS: &str = "/plugins";
/// A request names a few hundred dead letters at most.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;
/// What the system takes for a socket's path, with the zero at its end (unix(7)).
const PATH_BYTES_MAX: usize = 107;

/// A socket that listens. Its file goes with it.
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

/// What is answered instead of what was asked for.
#[derive(Debug, Serialize, Deserialize)]
struct Failure {
    error: Reason,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reason {
    /// Stable.
    code: String,
    message: String,
}

impl Socket {
    /// Listens in the folder for what is remembered, in place of what a process that is gone has left there. `private` is
    /// a folder on the same disk that nobody but this user may enter, and that belongs to this process alone. To be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn bind(data_dir: &Path, private: &Path) -> io::Result<Self> {
        let (new, path) = (private.join(NEW_FILE), data_dir.join(FILE));
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = at_short_path(&new, |path| UnixListener::bind(path))?;
        fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        fs::rename(&new, &path)?;
        Ok(Socket { listener, path })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Listen for Socket {
    type Stream = UnixStream;
    type Agreed = UnixStream;

    async fn next(&self) -> io::Result<(UnixStream, Option<IpAddr>)> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let user = stream.peer_cred()?.uid();
            if user == geteuid().as_raw() {
                return Ok((stream, None));
            }
            tracing::warn!(user, code = "admin_refused", "another user wanted to use the admin socket");
        }
    }

    fn agree(&self, stream: UnixStream) -> impl Future<Output = io::Result<UnixStream>> + Send + 'static {
        ready(Ok(stream))
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "failed to remove the admin socket");
        }
    }
}

/// Answers requests that come over the socket.
pub fn control_router<Q: queue::control::Control, P: transform::control::Control>(queue: Q, plugins: P) -> Router {
    Router::new().fallback(respond::<Q, P>).with_state((queue, plugins))
}

async fn respond<Q: queue::control::Control, P: transform::control::Control>(
    State((queue, plugins)): State<(Q, P)>,
    request: HttpRequest,
) -> Response {
    let path = request.uri().path().to_owned();
    if path != QUEUE && path != PLUGINS {
        return failure(StatusCode::NOT_FOUND, "unknown_path", format!("there are {QUEUE} and {PLUGINS}"));
    }
    if *request.method() != Method::POST {
        return failure(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "use POST".to_owned());
    }
    let Ok(body) = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await else {
        let message = format!("the body has more than {REQUEST_BYTES_MAX} bytes, or broke off");
        return failure(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message);
    };
    if path == QUEUE { of_queue(&queue, &body).await } else { of_plugins(&plugins, &body).await }
}

async fn of_queue(queue: &impl queue::control::Control, body: &[u8]) -> Response {
    use queue::control::ControlError;
    let request = match parsed(body) {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    match queue.answer(request).await {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err(error) => {
            let status = match error {
                ControlError::NoConsumer(_) => StatusCode::NOT_FOUND,
                ControlError::TooManyIds(_) => StatusCode::BAD_REQUEST,
                ControlError::Store(_) | ControlError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            };
            failure(status, error.code(), error.to_string())
        }
    }
}

async fn of_plugins(plugins: &impl transform::control::Control, body: &[u8]) -> Response {
    let request = match parsed(body) {
        Ok(request) => request,
        Err(refusal) => return refusal,
    };
    match plugins.answer(request).await {
        Ok(answer) => json(StatusCode::OK, &answer),
        Err(error) => {
            let status = if error.is_unknown() { StatusCode::NOT_FOUND } else { StatusCode::CONFLICT };
            failure(status, error.code(), error.to_string())
        }
    }
}

#[expect(clippy::result_large_err, reason = "it is the answer, and made once for a request")]
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, Response> {
    serde_json::from_slice(body).map_err(|error| failure(StatusCode::BAD_REQUEST, "not_understood", error.to_string()))
}

fn failure(status: StatusCode, code: &str, message: String) -> Response {
    json(status, &Failure { error: Reason { code: code.to_owned(), message } })
}

fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).expect("its keys are strings");
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// Does something with the path of a socket: with one by way of its open folder, where its own is too long for the
/// system.
fn at_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    if path.as_os_str().as_bytes().len() <= PATH_BYTES_MAX {
        return act(path);
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return act(path) };
    let folder = File::open(folder)?;
    act(&Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name))
}

/// An answer, or why there is none.
fn read_answer<T: DeserializeOwned>(status: StatusCode, body: &[u8]) -> Result<T, ClientError> {
    if status == StatusCode::OK {
        return serde_json::from_slice(body).map_err(|error| ClientError::NotUnderstood(error.to_string()));
    }
    match serde_json::from_slice::<Failure>(body) {
        Ok(Failure { error }) => Err(ClientError::Refused { code: error.code, message: error.message }),
        Err(_) => Err(ClientError::NotUnderstood(format!("status {status}"))),
    }
}
