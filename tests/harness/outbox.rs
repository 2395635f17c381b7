//! A place for services with a durable queue and a file as their sink, one after the other: what was delivered is in the
//! file, whatever became of the process that wrote it.

use crate::service::{Builder, Service};
use crate::span::Span;
use crate::wait::wait_until;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The folder of a queue, and the file that its records end in.
pub struct Outbox {
    folder: TempDir,
    /// More of the configuration.
    more: String,
}

impl Outbox {
    /// An empty one.
    pub fn new() -> Self {
        Self::configured("")
    }

    /// One whose services are configured with this YAML too: further sections.
    pub fn configured(more: &str) -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), more: more.to_owned() }
    }

    /// A service of this place.
    pub fn service(&self) -> Builder {
        let config = format!(
            "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ lines: {{ type: file, path: '{}' }} }}
{}",
            self.lines().display(),
            self.more
        );
        Service::new().config(&config).durable().data_dir(&self.data_dir())
    }

    /// Where the services remember things. The first one makes it.
    pub fn data_dir(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Where all of it is, for a test that puts something beside it.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts a service, lets it deliver what waits, and ends it. Gives the spans of every session that were ever
    /// delivered, in that order.
    pub fn drain(&self) -> BTreeMap<String, Vec<Span>> {
        let mut service = self.service().start();
        service.wait_until_drained();
        assert_eq!(service.terminate().code(), Some(0), "{}", service.log());
        self.delivered()
    }

    /// The spans of every session that were delivered so far. A line that was torn by a kill is none.
    pub fn delivered(&self) -> BTreeMap<String, Vec<Span>> {
        let text = fs::read_to_string(self.lines()).unwrap_or_default();
        let lines = text.lines().filter(|line| serde_json::from_str::<serde_json::Value>(line).is_ok());
        let mut delivered = BTreeMap::<String, Vec<Span>>::new();
        for span in lines.flat_map(Span::of_line) {
            let session = span.attribute("tccc.session.id").as_str().unwrap_or_default().to_owned();
            delivered.entry(session).or_default().push(span);
        }
        delivered
    }

    fn lines(&self) -> PathBuf {
        self.path().join("lines.jsonl")
    }
}

impl Default for Outbox {
    fn default() -> Self {
        Self::new()
    }
}

/// Each of these sessions was delivered; those that were delivered more than once, the same every time.
#[track_caller]
pub fn assert_kept(acknowledged: &BTreeSet<String>, delivered: &BTreeMap<String, Vec<Span>>) {
    let lost: Vec<_> = acknowledged.iter().filter(|session| !delivered.contains_key(*session)).collect();
    assert!(lost.is_empty(), "lost {} of {}: {lost:?}", lost.len(), acknowledged.len());
    for (session, spans) in delivered {
        assert!(spans.windows(2).all(|pair| pair[0] == pair[1]), "{session} was delivered differently: {spans:#?}");
    }
}

impl Service {
    /// Waits until every consumer is done with everything that was stored for it.
    pub fn wait_until_drained(&self) {
        wait_until("an empty queue", || {
            let is_known = self.ask("/metrics").body.contains("callspan_consumer_waiting_events");
            is_known && self.metric("callspan_consumer_waiting_events", &[]) == 0.0
        });
    }
}
