//! Builds the parts of a plan and joins them: each source appends to a queue that leads to every route of the
//! transforms that take from it, and each route leads to one sink.

mod entrance;
mod listener;
mod plugins;
mod sinks;
mod sources;

use crate::config::plan::{Part, Plan, SinkKind, TransformPlan};
use crate::connections::{ConnectionCounters, ConnectionLimits, serve};
use crate::delivery::{self, Healthcheck, Hold, Reports, Route, Trials, Turns};
use crate::queue::{
    self, Capacity, Consume, ConsumerSettings, Durability, EmbeddedQueue, Joining, MemoryQueue, Room, Surroundings,
    consumer,
};
use crate::telemetry::{Health, Metrics, Reporter, metric};
use crate::transform::{InService, Loader, Plugin, WorkerThreads, Workers};
use crate::{admin, connections, export};
use anyhow::Context as _;
use entrance::Entrance;
use plugins::Transform;
use sources::Source;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use plugins::Plugins;

/// A service that listens and is about to run.
pub struct Service {
    sources: Vec<Source>,
    routes: Vec<Running>,
    healthchecks: Vec<Healthcheck>,
    trials: Vec<Trials>,
    plugins: Plugins,
    /// Unless records wait in memory.
    queue: Option<EmbeddedQueue>,
    /// For commands that look into the queue, or exchange plugins.
    socket: Option<admin::Socket>,
    admin: Option<TcpListener>,
    worker_threads: WorkerThreads,
    graceful_shutdown_limit: Duration,
    /// What each source has taken in and nobody has settled yet.
    rooms: Vec<Room>,
    metrics: Arc<Metrics>,
    health: Health,
    itself: Reporter,
}

/// The loop of one route.
type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What senders get to hear that their records were not finished.
const FAREWELL: Duration = Duration::from_secs(1);

/// How a service came to its end.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// Everything that was taken in is settled.
    Finished,
    /// Time was up, or somebody did not want to wait.
    Cut,
}

