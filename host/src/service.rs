//! Builds the stages and joins them: intake, queue, transform, export.

use crate::config::{Plan, Sink};
use crate::connections;
use crate::delivery;
use crate::export::{Exporter, Scope, Style};
use crate::intake::http_server;
use crate::queue::{Consumer, MemoryQueue};
use crate::transform::{Plugin, WorkerThreads, Workers};
use anyhow::Context as _;
use axum::Router;
use std::future::Future;
use std::io::{self, IsTerminal as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use tokio::net::TcpListener;

/// Records that may wait to be delivered.
const QUEUE_RECORDS_MAX: usize = 4096;

/// A service that listens and is about to run.
pub struct Service {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
    consumer: Consumer,
    workers: Workers,
    worker_threads: WorkerThreads,
    exporter: Arc<Exporter>,
}

impl Service {
    /// Takes its address and makes ready. Nothing is answered before [`Service::run`].
    ///
    /// # Errors
    /// When the address is taken, or the backend's endpoint cannot be used.
    pub async fn start(plan: &Plan, plugin: Plugin) -> anyhow::Result<Service> {
        let exporter = match &plan.sink {
            Sink::Backend(endpoint) => {
                Exporter::new(endpoint, scope(&plugin)).map_err(|error| anyhow::anyhow!("failed to {error}"))?
            }
            Sink::Console => {
                Exporter::console(io::stdout(), Style { colour: io::stdout().is_terminal(), ..Style::default() })
            }
        };
        let listener = TcpListener::bind(plan.address).await.with_context(|| {
            format!("failed to listen on {}; another address can be given with --address", plan.address)
        })?;
        let address = listener.local_addr().context("failed to read the address of the listener")?;
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (workers, worker_threads) =
            Workers::start(Arc::new(plugin), threads).context("failed to start the threads that run plugins")?;
        let (queue, consumer) = MemoryQueue::bounded(QUEUE_RECORDS_MAX);
        let settings = http_server::Settings { path: plan.path.clone(), ..http_server::Settings::default() };
        let router = http_server::router(Arc::new(queue), settings, Arc::default());
        Ok(Service { listener, address, router, consumer, workers, worker_threads, exporter: Arc::new(exporter) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `shutdown` is ready, then answers what was asked and delivers what was taken in.
    ///
    /// # Errors
    /// When a stage did not come to its end.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send + 'static) -> anyhow::Result<()> {
        tracing::info!(address = %self.address, "listening");
        let delivery =
            tokio::spawn(delivery::run(self.consumer, self.workers, self.exporter, delivery::Settings::default()));
        // The router holds the queue's only end for appending: once it is gone, the delivery drains the queue and ends.
        connections::serve(self.listener, self.router, connections::ConnectionLimits::default(), shutdown).await;
        delivery.await.context("failed to deliver what was taken in")?;
        tokio::task::spawn_blocking(|| self.worker_threads.join())
            .await
            .context("failed to end the threads that run plugins")?;
        tracing::info!("stopped");
        Ok(())
    }
}

/// What the spans say of their origin.
pub fn scope(plugin: &Plugin) -> Scope {
    let contract = plugin.contract();
    Scope {
        name: format!("callspan/{}", contract.name),
        version: contract.version.clone(),
        schema_url: contract.schema_url.clone(),
    }
}
