//! One request: whether it is for us, what is in it, and what became of each record.

use super::auth::{self, Admission, Gate, TOKEN_REQUEST_BYTES_MAX, TokenAnswer};
use super::refusal::Refusal;
use super::reply::Reply;
use super::{Append, Counters, Settings};
use crate::connections::{Excess, Respond};
use crate::intake::body::{self, Arrived};
use crate::intake::body_room::{BodyPlace, BodyRoom, Claim, RECORD_BYTES};
use crate::intake::postponed::{Postponed, Why};
use crate::intake::split::{Found, Records, concatenated, whole};
use crate::intake::store::store;
use crate::telemetry::LogLines;
use axum::body::{Body, Bytes};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Request, Response, Uri};
use hyper::body::Incoming;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tracing::warn;

/// Answers pushes. Clones answer alike.
pub struct Receiver<Q>(pub(super) Arc<Intake<Q>>);

/// What every request is held against.
pub(super) struct Intake<Q> {
    /// The source, as it is called.
    pub(super) name: String,
    pub(super) queue: Arc<Q>,
    pub(super) settings: Settings,
    /// What opens to senders, if not everything does.
    pub(super) gate: Option<Gate>,
    /// What bodies may take of memory.
    pub(super) body_room: BodyRoom,
    pub(super) counters: Arc<Counters>,
    pub(super) log_lines: LogLines,
}

/// What a push is about, told by the query's `action`.
enum Action {
    CallRecord,
    /// Known, but nothing that becomes a trace.
    Other,
    /// May well be a call record: the mapping tells, not the query.
    Unknown,
}

impl<Q> Clone for Receiver<Q> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q: Append> Respond for Receiver<Q> {
    async fn respond(self, request: Request<Incoming>, peer: Option<IpAddr>) -> Response<Body> {
        let begun = Instant::now();
        let Self(intake) = self;
        let address = intake.address(&request, peer);
        let reply = intake.reply(request, address).await;
        intake.account(&reply, begun, address);
        reply.into_response()
    }

    async fn refuse(self, request: Request<Incoming>, peer: Option<IpAddr>, excess: Excess) -> Response<Body> {
        let begun = Instant::now();
        let Self(intake) = self;
        let address = intake.address(&request, peer);
        let (head, body) = request.into_parts();
        let refusal = match excess {
            Excess::ManyRequests => {
                Postponed { why: Why::ManyRequests, retry_after: intake.body_room.retry_after(0) }.into()
            }
            excess => excess.into(),
        };
        body::drain(&head, body).await;
        let reply = Reply::refused(&refusal);
        intake.account(&reply, begun, address);
        reply.into_response()
    }
}

impl<Q: Append> Intake<Q> {
    /// Where a request comes from.
    fn address(&self, request: &Request<Incoming>, peer: Option<IpAddr>) -> IpAddr {
        auth::address(peer, request.headers(), &self.settings.auth.trusted_proxies)
    }

    fn account(&self, reply: &Reply, begun: Instant, address: IpAddr) {
        let (counters, status) = (&self.counters, reply.status());
        if let Some(code) = reply.code() {
            counters.source.requests(status.as_str()).add(1);
            self.note(reply, code, address);
        } else {
            counters.answered_ok.add(1);
        }
        counters.source.answered_after(begun.elapsed());
    }

    async fn reply(&self, request: Request<Incoming>, address: IpAddr) -> Reply {
        if let Some(gate) = self.gate.as_ref().filter(|gate| gate.gives_tokens_at(request.uri().path())) {
            return self
                .token(gate, request, address)
                .await
                .map_or_else(|refusal| Reply::refused(&refusal), Reply::Token);
        }
        let push_id = push_id(request.headers());
        match self.records(request, address).await {
            // The place is given back when it is known what became of them.
            Ok((records, _place)) => {
                let bodies = records.iter().map(|found| found.body.clone().unwrap_or_default());
                let fates =
                    store(&*self.queue, bodies, push_id.as_ref(), self.settings.answer_timeout, &self.counters.source)
                        .await;
                Reply::to_records(&records, fates)
            }
            Err(refusal) => Reply::refused(&refusal),
        }
    }

