//! Where records come from, made from what is planned: listeners take their address when the service starts, files and
//! the standard input are read when it runs.

use super::entrance::Entrance;
use super::listener::Listener;
use super::{listen, raised};
use crate::config::plan::{ListenerPlan, Part, SourcePlan};
use crate::connections::{ConnectionCounters, ConnectionLimits};
use crate::intake::http_server::Receiver;
use crate::intake::{SourceCounters, file, http_server, opentelemetry, stdin};
use crate::telemetry::{Component, Health};
use anyhow::Context as _;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// One source that is about to run.
pub(super) struct Source {
    name: String,
    queue: Arc<Entrance>,
    component: Component,
    kind: Kind,
}

enum Kind {
    HttpServer { listener: Listener, receiver: Receiver<Entrance>, connections: ConnectionLimits },
    Opentelemetry { listeners: Vec<Listener>, settings: opentelemetry::Settings, connections: ConnectionLimits },
    File(file::Settings),
    Stdin(stdin::Settings),
}

impl Source {
    /// Takes its addresses. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When one is taken, or secrets cannot be read.
    pub(super) async fn start(
        source: Part<SourcePlan>,
        queue: Entrance,
        component: Component,
        health: &Health,
    ) -> anyhow::Result<Source> {
        let option = |option: &str| format!("sources.{}.{option}", source.name);
        let queue = Arc::new(queue);
        let kind = match source.plan {
            SourcePlan::HttpServer { address, settings, connections, tls } => {
                let listener = listen(address, &format!("{} or --address", option("address")))?;
                let listener = Listener::new(listener, tls, &source.name, "tls", health)?;
                let counters = Arc::new(http_server::Counters::new(&component));
                let receiver = http_server::receiver(&source.name, Arc::clone(&queue), *settings, counters)?;
                Kind::HttpServer { listener, receiver, connections }
            }
            SourcePlan::Opentelemetry { grpc, http, settings, connections } => {
                let mut listeners = Vec::new();
                for (plan, key) in [(grpc, "grpc"), (http, "http")] {
                    let Some(ListenerPlan { address, tls }) = plan else { continue };
                    let listener = listen(address, &option(&format!("{key}.address")))?;
                    listeners.push(Listener::new(listener, tls, &source.name, &format!("{key}.tls"), health)?);
                }
                Kind::Opentelemetry { listeners, settings, connections }
            }
            SourcePlan::File(settings) => Kind::File(settings),
            SourcePlan::Stdin(settings) => Kind::Stdin(settings),
        };
        Ok(Source { name: source.name, queue, component, kind })
    }

    /// Where it takes the vendor's pushes, if it does.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::HttpServer { listener, .. } => listener.address(),
            _ => None,
        }
    }

    /// Says in the log that it takes records in.
    pub(super) fn announce(&self) {
        let source = self.name.as_str();
        match &self.kind {
            Kind::HttpServer { listener, .. } => announce(source, "http_server", listener),
            Kind::Opentelemetry { listeners, .. } => {
                listeners.iter().for_each(|listener| announce(source, "opentelemetry", listener));
            }
            Kind::File(settings) => tracing::info!(source, r#type = "file", include = ?settings.include, "reading"),
            Kind::Stdin(_) => tracing::info!(source, r#type = "stdin", "reading"),
        }
    }

    /// Takes records in until the shutdown, or until there are no more.
    ///
    /// # Errors
    /// When it cannot go on.
    pub(super) async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        let Source { name, queue, component, kind } = self;
        let connection_counters = || ConnectionCounters::new(&component);
        match kind {
            Kind::HttpServer { listener, receiver, connections } => {
                listener.serve(receiver, connections, connection_counters(), shutdown).await;
                Ok(())
            }
            Kind::Opentelemetry { listeners, settings, connections } => {
                let counters = Arc::new(SourceCounters::new(&component));
                let receiver = opentelemetry::receiver(&name, queue, settings, counters);
                let stop = watch::Sender::new(false);
                let mut servers = JoinSet::new();
                for listener in listeners {
                    let counters = connection_counters();
                    servers.spawn(listener.serve(receiver.clone(), connections, counters, raised(&stop)));
                }
                shutdown.await;
                stop.send_replace(true);
                while servers.join_next().await.is_some() {}
                Ok(())
            }
            Kind::File(settings) => {
                let read = file::run(settings, queue, component, shutdown).await;
                read.with_context(|| format!("source {name}"))
            }
            Kind::Stdin(settings) => {
                let read = stdin::run(settings, queue, component, shutdown, std::io::stdin()).await;
                read.with_context(|| format!("source {name}"))
            }
        }
    }
}

fn announce(source: &str, source_type: &str, listener: &Listener) {
    if let Some(address) = listener.address() {
        tracing::info!(%address, source, r#type = source_type, "listening");
    }
}
