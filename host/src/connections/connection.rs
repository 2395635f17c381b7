//! One connection, from its first byte to its last.

use super::activity::{Activity, Heard, InFlight};
use super::handshake::Failure;
use super::{ConnectionLimits, Excess, Respond, later};
use axum::body::Body;
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};
use tracing::debug;

/// What a connection that is being closed gets to bring its last answer on the way.
const FAREWELL: Duration = Duration::from_secs(1);

/// What every connection of a listener is served with.
#[derive(Clone)]
pub(super) struct Serving<R> {
    pub(super) responder: R,
    pub(super) limits: ConnectionLimits,
    /// One for each request that may be answered at once.
    pub(super) requests: Arc<Semaphore>,
    pub(super) closing: watch::Receiver<bool>,
}

impl<R: Respond> Serving<R> {
    /// Serves a connection once the other side has come to terms, which it gets a limited time for.
    ///
    /// # Errors
    /// Why it did not.
    pub(super) async fn serve(
        mut self,
        agreed: impl Future<Output = io::Result<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>>,
        peer: Option<IpAddr>,
    ) -> Result<(), Failure> {
        let agreed = timeout(self.limits.handshake_timeout, agreed);
        let agreed = tokio::select! {
            biased;
            agreed = agreed => agreed,
            _ = self.closing.wait_for(|is_closing| *is_closing) => return Ok(()),
        };
        match agreed {
            Ok(Ok(stream)) => {
                self.serve_agreed(stream, peer).await;
                Ok(())
            }
            Ok(Err(error)) => {
                debug!(%error, "no terms were found with a sender");
                Err(Failure::of(&error))
            }
            Err(_) => {
                debug!("a sender took too long to come to terms");
                Err(Failure::Slow)
            }
        }
    }

    async fn serve_agreed(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Option<IpAddr>) {
        let activity = Arc::new(Activity::new());
        let (limits, mut closing) = (self.limits, self.closing);
        let old_at = later(activity.opened(), limits.age(fastrand::f64()));
        let service = {
            let Self { responder, requests, .. } = self;
            let activity = Arc::clone(&activity);
            service_fn(move |request: Request<Incoming>| {
                let is_multiplexed = request.version() == Version::HTTP_2;
                let in_flight = InFlight::begin(&activity, is_multiplexed);
                let response = respond(responder.clone(), Arc::clone(&requests), limits, request, peer);
                async move {
                    let mut response = response.await;
                    if !is_multiplexed && Instant::now() >= old_at {
                        // The sender opens another one for what it sends next, and nothing is lost in between.
                        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                    }
                    drop(in_flight);
                    Ok::<_, Infallible>(response)
                }
            })
        };
        let builder = limits.builder();
        let stream = TokioIo::new(Heard::new(stream, Arc::clone(&activity)));
        let mut connection = pin!(builder.serve_connection(stream, service));
        // This one clock watches over a connection that says nothing, one that sends its headers byte by byte, and one
        // that is kept open between requests, for HTTP/1.1 and HTTP/2 alike. Requests do not touch it: it looks at what
        // has happened when it rings, and is set again. What has less time than it rings has at most twice of it.
        let interval = limits.header_timeout.min(limits.idle_timeout);
        let mut clock = pin!(tokio::time::sleep(interval));
        let (mut idle_timeout, mut header_timeout) = (limits.idle_timeout, limits.header_timeout);
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
                    let patient_until = activity.patient_until(now, idle_timeout, header_timeout);
                    // HTTP/1.1 says so with an answer.
                    let is_old = now >= old_at && activity.is_multiplexed() && !is_closing;
                    if patient_until > now && !is_old {
                        clock.as_mut().reset(patient_until.min(later(now, interval)));
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
            (idle_timeout, header_timeout) = (FAREWELL, FAREWELL);
            let now = Instant::now();
            activity.touch(now);
            clock.as_mut().reset(later(now, FAREWELL));
        }
    }
}

async fn respond<R: Respond>(
    responder: R,
    requests: Arc<Semaphore>,
    limits: ConnectionLimits,
    request: Request<Incoming>,
    peer: Option<IpAddr>,
) -> Response<Body> {
    if let Some(excess) = limits.excess(&request) {
        return responder.refuse(request, peer, excess).await;
    }
    match requests.try_acquire() {
        Ok(_place) => responder.respond(request, peer).await,
        Err(_) => responder.refuse(request, peer, Excess::ManyRequests).await,
    }
}
