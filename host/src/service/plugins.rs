//! The plugins of a running service, each of which can be exchanged: for what its file holds now, when the file changes or
//! somebody asks for it, for a candidate that has mapped the same records for comparison, and for the one before.
//!
//! ```text
//! file changed ──┐
//! SIGHUP ────────┼─▶ load, on a thread of its own ─▶ check, compile, configure, try ─▶ one pointer is exchanged
//! a command ─────┘                                       │
//!                                                        └─ it cannot be used: what was in service still is, loudly
//! ```
//!
//! Nothing of that is done by those who map records, and none of them waits for it.

mod charge;
mod loading;

use crate::config::plan::{Part, TransformPlan};
use crate::queue::QueueControl;
use crate::telemetry::{Component, Reporter};
use crate::transform::control::{Control, ControlError, Request, Response};
use crate::transform::{InService, Loader, Source};
use charge::Charge;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// Those of all transforms. Clones are the same ones.
#[derive(Clone)]
pub struct Plugins(Arc<Vec<Arc<Charge>>>);

/// The plugin of one transform.
pub(super) struct Transform {
    pub(super) plan: Part<TransformPlan>,
    pub(super) in_service: InService,
    /// The consumers of the queue that map with it.
    pub(super) consumers: Vec<String>,
    pub(super) component: Component,
    pub(super) health: Reporter,
}

/// How often files are looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

impl Plugins {
    pub(super) fn new(transforms: Vec<Transform>, loader: &Loader, queue: Option<&QueueControl>) -> Self {
        let charge = |transform| Arc::new(Charge::new(transform, loader.clone(), queue.cloned()));
        Plugins(Arc::new(transforms.into_iter().map(charge).collect()))
    }

    /// Loads the candidates that are configured, and plugins whose files change. Goes on until it is dropped.
    pub(super) async fn watch(self) {
        for charge in self.0.iter() {
            charge.shadow_as_configured().await;
        }
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            for charge in self.0.iter() {
                charge.look().await;
            }
        }
    }

    /// Loads every plugin that is a file, changed or not.
    pub async fn reload_all(&self) {
        for charge in self.files() {
            charge.reload().await;
        }
    }

    fn files(&self) -> impl Iterator<Item = &Arc<Charge>> {
        self.0.iter().filter(|charge| charge.is_file())
    }

    fn named(&self, name: &str) -> Result<&Arc<Charge>, ControlError> {
        let known = || self.0.iter().map(|charge| charge.name().to_owned()).collect();
        let charge = self.0.iter().find(|charge| charge.name() == name);
        charge.ok_or_else(|| ControlError::NoTransform { name: name.to_owned(), known: known() })
    }

    /// Those to be loaded.
    fn to_reload(&self, name: Option<&str>) -> Result<Vec<&Arc<Charge>>, ControlError> {
        let Some(name) = name else {
            let files: Vec<_> = self.files().collect();
            return if files.is_empty() { Err(ControlError::AllBuiltin) } else { Ok(files) };
        };
        let charge = self.named(name)?;
        if charge.is_file() { Ok(vec![charge]) } else { Err(ControlError::Builtin(name.to_owned())) }
    }

    async fn respond(&self, request: Request) -> Result<Response, ControlError> {
        match request {
            Request::Status => {
                Ok(Response::Status { transforms: self.0.iter().map(|charge| charge.state()).collect() })
            }
            Request::Reload { transform } => {
                let mut transforms = Vec::new();
                for charge in self.to_reload(transform.as_deref())? {
                    transforms.push(charge.reload().await);
                }
                Ok(Response::Reloaded { transforms })
            }
            Request::Shadow { transform, file } => {
                let candidate = self.named(&transform)?.shadow(file.map(Source::File)).await?;
                Ok(Response::Shadowed { transform, candidate })
            }
            Request::Promote { transform } => Ok(Response::Promoted(self.named(&transform)?.promote().await?)),
            Request::RollBack { transform } => Ok(Response::RolledBack(self.named(&transform)?.roll_back().await?)),
        }
    }
}

impl Control for Plugins {
    /// What was begun is finished, even if nobody waits for the answer any more.
    async fn answer(&self, request: Request) -> Result<Response, ControlError> {
        let plugins = self.clone();
        let answered = tokio::spawn(async move { plugins.respond(request).await });
        answered.await.unwrap_or(Err(ControlError::Stopping))
    }
}
