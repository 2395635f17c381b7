//! The intake as a service, with a queue that answers on cue.

use crate::connections::{ConnectionLimits, serve};
use crate::intake::Append;
use crate::intake::http_server::{Counters, Settings, router};
use crate::queue::{Full, Settlement};
use crate::record::{Position, Record, Rejection};
use axum::http::Method;
use reqwest::header::HeaderMap;
use reqwest::{Client, RequestBuilder};
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

pub(super) const OK: &str = r#"{"ErrCode":0,"ErrMsg":"ok"}"#;

/// Settles a record by the word it holds, and keeps what it got.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) room: Option<usize>,
    pub(super) taken: Mutex<Vec<String>>,
    pub(super) has_taken: Notify,
    pub(super) release: Arc<Notify>,
}

impl Append for Queue {
    type Receipt = Pin<Box<dyn Future<Output = Settlement> + Send>>;

    fn append(&self, record: Record) -> Result<Self::Receipt, Full> {
        let body = String::from_utf8_lossy(&record.body).into_owned();
        let mut taken = self.taken.lock().expect("no panic");
        if self.room.is_some_and(|room| taken.len() >= room) {
            return Err(Full);
        }
        taken.push(body.clone());
        self.has_taken.notify_one();
        let rejected = |class: &str| {
            let message = format!("the record is {class} at line 1 column 2");
            Settlement::Rejected(Rejection {
                class: class.to_owned(),
                code: format!("{class}_code"),
                path: None,
                position: Position::named_by(&message),
                message,
            })
        };
        Ok(match body {
            body if body.contains("malformed") => Box::pin(ready(rejected("malformed"))),
            body if body.contains("incomplete") => Box::pin(ready(rejected("incomplete"))),
            body if body.contains("later") => Box::pin(ready(Settlement::RetryAfter(Duration::from_secs(7)))),
            body if body.contains("never") => Box::pin(pending()),
            body if body.contains("held") => {
                let release = Arc::clone(&self.release);
                Box::pin(async move {
                    release.notified().await;
                    Settlement::Acknowledged
                })
            }
            _ => Box::pin(ready(Settlement::Acknowledged)),
        })
    }
}

pub(super) struct Service {
    pub(super) address: SocketAddr,
    pub(super) queue: Arc<Queue>,
    pub(super) counters: Arc<Counters>,
    pub(super) shutdown: oneshot::Sender<()>,
    pub(super) server: JoinHandle<()>,
}

impl Service {
    pub(super) async fn start() -> Self {
        Self::start_with(Queue::default(), Settings::default(), ConnectionLimits::default()).await
    }

    pub(super) async fn start_with(queue: Queue, settings: Settings, limits: ConnectionLimits) -> Self {
        let (queue, counters) = (Arc::new(queue), Arc::new(Counters::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let router = router(Arc::clone(&queue), settings, Arc::clone(&counters));
        let (shutdown, asked) = oneshot::channel();
        let server = tokio::spawn(serve(listener, router, limits, async {
            let _ = asked.await;
        }));
        Self { address, queue, counters, shutdown, server }
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

    pub(super) fn count(&self, counter: impl Fn(&Counters) -> &AtomicU64) -> u64 {
        counter(&self.counters).load(Ordering::Relaxed)
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

    /// An error says the status in its body too, and something that helps.
    pub(super) fn is_error(&self, status: u16, words: &str) -> bool {
        self.status == status
            && self.text.starts_with(&format!(r#"{{"ErrCode":{status},"ErrMsg":""#))
            && self.text.contains(words)
    }
}
