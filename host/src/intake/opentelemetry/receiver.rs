//! Answers the requests of a listener: each is told where it comes from, and those that there is no place for are refused
//! in the protocol that they speak.

use super::grpc;
use super::intake::Intake;
use super::{Append, GRPC_PATH};
use crate::connections::{Excess, Respond};
use crate::intake::body;
use crate::intake::postponed::{Postponed, Why};
use axum::Router;
use axum::body::Body;
use axum::http::{Extensions, Request, Response};
use hyper::body::Incoming;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Clones answer alike.
pub struct Receiver<Q> {
    pub(super) intake: Arc<Intake<Q>>,
    pub(super) router: Router,
}

/// The address that a request comes from.
#[derive(Clone, Copy)]
struct CameFrom(IpAddr);

impl<Q> Clone for Receiver<Q> {
    fn clone(&self) -> Self {
        Self { intake: Arc::clone(&self.intake), router: self.router.clone() }
    }
}

impl<Q: Append> Respond for Receiver<Q> {
    async fn respond(self, mut request: Request<Incoming>, peer: Option<IpAddr>) -> Response<Body> {
        if let Some(peer) = peer {
            request.extensions_mut().insert(CameFrom(peer));
        }
        self.router.respond(request, peer).await
    }

    async fn refuse(self, request: Request<Incoming>, peer: Option<IpAddr>, excess: Excess) -> Response<Body> {
        let Excess::ManyRequests = excess else { return self.router.refuse(request, peer, excess).await };
        let postponed = Postponed { why: Why::ManyRequests, retry_after: self.intake.body_room.retry_after(0) };
        let (head, body) = request.into_parts();
        body::drain(&head, body).await;
        if head.uri.path() == GRPC_PATH {
            return grpc::status(postponed.into()).into_http();
        }
        self.intake.postpone(&head, postponed)
    }
}

/// Where a request comes from; all that come from nowhere are one sender.
pub(super) fn came_from(extensions: &Extensions) -> IpAddr {
    extensions.get().map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |CameFrom(address)| *address)
}
