//! The file as a whole: a few settings and three sections.

use super::component::{Component, Inputs, Kind, Section};
use super::decode::{Options, Table};
use super::listeners;
use super::path::At;
use super::plan::{Part, Plan, QueuePlan};
use super::planning::{Planning, data_dir_of};
use super::queue::Queue;
use super::sink::Sink;
use super::source::Source;
use super::transform::Transform;
use super::value::{Listen, Whole};
use super::wiring::{Stage, join};
use schemars::JsonSchema;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The configuration of callspan. Every part may be left out: without sources, one HTTP server listens on
/// 127.0.0.1:8080; without transforms, records are mapped by the built-in plugin; without sinks, traces go to where the
/// variables OTEL_EXPORTER_OTLP_… point.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields, title = "callspan")]
pub(super) struct Layout {
    /// The folder for what is remembered between runs. By default $CALLSPAN_DATA_DIR, $STATE_DIRECTORY,
    /// $XDG_DATA_HOME/callspan or $HOME/.local/share/callspan, the first of them that is set.
    data_dir: Option<PathBuf>,
    /// Metrics and health, for those who run callspan.
    admin: Admin,
    /// How long a shutdown may take to finish what was taken in, in seconds.
    graceful_shutdown_limit_secs: Whole<1, 3600>,
    /// How records are kept until every sink is done with them. With `durability: memory` nothing is stored, and the
    /// other options here have no effect.
    queue: Queue,
    /// Where records come from.
    sources: Section<Source>,
    /// What makes traces of records.
    pub(super) transforms: Section<Transform>,
    /// Where traces go.
    sinks: Section<Sink>,
}

#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Admin {
    /// Whether metrics and health are served.
    enabled: bool,
    /// The address and port to serve them on.
    address: Listen,
}

/// OpenTelemetry's port for Prometheus (specification, "Prometheus Exporter").
const ADMIN_ADDRESS_DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);

impl Default for Layout {
    fn default() -> Self {
        Layout {
            data_dir: None,
            admin: Admin::default(),
            // Below the 30 seconds that Kubernetes waits before it kills.
            graceful_shutdown_limit_secs: Whole(25),
            queue: Queue::default(),
            sources: Section::default(),
            transforms: Section::default(),
            sinks: Section::default(),
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Admin { enabled: true, address: Listen(ADMIN_ADDRESS_DEFAULT) }
    }
}

impl Options for Layout {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Layout {
            data_dir: table.take("data_dir", default.data_dir),
            admin: table.take("admin", default.admin),
            graceful_shutdown_limit_secs: table
                .take("graceful_shutdown_limit_secs", default.graceful_shutdown_limit_secs),
            queue: table.take("queue", default.queue),
            sources: Section::read(table),
            transforms: Section::read(table),
            sinks: Section::read(table),
        }
    }
}

impl Options for Admin {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Admin { enabled: table.take("enabled", default.enabled), address: table.take("address", default.address) }
    }
}

impl Layout {
    /// The queue alone.
    pub(super) fn plan_queue(mut self, planning: &mut Planning<'_, '_>) -> Option<QueuePlan> {
        let from_command_line = planning.overrides.data_dir.clone();
        planning.data_dir = from_command_line.or(self.data_dir.take()).or_else(|| data_dir_of(planning.variable));
        self.fill(planning);
        let at = At::Root.key("queue");
        let settings = self.queue.plan(at, planning);
        planning.check_data_dir(at, "there is no folder that a queue could be in; set `data_dir` or give --data-dir");
        let section = At::Root.key(Transform::SECTION);
        let first = self.transforms.components.into_iter().next();
        let transform = first.and_then(|first| Some(first.kind?.plan(section.key(&first.name), planning)));
        let shows_free_text = transform.is_some_and(|transform| transform.settings.policy.shows_free_text());
        Some(QueuePlan { data_dir: planning.data_dir.clone()?, settings, shows_free_text })
    }