    /// The records that are to be stored, and the place they have: none if the push is about something else.
    async fn records(&self, request: Request<Incoming>, address: IpAddr) -> Result<(Vec<Found>, BodyPlace), Refusal> {
        let (head, body) = request.into_parts();
        let (settings, counters) = (&self.settings, &self.counters);
        let action = Action::of(&head.uri);
        let claim = body::claim(&body, settings.body_bytes_max);
        let admitted = match self.check(&head, address).await {
            Ok(admission) => self.place(&action, address, claim).map(|place| (admission, place)),
            Err(refusal) => Err(refusal),
        };
        let (admission, mut place) = match admitted {
            Ok(admitted) => admitted,
            Err(refusal) => {
                body::drain(&head, body).await;
                return Err(refusal);
            }
        };
        let body = body::receive(&head, body, settings.body_bytes_max, settings.body_timeout, &mut place).await;
        let body = match &self.gate {
            // What nobody has signed is not even inflated.
            Some(gate) if admission.needs_body() => {
                let received = body?;
                gate.admit_body(admission, &received.bytes, address).await?;
                Ok(received)
            }
            _ => body,
        };
        let body = body.and_then(|received| received.inflate(settings.expanded_bytes_max, &mut place));
        if matches!(action, Action::Other) {
            // It was read so that the connection can go on; what is in it does not matter.
            counters.other_actions.add(1);
            return Ok((Vec::new(), place));
        }
        let Arrived { body, received_bytes } = body?;
        counters.source.received_bytes.add(received_bytes as u64);
        if matches!(action, Action::Unknown) {
            counters.unknown_actions.add(1);
        }
        if parameter(&head.uri, "version").is_some_and(|version| version != "1") {
            counters.unknown_versions.add(1);
        }
        let records = self.split(&body)?;
        if records.len() > 1 {
            place.grow_to((body.len() + records.len() * RECORD_BYTES) as u64).map_err(Refusal::from)?;
        }
        Ok((records, place))
    }

    /// The place of a body, before it is read. What is not stored asks nothing of the queue.
    fn place(&self, action: &Action, address: IpAddr, claim: Claim) -> Result<BodyPlace, Refusal> {
        let place = match action {
            Action::Other => self.body_room.take(address, claim.at_most),
            Action::CallRecord | Action::Unknown => self.body_room.admit(&*self.queue, address, claim),
        };
        Ok(place?)
    }

    /// Whoever is not admitted learns nothing but where pushes go, unless that is a secret.
    async fn check(&self, head: &Parts, address: IpAddr) -> Result<Admission, Refusal> {
        let (settings, path) = (&self.settings, head.uri.path());
        let mut is_served = None;
        if let Some(gate) = &self.gate {
            gate.approach(address)?;
            is_served = gate.serves(&settings.path, path, settings.strict_path, address).await;
        }
        match is_served {
            Some(is_served) => is_served?,
            None if settings.serves(path) => {}
            None => return Err(Refusal::OtherPath { path: Some(settings.path.clone()) }),
        }
        if head.method != settings.method {
            return Err(Refusal::OtherMethod { method: settings.method.clone() });
        }
        match &self.gate {
            Some(gate) => gate.admit(&head.headers, address).await,
            None => Ok(Admission::default()),
        }
    }

