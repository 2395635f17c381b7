//! HTTP connections, whatever is asked over them: how many there may be, how long they may be idle, how they end.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, error, warn};

/// How many connections the system may have open that are not yet accepted; it has an upper limit of its own. Of a burst
/// that is larger some wait seconds until their packets are sent anew.
const BACKLOG: u32 = 4096;

/// What connections are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// How many there may be at once; the next wait to be accepted.
    pub connections_max: usize,
    /// How long one may be open without a request to answer. A request counts from when its headers have arrived.
    pub idle_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self { connections_max: 1024, idle_timeout: Duration::from_secs(60) }
    }
}

/// Where connections come from.
pub trait Listen: Send {
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Waits for the next one, and tells the address on its other side; None where there are no addresses.
    fn next(&self) -> impl Future<Output = io::Result<(Self::Stream, Option<IpAddr>)>> + Send;
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn next(&self) -> io::Result<(TcpStream, Option<IpAddr>)> {
        let (stream, peer) = self.accept().await?;
        // Answers are small; they should not wait to be joined by others.
        if let Err(error) = stream.set_nodelay(true) {
            debug!(%error, "cannot send without delay");
        }
        // A socket for both kinds of addresses tells those of IPv4 in the form of the other (RFC 4291, section 2.5.5.2).
        Ok((stream, Some(peer.ip().to_canonical())))
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
}

impl Respond for Router {
    async fn respond(self, request: Request<Incoming>, _: Option<IpAddr>) -> Response<Body> {
        TowerToHyperService::new(self).call(request).await.unwrap_or_else(|never: Infallible| match never {})
    }
}

/// What a connection that is being closed gets to bring its last answer on the way.
const FAREWELL: Duration = Duration::from_secs(1);
/// Errors of accepting come in floods when there are no file descriptors left.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(500);
/// Longer than any process runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) until the shutdown is there, then answers the requests in flight
/// and closes every connection.
pub async fn serve(
    listener: impl Listen,
    responder: impl Respond,
    limits: ConnectionLimits,
    shutdown: impl Future<Output = ()>,
) {
    let room = Arc::new(Semaphore::new(limits.connections_max.min(Semaphore::MAX_PERMITS)));
    let closing = watch::Sender::new(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = accept(&listener, &room) => match accepted {
                Ok((stream, peer, permit)) => {
                    let responder = responder.clone();
                    let connection = serve_connection(stream, peer, responder, limits.idle_timeout, closing.subscribe());
                    connections.spawn(async move {
                        connection.await;
                        drop(permit);
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
) -> io::Result<(L::Stream, Option<IpAddr>, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.next().await?;
    Ok((stream, peer, permit))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "connection failed");
    }
}

async fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<IpAddr>,
    responder: impl Respond,
    idle_timeout: Duration,
    mut closing: watch::Receiver<bool>,
) {
    let activity = Arc::new(Activity::new());
    let requests = Arc::clone(&activity);
    let service = service_fn(move |request| {
        let in_flight = InFlight::begin(&requests);
        let response = responder.clone().respond(request, peer);
        async move {
            let response = response.await;
            drop(in_flight);
            Ok::<_, Infallible>(response)
        }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    // This one clock watches over a connection that says nothing, one that sends its headers byte by byte, and one that
    // is kept open between requests, for HTTP/1.1 and HTTP/2 alike. Requests do not touch it: it looks at what has
    // happened when it rings, and is set again.
    let mut clock = pin!(tokio::time::sleep(idle_timeout));
    let mut patience = idle_timeout;
    let mut is_closing = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(error, "connection broke");
                }
                return;
            }
            () = clock.as_mut() => {
                let now = Instant::now();
                let patient_until = later(activity.idle_since().unwrap_or(now), patience);
                if patient_until > now {
                    clock.as_mut().reset(patient_until);
                    continue;
                }
                if is_closing {
                    return;
                }
            }
            _ = closing.wait_for(|is_closing| *is_closing), if !is_closing => {}
        }
        // HTTP/2 says good bye, and a request that is just coming in is still answered.
        connection.as_mut().graceful_shutdown();
        is_closing = true;
        patience = FAREWELL;
        activity.touch();
        clock.as_mut().reset(later(Instant::now(), FAREWELL));
    }
}

fn later(instant: Instant, duration: Duration) -> Instant {
    instant.checked_add(duration).unwrap_or(instant + FOR_EVER)
}

/// What has happened on a connection.
struct Activity {
    opened: Instant,
    requests_in_flight: AtomicUsize,
    /// When the last request was answered, in nanoseconds since the connection was opened.
    touched_after_nanos: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { opened: Instant::now(), requests_in_flight: AtomicUsize::new(0), touched_after_nanos: AtomicU64::new(0) }
    }

    fn touch(&self) {
        let after = u64::try_from(self.opened.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.touched_after_nanos.store(after, Ordering::Release);
    }

    /// None while there is a request to answer.
    fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.requests_in_flight.load(Ordering::Acquire) == 0;
        let after = Duration::from_nanos(self.touched_after_nanos.load(Ordering::Acquire));
        is_idle.then(|| later(self.opened, after))
    }
}

/// A request that is being answered.
struct InFlight(Arc<Activity>);

impl InFlight {
    fn begin(activity: &Arc<Activity>) -> Self {
        activity.requests_in_flight.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.touch();
        self.0.requests_in_flight.fetch_sub(1, Ordering::AcqRel);
    }
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
