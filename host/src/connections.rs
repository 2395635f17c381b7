//! HTTP connections, whatever is asked over them: how many there may be, how long they may be idle, how they end.

mod activity;
mod addresses;
mod connection;
mod counters;
mod handshake;
mod head;
mod limits;
mod secured;

use addresses::Addresses;
use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Request, Response};
use connection::Serving;
use hyper::body::Incoming;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::future::ready;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, warn};

pub use addresses::origin;
pub use counters::ConnectionCounters;
pub use head::Excess;
pub use limits::ConnectionLimits;
pub use secured::{Secured, TlsFiles};

/// How many connections the system may have open that are not yet accepted; it has an upper limit of its own. Of a burst
/// that is larger some wait seconds until their packets are sent anew.
const BACKLOG: u32 = 4096;

/// Where connections come from.
pub trait Listen: Send {
    /// As it is accepted.
    type Stream: Send + 'static;
    /// As requests come over it.
    type Agreed: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next one, and tells the address on its other side; None where there are no addresses.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;

    /// Comes to terms with the other side on how to speak.
    fn agree(&self, stream: Self::Stream) -> impl Future<Output = io::Result<Self::Agreed>> + Send + 'static;
}

impl Listen for TcpListener {
    type Stream = TcpStream;
    type Agreed = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, peer) = self.accept().await?;
        // Answers are small; they should not wait to be joined by others.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "cannot send without delay");
        }
        // A socket for both kinds of addresses tells those of IPv4 in the form of the other (RFC 4291, section 2.5.5.2).
        Ok((stream, Some(peer.ip().to_canonical())))
    }

    fn agree(&self, stream: TcpStream) -> impl Future<Output = io::Result<TcpStream>> + Send + 'static {
        ready(Ok(stream))
    }
}

/// Takes an address to accept connections at.
///
/// # Errors
/// When it is in use, not this machine's, or not this user's to take.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // So that it can be taken again while connections of the last process linger.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Answers requests. Clones answer alike.
pub trait Respond: Clone + Send + 'static {
    /// Answers one request, errors too. It came from this address; None where there are no addresses.
    fn respond(
        self,
        request: Request<Incoming>,
        peer: Option<IpAddr>,
    ) -> impl Future<Output = Response<Body>> + Send + 'static;

    /// Answers one that is not taken for its head, or for want of a place.
    fn refuse(
        self,
        _request: Request<Incoming>,
        _peer: Option<IpAddr>,
        excess: Excess,
    ) -> impl Future<Output = Response<Body>> + Send + 'static {
        async move { plain_refusal(excess) }
    }
}

/// What is said where nobody knows better words.
pub(crate) fn plain_refusal(excess: Excess) -> Response<Body> {
    let mut response = Response::new(Body::from(excess.to_string()));
    *response.status_mut() = excess.status();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    if matches!(excess, Excess::ManyRequests) {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}

impl Respond for Router {
    async fn respond(self, request: Request<Incoming>, _: Option<IpAddr>) -> Response<Body> {
        TowerToHyperService::new(self).call(request).await.unwrap_or_else(|never: Infallible| match never {})
    }
}

/// Errors of accepting come in floods when there are no file descriptors left.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(500);
/// How often it is told that connections from an address are closed since there are too many.
const CROWD_TELL_INTERVAL: Duration = Duration::from_secs(60);
/// Longer than any process runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) until the shutdown is there, then answers the requests in flight
/// and closes every connection. What becomes of each is counted.
pub async fn serve(
    listener: impl Listen,
    responder: impl Respond,
    limits: ConnectionLimits,
    counters: ConnectionCounters,
    shutdown: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let addresses = Addresses::new(limits.connections_per_address_max);
    let closing = watch::Sender::new(false);
    let requests = Arc::new(Semaphore::new(limits.requests_max.min(Semaphore::MAX_PERMITS)));
    let serving = Serving { responder, limits, requests, closing: closing.subscribe() };
    let mut told_of_crowd: Option<Instant> = None;
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = accept(&listener, &room, &counters) => match accepted {
                Ok((stream, peer, permit)) => {
                    let Some(guest) = addresses.admit(peer) else {
                        counters.refused("connections_per_address_max");
                        if told_of_crowd.is_none_or(|told| told.elapsed() >= CROWD_TELL_INTERVAL) {
                            told_of_crowd = Some(Instant::now());
                            warn!(
                                address = peer.map(tracing::field::display),
                                code = "too_many_connections",
                                "an address has as many connections as one may have; more are closed"
                            );
                        }
                        continue;
                    };
                    let connection = serving.clone().serve(listener.agree(stream), peer);
                    let mut open = counters.open();
                    connections.spawn(async move {
                        open.failure = connection.await.err();
                        drop((open, guest, permit));
                    });
                }
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_ERROR_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    closing.send_replace(true);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

async fn accept<L: Listen>(
    listener: &L,
    room: &Arc<Semaphore>,
    counters: &ConnectionCounters,
) -> io::Result<(L::Stream, Option<IpAddr>, OwnedSemaphorePermit)> {
    let permit = match Arc::clone(room).try_acquire_owned() {
        Ok(permit) => permit,
        Err(_) => {
            counters.delayed();
            Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?
        }
    };
    let (stream, peer) = listener.next().await?;
    Ok((stream, peer, permit))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "connection failed");
    }
}

fn later(instant: Instant, duration: Duration) -> Instant {
    instant.checked_add(duration).unwrap_or(instant + FOR_EVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The library's own measure of 128 would have the others try again after a second or more.
    #[tokio::test]
    async fn a_burst_of_connections_waits_for_nothing() {
        const BURST: usize = 600;
        let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_secs(30));
        let connections: Vec<_> = (0..BURST).map(|_| connect().expect("nobody has accepted any")).collect();
        assert_eq!(connections.len(), BURST);
    }
}