    /// What is to be run. Only good for anything if nothing was reported.
    pub(super) fn plan(mut self, planning: &mut Planning<'_, '_>) -> Plan {
        let from_command_line = planning.overrides.data_dir.clone();
        planning.data_dir = from_command_line.or(self.data_dir.take()).or_else(|| data_dir_of(planning.variable));
        self.fill(planning);
        let wiring = join(
            &Stage::new("source", &self.sources),
            &Stage::new("transform", &self.transforms),
            &Stage::new("sink", &self.sinks),
            planning.report,
        );
        check_single_parts(&self.sources, planning);

        let no_inputs = vec![Vec::new(); self.sources.components.len()];
        let sources = parts(self.sources, no_inputs, |name, source: Source, at| Some(source.plan(name, at, planning)));
        let transforms =
            parts(self.transforms, wiring.transforms, |_, transform: Transform, at| Some(transform.plan(at, planning)));
        let sinks = parts(self.sinks, wiring.sinks, |_, sink: Sink, at| sink.plan(at, planning));
        let queue = self.queue.plan(At::Root.key("queue"), planning);
        let plan = Plan {
            admin: self.admin.enabled.then_some(self.admin.address.0),
            graceful_shutdown_limit: planning
                .overrides
                .graceful_shutdown_limit
                .unwrap_or_else(|| self.graceful_shutdown_limit_secs.seconds()),
            data_dir: planning.data_dir.clone(),
            queue,
            sources,
            transforms,
            sinks,
        };
        listeners::check(plan.admin, &plan.sources, planning.report);
        plan
    }
}

impl Layout {
    /// Adds what runs by default where a section is empty.
    pub(super) fn fill(&mut self, planning: &Planning<'_, '_>) {
        let mut taken: Vec<String> = Vec::new();
        taken.extend(self.sources.components.iter().map(|component| component.name.clone()));
        taken.extend(self.transforms.components.iter().map(|component| component.name.clone()));
        taken.extend(self.sinks.components.iter().map(|component| component.name.clone()));
        fill(&mut self.sources, "tccc", &taken, planning);
        fill(&mut self.transforms, "calls", &taken, planning);
        fill(&mut self.sinks, "backend", &taken, planning);
    }
}

fn fill<K: Kind + Default>(section: &mut Section<K>, name: &str, taken: &[String], planning: &Planning<'_, '_>) {
    // What is there and cannot be read is not replaced.
    if !section.components.is_empty() || !planning.report.is_good(At::Root.key(K::SECTION)) {
        return;
    }
    let mut name = name.to_owned();
    while taken.contains(&name) {
        name.push('_');
    }
    section.components.push(Component { name, inputs: Inputs::All, kind: Some(K::default()) });
}

/// There is one standard input, and `--address` is meant for one source.
fn check_single_parts(sources: &Section<Source>, planning: &mut Planning<'_, '_>) {
    let section = At::Root.key(Source::SECTION);
    let is_stdin = |component: &&Component<Source>| matches!(component.kind, Some(Source::Stdin(_)));
    for component in sources.components.iter().filter(is_stdin).skip(1) {
        let message = "there is one standard input, and another source reads it already";
        planning.report.add_key(section.key(&component.name), message);
    }
    let http_servers =
        sources.components.iter().filter(|component| matches!(component.kind, Some(Source::HttpServer(_)))).count();
    let is_ambiguous = http_servers != 1 && !sources.components.is_empty();
    if planning.overrides.address.is_some() && is_ambiguous {
        let message = format!("it is the address of the one http_server, and there are {http_servers}");
        planning.add_argument("--address", &message);
    }
}

/// Plans the components of a section, each with its inputs.
fn parts<K: Kind, P>(
    section: Section<K>,
    inputs: Vec<Vec<String>>,
    mut plan: impl FnMut(&str, K, At<'_>) -> Option<P>,
) -> Vec<Part<P>> {
    let at = At::Root.key(K::SECTION);
    let mut parts = Vec::new();
    for (component, inputs) in section.components.into_iter().zip(inputs) {
        let planned = component.kind.and_then(|kind| plan(&component.name, kind, at.key(&component.name)));
        if let Some(plan) = planned {
            parts.push(Part { name: component.name, inputs, plan });
        }
    }
    parts
}
