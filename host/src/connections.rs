//! HTTP connections, whatever is asked over them: how many there may be, how long they may be idle, how they end.

use axum::Router;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tracing::{debug, error, warn};

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

/// What a connection that is being closed gets to bring its last answer on the way.
const FAREWELL: Duration = Duration::from_secs(1);
/// Errors of accepting come in floods when there are no file descriptors left.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(500);

/// Serves HTTP/1.1 and HTTP/2 (with prior knowledge) until the shutdown is there, then answers the requests in flight
/// and closes every connection.
pub async fn serve(
    listener: TcpListener,
    router: Router,
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
                Ok((stream, permit)) => {
                    let connection = serve_connection(stream, router.clone(), limits.idle_timeout, closing.subscribe());
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

async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> io::Result<(TcpStream, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, permit))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "connection failed");
    }
}

async fn serve_connection(
    stream: TcpStream,
    router: Router,
    idle_timeout: Duration,
    mut closing: watch::Receiver<bool>,
) {
    // Answers are small; they should not wait to be joined by others.
    if let Err(error) = stream.set_nodelay(true) {
        debug!(%error, "cannot send without delay");
    }
    let busy = Arc::new(watch::Sender::new(0));
    let mut requests = busy.subscribe();
    let router = TowerToHyperService::new(router);
    let service = service_fn(|request| {
        let in_flight = InFlight::begin(&busy);
        let response = router.call(request);
        async move {
            let response = response.await;
            drop(in_flight);
            response
        }
    });
    let builder = Builder::new(TokioExecutor::new());
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut is_closing = false;
    loop {
        let patience = if is_closing { FAREWELL } else { idle_timeout };
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    debug!(error, "connection broke");
                }
                return;
            }
            () = idle_for(patience, &mut requests) => if is_closing { return },
            _ = closing.wait_for(|is_closing| *is_closing), if !is_closing => {}
        }
        // HTTP/2 says good bye, and a request that is just coming in is still answered.
        connection.as_mut().graceful_shutdown();
        is_closing = true;
    }
}

/// A request that is being answered.
struct InFlight(Arc<watch::Sender<usize>>);

impl InFlight {
    fn begin(busy: &Arc<watch::Sender<usize>>) -> Self {
        busy.send_modify(|requests| *requests += 1);
        Self(Arc::clone(busy))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests -= 1);
    }
}

/// Ends when there has been no request in flight for that long. This one clock watches over a connection that says
/// nothing, one that sends its headers byte by byte, and one that is kept open between requests, for HTTP/1.1 and
/// HTTP/2 alike.
async fn idle_for(patience: Duration, requests: &mut watch::Receiver<usize>) {
    loop {
        let is_idle = *requests.borrow_and_update() == 0;
        tokio::select! {
            () = tokio::time::sleep(patience), if is_idle => return,
            // The sender outlives the connection, so this waits.
            _ = requests.changed() => {}
        }
    }
}
