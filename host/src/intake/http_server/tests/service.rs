//! The intake as a service, with a queue that answers on cue.

use crate::connections::{ConnectionCounters, ConnectionLimits, serve};
use crate::intake::double::Queue;
use crate::intake::http_server::auth::{AuthSettings, BasicSettings, Rotating, Way};
use crate::intake::http_server::{Counters, Settings, receiver};
use crate::secret::{Secret, SecretSource};
use crate::telemetry::metric;
use crate::telemetry::{Component, Metric, Metrics};
use axum::http::Method;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Lets one user in.
pub(super) fn basic(username: &str, password: &str) -> AuthSettings {
    let current = SecretSource::Text(Secret::new(password));
    let password = Rotating { option: "password", current, previous: None };
    let user = BasicSettings { username: username.to_owned(), password };
    AuthSettings { ways: vec![Way::Basic(user)], ..AuthSettings::default() }
}

pub(super) const OK: &str = r#"{"ErrCode":0,"ErrMsg":"ok"}"#;

pub(super) struct Service {
    pub(super) address: SocketAddr,
    pub(super) queue: Arc<Queue>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) component: Component,
    pub(super) shutdown: oneshot::Sender<()>,
    pub(super) server: JoinHandle<()>,
}

impl Service {
    pub(super) async fn start() -> Self {
        Self::start_with(Queue::default(), Settings::default(), ConnectionLimits::default()).await
    }

    pub(super) async fn start_with(queue: Queue, settings: Settings, limits: ConnectionLimits) -> Self {
        let queue = Arc::new(queue);
        let metrics = Metrics::new().expect("a registry of its own");
        let component = metrics.component("source", "http_server", "pushes");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let counters = Arc::new(Counters::new(&component));
        let receiver = receiver("pushes", Arc::clone(&queue), settings, counters).expect("no files");
        let (shutdown, asked) = oneshot::channel();
        let connections = ConnectionCounters::new(&component);
        let server = tokio::spawn(serve(listener, receiver, limits, connections, async {
            let _ = asked.await;
        }));
        Self { address, queue, metrics, component, shutdown, server }
    }

    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let client = Client::builder().no_proxy().build().expect("a client");
        client.request(method, format!("http://{}{path}", self.address))
    }

    pub(super) async fn post(&self, body: impl Into<reqwest::Body>) -> Answer {
        Answer::to(self.request(Method::POST, "/?action=cdr&version=1").body(body)).await
    }

    pub(super) fn taken(&self) -> Vec<String> {
        self.queue.taken.lock().expect("no panic").clone()
    }

    pub(super) fn count(&self, metric: Metric) -> u64 {
        self.component.counter(metric, &[]).value()
    }

    pub(super) fn auth_failures(&self, reason: &str) -> u64 {
        self.component.counter(metric::AUTH_FAILURES, &[("reason", reason)]).value()
    }

    pub(super) fn settled(&self, settlement: &str) -> u64 {
        self.component.counter(metric::SETTLED_EVENTS, &[("settlement", settlement)]).value()
    }

    pub(super) fn requests(&self, status: &str) -> u64 {
        self.component.counter(metric::REQUESTS, &[("status", status)]).value()
    }

    pub(super) fn refused_connections(&self, limit: &str) -> u64 {
        self.component.counter(metric::CONNECTIONS_REFUSED, &[("reason", limit)]).value()
    }

    /// Refused requests.
    pub(super) fn errors(&self, code: &str) -> u64 {
        self.errors_of("request_failed", code)
    }

    pub(super) fn errors_of(&self, kind: &str, code: &str) -> u64 {
        let labels = [("error_code", code), ("error_type", kind), ("stage", "receiving")];
        self.component.counter(metric::ERRORS, &labels).value()
    }
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answer {
    pub(super) async fn to(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        assert_eq!(headers.get("content-type").map(|kind| kind.as_bytes()), Some(b"application/json".as_slice()));
        Self { status, headers, text: response.text().await.expect("text") }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// An error says the status in its body too, then something that helps, then a code.
    pub(super) fn is_error(&self, status: u16, code: &str, words: &str) -> bool {
        let text = self.text.strip_prefix(&format!(r#"{{"ErrCode":{status},"ErrMsg":""#)).unwrap_or_default();
        let message = text.split_once(&format!(r#"","code":"{code}""#)).map(|(message, _)| message);
        self.status == status && message.is_some_and(|message| message.contains(words))
    }

    /// The members of each verdict.
    pub(super) fn verdicts(&self) -> serde_json::Value {
        let mut answer: serde_json::Value = serde_json::from_str(&self.text).expect("JSON");
        answer["records"].take()
    }
}
