//! The listener for machines that look after this one, read only: metrics, and whether the service is alive and ready.
//!
//! `/livez` says that the process answers; it is for restarting it, so it says nothing of backends. `/readyz` says for
//! each part whether it can do its work now, and answers 503 while one cannot. Nothing here changes anything, and
//! nothing here shows a record. What changes something, or shows one, goes through the `socket`.

mod openapi;
mod socket;

use crate::telemetry::{Health, Metrics, State};
use axum::Router;
use axum::extract::{Request, State as Context};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

pub use openapi::describe;
pub use socket::{ClientError, Socket, SocketClient, control_router};

const TEXT: &str = "text/plain; charset=utf-8";
/// Prometheus' text exposition format.
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

#[derive(Clone)]
struct Admin {
    metrics: Arc<Metrics>,
    health: Health,
}

/// Whether the service can do its work now.
#[derive(JsonSchema, Serialize)]
struct Readiness<'a> {
    /// Whether every part can.
    ready: bool,
    parts: Vec<Part<'a>>,
}

#[derive(JsonSchema, Serialize)]
struct Part<'a> {
    /// Its kind and its name.
    part: &'a str,
    ready: bool,
    /// What keeps it from its work.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    /// What somebody should look at although it does its work.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'a str>,
}

/// Answers `GET` and `HEAD` of `/metrics`, `/livez`, `/readyz` and `/readyz/{kind}/{name}`, the readiness of one part.
pub fn router(metrics: Arc<Metrics>, health: Health) -> Router {
    Router::new().fallback(answer).with_state(Admin { metrics, health })
}

async fn answer(Context(admin): Context<Admin>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return not_shown();
    }
    match request.uri().path() {
        "/metrics" => admin.exposition(),
        "/livez" => alive(),
        "/readyz" => readiness(&admin.health.states()),
        path => match path.strip_prefix("/readyz/") {
            Some(part) => admin.part(part),
            None => text(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n"),
        },
    }
}

impl Admin {
    fn exposition(&self) -> Response {
        match self.metrics.text() {
            Ok(text) => (StatusCode::OK, [(header::CONTENT_TYPE, EXPOSITION)], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "the metrics cannot be written");
                unwritten()
            }
        }
    }

    fn part(&self, name: &str) -> Response {
        let states = self.health.states();
        match states.into_iter().find(|state| state.part == name) {
            Some(state) => readiness(&[state]),
            None => no_such_part(),
        }
    }
}

fn readiness(states: &[State]) -> Response {
    let parts: Vec<Part<'_>> = states
        .iter()
        .map(|State { part, trouble, remark }| Part {
            part,
            ready: trouble.is_none(),
            reason: trouble.as_deref(),
            remark: remark.as_deref(),
        })
        .collect();
    let ready = parts.iter().all(|part| part.ready);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let text = serde_json::to_string(&Readiness { ready, parts }).expect("its keys are strings and its values text");
    (status, [(header::CONTENT_TYPE, "application/json")], text + "\n").into_response()
}

fn alive() -> Response {
    text(StatusCode::OK, "alive\n")
}

fn no_such_part() -> Response {
    text(StatusCode::NOT_FOUND, "there is no such part; /readyz lists them\n")
}

fn unwritten() -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written; the log says why\n")
}

fn not_shown() -> Response {
    let allow = [(header::ALLOW, "GET, HEAD"), (header::CONTENT_TYPE, TEXT)];
    (StatusCode::METHOD_NOT_ALLOWED, allow, "this listener only shows: use GET\n").into_response()
}

fn text(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, TEXT)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};

    async fn ask(method: Method, path: &str, health: &Health) -> (u16, String) {
        let metrics = Metrics::new().expect("a registry of its own");
        metrics.component("source", "stdin", "pipe").gauge(crate::telemetry::metric::BUFFER_EVENTS, &[]).set(3);
        let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("a request");
        let (parts, body) = answer(Context(Admin { metrics, health: health.clone() }), request).await.into_parts();
        let body = to_bytes(body, 1_000_000).await.expect("a body");
        (parts.status.as_u16(), String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn metrics_are_in_prometheus_text() {
        let (status, text) = ask(Method::GET, "/metrics", &Health::default()).await;
        assert_eq!(status, 200);
        assert!(text.contains("# TYPE callspan_buffer_size_events gauge"), "{text}");
    }

    #[tokio::test]
    async fn readiness_is_told_by_part() {
        let health = Health::default();
        let sink = health.part("sink", "backend");
        let _source = health.part("source", "tccc");
        let ready =
            r#"{"ready":true,"parts":[{"part":"sink/backend","ready":true},{"part":"source/tccc","ready":true}]}"#;
        assert_eq!(ask(Method::GET, "/readyz", &health).await, (200, format!("{ready}\n")));
        sink.trouble_is("nobody answers");
        let (status, text) = ask(Method::GET, "/readyz", &health).await;
        assert!(status == 503 && text.contains(r#""ready":false,"reason":"nobody answers""#), "{text}");
        assert_eq!(ask(Method::GET, "/readyz/source/tccc", &health).await.0, 200);
        assert_eq!(ask(Method::GET, "/readyz/sink/backend", &health).await.0, 503);
        assert_eq!(ask(Method::GET, "/readyz/sink/nobody", &health).await.0, 404);
        sink.well();
        sink.remark(Some("look at it".to_owned()));
        let (status, text) = ask(Method::GET, "/readyz", &health).await;
        assert!(status == 200 && text.contains(r#""ready":true,"remark":"look at it""#), "{text}");
        assert_eq!(ask(Method::GET, "/livez", &health).await, (200, "alive\n".to_owned()));
    }

    #[tokio::test]
    async fn nothing_can_be_changed_here() {
        for method in [Method::POST, Method::PUT, Method::DELETE] {
            assert_eq!(ask(method, "/metrics", &Health::default()).await.0, 405);
        }
        assert_eq!(ask(Method::GET, "/", &Health::default()).await.0, 404);
    }
}