impl Service {
    /// Takes its addresses and makes ready. Nothing is taken in before [`Service::run`]. The plugins are those of the
    /// plan's transforms, in their order; whatever takes their place comes from the loader. To be called within a tokio
    /// runtime.
    ///
    /// # Errors
    /// When an address is taken, or a backend's endpoint cannot be used.
    pub async fn start(plan: Plan, plugins: Vec<Plugin>, loader: &Loader) -> anyhow::Result<Service> {
        let (metrics, health) = (Metrics::new()?, Health::default());
        let itself = health.part("service", "callspan");
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let (workers, worker_threads) =
            Workers::start(threads).context("failed to start the threads that run plugins")?;

        // A source that listens, and a plugin that was tried, are well; what goes wrong later they say themselves.
        for source in &plan.sources {
            health.part("source", &source.name);
        }
        let transform_of = |(plan, plugin): (Part<TransformPlan>, Plugin)| Transform {
            in_service: InService::new(plugin),
            consumers: Vec::new(),
            component: metrics.component("transform", "plugin", &plan.name),
            health: health.part("transform", &plan.name),
            plan,
        };
        let mut transforms: Vec<Transform> = plan.transforms.into_iter().zip(plugins).map(transform_of).collect();
        let trials_of = |transform: &Transform| {
            let Transform { plan, in_service, component, health, .. } = transform;
            Trials::new(&plan.name, in_service.clone(), workers.clone(), component.clone(), health.clone())
        };
        let trials = transforms.iter().map(trials_of).collect();
        let (mut ways, mut healthchecks) = (Vec::new(), Vec::new());
        for sink in plan.sinks {
            let component = metrics.component("sink", sink.plan.kind.type_name(), &sink.name);
            let (reporter, hold) = (health.part("sink", &sink.name), Hold::default());
            let turns = Turns::new(sink.plan.delivery.concurrency, &component);
            if let SinkKind::Opentelemetry(backend) = &sink.plan.kind
                && backend.has_healthcheck
            {
                healthchecks.push(Healthcheck {
                    sink_name: sink.name.clone(),
                    endpoint: backend.endpoint.clone(),
                    hold: hold.clone(),
                    health: reporter.clone(),
                    delays: export::BackoffSettings::default(),
                });
            }
            for transform in transforms.iter_mut().filter(|transform| sink.inputs.contains(&transform.plan.name)) {
                let exporter = sinks::exporter(&sink.plan.kind)?;
                let mapping = transform.component.clone();
                let name = format!("{}/{}", transform.plan.name, sink.name);
                let is_compared = transform.consumers.is_empty();
                transform.consumers.push(name.clone());
                ways.push(Way {
                    name,
                    sources: transform.plan.inputs.clone(),
                    consumer: sink.plan.consumer,
                    workers: workers.clone(),
                    plugins: transform.in_service.clone(),
                    is_compared,
                    exporter,
                    hold: hold.clone(),
                    turns: turns.clone(),
                    settings: sink.plan.delivery.clone(),
                    reports: Reports::new(&sink.name, mapping, component.clone(), reporter.clone()),
                });
            }
        }
        let is_on_disk = plan.queue.durability != Durability::Memory;
        let has_queue = |data_dir: &PathBuf| data_dir.join(queue::FOLDER).join("FORMAT").exists();
        if !is_on_disk && plan.data_dir.as_ref().is_some_and(has_queue) {
            let code = "queue_unused";
            tracing::warn!(
                code,
                "there is a queue on disk, and with `durability: memory` nothing is delivered from it"
            );
        }
        let (queue, socket, mut entrances, routes) = match plan.data_dir.filter(|_| is_on_disk) {
            Some(data_dir) => {
                let folder = data_dir.join(queue::FOLDER);
                let surroundings = Surroundings { metrics: &metrics, health: health.part("queue", "queue") };
                let joining = ways.iter().map(Way::joining).collect();
                let (queue, consumers) = EmbeddedQueue::open(&folder, plan.queue, joining, surroundings)
                    .context("failed to open the queue")?;
                let routes: Vec<Running> =
                    ways.into_iter().zip(consumers).map(|(way, consumer)| way.on_disk(consumer)).collect();
                let socket = admin::Socket::bind(&data_dir, &folder).context("failed to make the admin socket")?;
                (Some(queue), Some(socket), Vec::new(), routes)
            }
            None => {
                metrics
                    .component("queue", "memory", "queue")
                    .gauge(metric::QUEUE_INFO, &[("durability", "memory")])
                    .set(1);
                tracing::info!(
                    durability = "memory",
                    "records wait in memory: they are acknowledged when they are delivered"
                );
                let (mut entrances, mut routes) = (Vec::new(), Vec::new());
                for way in ways {
                    let (entrance, consumer) = consumer();
                    entrances.push((entrance, way.sources.clone()));
                    routes.push(way.run(consumer));
                }
                (None, None, entrances, routes)
            }
        };
        let control = queue.as_ref().map(EmbeddedQueue::control);
        let plugins = Plugins::new(transforms, loader, control.as_ref());
        let (mut sources, mut rooms) = (Vec::new(), Vec::new());
        // A source whose sink takes nothing fills its own room, and none of another's.
        let capacity = if is_on_disk { Capacity::before_a_disk() } else { Capacity::default() };
        let capacity = capacity.part_of(plan.sources.len());
        for source in plan.sources {
            let room = Room::new(capacity, &metrics.component("buffer", "memory", &source.name));
            rooms.push(room.clone());
            let entrance = match &queue {
                Some(queue) => Entrance::Disk(queue.entrance(&source.name, room)),
                None => {
                    let leads_to = entrances.iter().filter(|(_, inputs)| inputs.contains(&source.name));
                    Entrance::Memory(MemoryQueue::new(leads_to.map(|(entrance, _)| entrance.clone()).collect(), room))
                }
            };
            let component = metrics.component("source", source.plan.type_name(), &source.name);
            sources.push(Source::start(source, entrance, component, &health).await?);
        }
        entrances.clear();
        let admin = match plan.admin {
            Some(address) => Some(listen(address, "admin.address or --admin-address")?),
            None => None,
        };
        let graceful_shutdown_limit = plan.graceful_shutdown_limit;
        Ok(Service {
            sources,
            routes,
            healthchecks,
            trials,
            plugins,
            queue,
            socket,
            admin,
            worker_threads,
            graceful_shutdown_limit,
            rooms,
            metrics,
            health,
            itself,
        })
    }