    /// One request for a token.
    async fn token(&self, gate: &Gate, request: Request<Incoming>, address: IpAddr) -> Result<TokenAnswer, Refusal> {
        let (head, body) = request.into_parts();
        let is_listened_to = gate.approach(address).and_then(|()| match head.method {
            Method::POST => Ok(()),
            _ => Err(Refusal::OtherTokenMethod),
        });
        let claim = body::claim(&body, TOKEN_REQUEST_BYTES_MAX);
        let admitted = is_listened_to.and_then(|()| Ok(self.body_room.take(address, claim.at_most)?));
        let mut place = match admitted {
            Ok(place) => place,
            Err(refusal) => {
                body::drain(&head, body).await;
                return Err(refusal);
            }
        };
        let body_timeout = self.settings.body_timeout;
        let body = body::receive(&head, body, TOKEN_REQUEST_BYTES_MAX, body_timeout, &mut place).await?;
        let form = body.inflate(TOKEN_REQUEST_BYTES_MAX, &mut place)?.body;
        Ok(gate.token(&head.headers, &form, address).await)
    }

    /// All records of a body, before the first of them is stored: a body is taken as a whole or not at all.
    fn split(&self, body: &Bytes) -> Result<Vec<Found>, Refusal> {
        let Settings { body_bytes_max, expanded_bytes_max, body_records_max: limit, .. } = self.settings;
        let record_bytes_max = body_bytes_max.max(expanded_bytes_max);
        let mut records = Vec::with_capacity(1);
        // Memory can always be read, and no record is larger than the body.
        let one = whole(body, record_bytes_max);
        let several = one.is_none().then(|| Records::new(body.as_ref(), record_bytes_max).filter_map(Result::ok));
        for found in one.into_iter().chain(several.into_iter().flatten()) {
            records.extend(concatenated(found, limit).into_iter().filter(|found| found.body.is_some()));
            if records.len() > limit {
                return Err(Refusal::TooManyRecords { limit });
            }
        }
        if records.is_empty() { Err(Refusal::NoRecord) } else { Ok(records) }
    }

    /// One line for each push that is not taken, or not all of it. Refused records are counted one by one, by what is wrong
    /// with them.
    fn note(&self, reply: &Reply, code: &'static str, address: IpAddr) {
        let status = reply.status().as_u16();
        if code != Reply::RECORDS_REFUSED {
            self.counters.source.refused_request(code);
        }
        let Some(omitted) = self.log_lines.next(Instant::now()) else { return };
        let records = Some(reply.refused_records()).filter(|records| *records > 0);
        warn!(code, status, source = self.name, %address, records, omitted, "request refused");
    }
}

impl Action {
    fn of(uri: &Uri) -> Self {
        match parameter(uri, "action") {
            None | Some("cdr") => Self::CallRecord,
            Some("record" | "voicemail") => Self::Other,
            Some(_) => Self::Unknown,
        }
    }
}

/// What the vendor calls a push: the same for every time it tries.
const PUSH_ID: &str = "x-tccc-push-uuid";
/// More is no name.
const PUSH_ID_BYTES_MAX: usize = 128;

fn push_id(headers: &HeaderMap) -> Option<Arc<str>> {
    let push_id = headers.get(PUSH_ID)?.to_str().ok()?.trim();
    (!push_id.is_empty() && push_id.len() <= PUSH_ID_BYTES_MAX).then(|| push_id.into())
}

/// The last parameter of that name: the vendor adds its own to those that the configured address has, and does so with
/// a second question mark.
fn parameter<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let parameters = uri.query()?.split(['&', '?']).rev();
    parameters
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_parameter_counts_however_the_query_is_put_together() {
        for query in [
            "action=cdr",
            "version=1&action=cdr",
            "action=mine&action=cdr",
            "tenant=1?action=cdr&version=1",
            "action=cdr&flag&",
        ] {
            let uri: Uri = format!("/?{query}").parse().expect("an address");
            assert_eq!(parameter(&uri, "action"), Some("cdr"), "{query}");
        }
        assert_eq!(parameter(&Uri::from_static("/?reaction=x"), "action"), None);
        assert_eq!(parameter(&Uri::from_static("/"), "action"), None);
    }
}