    /// Where the first source that speaks HTTP listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.sources.iter().find_map(Source::address)
    }

    /// Its plugins, which can be exchanged.
    pub fn plugins(&self) -> Plugins {
        self.plugins.clone()
    }

    /// Serves until `stop` is ready, or every source has come to its end. Then it takes nothing in any more, finishes
    /// what it has within the limit, and ends; `stop_now` cuts that short.
    ///
    /// # Errors
    /// When a source failed, or not everything could be finished: then something that was taken in has not been
    /// acknowledged, and its sender will send it again.
    pub async fn run(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
        stop_now: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<()> {
        let (stop_sources, stop_admin) = (watch::Sender::new(false), watch::Sender::new(false));
        let mut tasks = JoinSet::new();
        if let (Some(socket), Some(queue)) = (self.socket, &self.queue) {
            let router = admin::control_router(queue.control(), self.plugins.clone());
            tasks.spawn(serve(
                socket,
                router,
                ConnectionLimits::default(),
                ConnectionCounters::default(),
                raised(&stop_admin),
            ));
        }
        if let Some(listener) = self.admin {
            tracing::info!(address = %listener.local_addr().context("failed to read an address")?, "admin listening");
            let router = admin::router(self.metrics, self.health);
            tasks.spawn(serve(
                listener,
                router,
                ConnectionLimits::default(),
                ConnectionCounters::default(),
                raised(&stop_admin),
            ));
        }
        let mut sources = JoinSet::new();
        for source in self.sources {
            source.announce();
            sources.spawn(source.run(raised(&stop_sources)));
        }
        tracing::info!("ready");
        let mut routes: JoinSet<()> = self.routes.into_iter().collect();
        let mut healthchecks: JoinSet<()> = self.healthchecks.into_iter().map(Healthcheck::run).collect();
        let mut trials: JoinSet<()> = self.trials.into_iter().map(Trials::run).collect();
        let mut watching = JoinSet::new();
        watching.spawn(self.plugins.watch());

        let mut failure = None;
        tokio::select! {
            () = stop => tracing::info!("stopping: finishing what was taken in"),
            ended = all(&mut sources) => match ended {
                Ok(()) => tracing::info!("every source has come to its end"),
                Err(error) => failure = Some(error),
            }
        }
        self.itself.trouble_is("stopping");
        healthchecks.shutdown().await;
        watching.shutdown().await;
        stop_sources.send_replace(true);
        let finish = async {
            let sources = all(&mut sources).await;
            // In memory, the sources held the queues' only ends for appending: the routes drain what is in them, and end.
            if let Some(queue) = &self.queue {
                queue.finish();
            }
            while routes.join_next().await.is_some() {}
            sources
        };
        let end = tokio::select! {
            finished = finish => {
                failure = failure.or(finished.err());
                End::Finished
            }
            () = tokio::time::sleep(self.graceful_shutdown_limit) => End::Cut,
            () = stop_now => End::Cut,
        };
        trials.shutdown().await;
        if end == End::Cut {
            let records: u64 = self.rooms.iter().map(Room::records).sum();
            // What is under way is dropped, which asks its senders to come again; they get a moment to hear it.
            routes.shutdown().await;
            let _told = tokio::time::timeout(FAREWELL, all(&mut sources)).await;
            if let Some(queue) = self.queue {
                tracing::warn!(
                    code = "shutdown_cut",
                    "stopped before everything was delivered; the rest stays in the queue"
                );
                // A disk that hangs does not hold up the end: what was acknowledged is on it.
                let _closed = tokio::time::timeout(FAREWELL, tokio::task::spawn_blocking(|| queue.close())).await;
                return failure.map_or(Ok(()), Err);
            }
            if records > 0 {
                tracing::error!(code = "shutdown_cut", records, "stopped before everything was finished");
                anyhow::bail!("stopped with records under way: {records}; none of them was acknowledged");
            }
            tracing::info!("stopped at once, with nothing under way");
            return failure.map_or(Ok(()), Err);
        }
        if let Some(queue) = self.queue {
            tokio::task::spawn_blocking(|| queue.close()).await.context("failed to close the queue")?;
        }
        stop_admin.send_replace(true);
        while tasks.join_next().await.is_some() {}
        tokio::task::spawn_blocking(|| self.worker_threads.join())
            .await
            .context("failed to end the threads that run plugins")?;
        tracing::info!("stopped");
        failure.map_or(Ok(()), Err)
    }
}

/// The way of records through one transform to one sink, before it is known where they wait.
struct Way {
    name: String,
    sources: Vec<String>,
    consumer: ConsumerSettings,
    workers: Workers,
    plugins: InService,
    is_compared: bool,
    exporter: export::Exporter,
    hold: Hold,
    turns: Turns,
    settings: delivery::Settings,
    reports: Reports,
}

impl Way {
    /// How it takes part in a queue on disk.
    fn joining(&self) -> Joining {
        Joining {
            name: self.name.clone(),
            sources: self.sources.clone(),
            settings: self.consumer,
            mapping: self.plugins.now().fingerprint().to_owned(),
        }
    }

    /// On disk a record can wait for as long as a backend needs.
    fn on_disk<C: Consume>(mut self, consumer: C) -> Running {
        self.settings.retry_for = None;
        self.run(consumer)
    }

    fn run<C: Consume>(self, consumer: C) -> Running {
        let Way { workers, plugins, is_compared, exporter, hold, turns, settings, reports, .. } = self;
        Box::pin(delivery::run(Route {
            consumer,
            workers,
            plugins,
            is_compared,
            exporter,
            hold,
            turns,
            settings,
            reports,
        }))
    }
}

/// Waits for all sources; one that fails is the end of all.
async fn all(sources: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Result<()> {
    while let Some(ended) = sources.join_next().await {
        ended.context("a source failed")??;
    }
    Ok(())
}

/// Becomes ready when the flag is raised, or nobody is left to raise it.
fn raised(flag: &watch::Sender<bool>) -> impl Future<Output = ()> + Send + 'static {
    let mut flag = flag.subscribe();
    async move {
        let _raised = flag.wait_for(|is_raised| *is_raised).await;
    }
}

fn listen(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    connections::listen(address)
        .with_context(|| format!("failed to listen on {address}; another address can be given with {option}"))
}
