//! What becomes of a plugin that is held: it is tried now and then, later and later, until it passes; meanwhile records
//! wait, and it is said why. One that takes its place in between begins anew.

use crate::export::{Backoff, BackoffSettings};
use crate::telemetry::{Component, Gauge, Reporter, metric};
use crate::transform::{HoldReason, InService, Plugin, Workers, WorkersGone};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The longest time before the first trial.
const TRIAL_DELAY: Duration = Duration::from_secs(1);
/// What that doubles to, from trial to trial.
const TRIAL_DELAY_MAX: Duration = Duration::from_secs(60);
/// When nothing is heard of a plugin for so long after it was released, nothing waits for it, and it is well.
const PROOF: Duration = Duration::from_secs(5);
const WORKS_AGAIN: &str = "the plugin maps records again";

/// Of the plugin that a transform maps with, whichever that is.
pub struct Trials {
    transform_name: String,
    plugins: InService,
    workers: Workers,
    transform: Component,
    /// 1 while it is held.
    held: Gauge,
    health: Reporter,
}

impl Trials {
    /// For the transform of this name, which reports as this component.
    #[must_use]
    pub fn new(
        transform_name: &str,
        plugins: InService,
        workers: Workers,
        transform: Component,
        health: Reporter,
    ) -> Self {
        let held = transform.gauge(metric::TRANSFORM_HELD, &[]);
        Trials { transform_name: transform_name.to_owned(), plugins, workers, transform, held, health }
    }

    /// Goes on until it is dropped, or there are no threads any more.
    pub async fn run(self) {
        loop {
            let plugin = self.plugins.now();
            tokio::select! {
                () = self.look_after(&plugin) => return,
                () = self.plugins.has_replaced(&plugin) => {
                    self.tell_released("another plugin is in service, and records wait no longer");
                }
            }
        }
    }

    /// Goes on until there are no threads any more.
    async fn look_after(&self, plugin: &Arc<Plugin>) {
        let delays =
            BackoffSettings { initial_delay: TRIAL_DELAY, max_delay: TRIAL_DELAY_MAX, ..BackoffSettings::default() };
        let mut backoff = Backoff::new(delays, fastrand::u64(..));
        while let Some(reason) = plugin.hold().has_begun().await {
            self.tell_held(plugin, &reason);
            loop {
                sleep(backoff.next_delay(None)).await;
                match self.retry(plugin).await {
                    Ok(true) => break,
                    Ok(false) => self.count_error(),
                    Err(WorkersGone) => return,
                }
            }
            // To pass a trial is one thing, to map what waits another.
            match timeout(PROOF, plugin.hold().has_worked()).await {
                Ok(true) => {
                    backoff.reset();
                    self.tell_released(WORKS_AGAIN);
                }
                Ok(false) => {}
                Err(_) => self.tell_released(WORKS_AGAIN),
            }
        }
    }

    async fn retry(&self, plugin: &Arc<Plugin>) -> Result<bool, WorkersGone> {
        self.workers.slot().await?.retry(plugin).await
    }

    fn tell_held(&self, plugin: &Plugin, reason: &HoldReason) {
        let (transform, plugin) = (&self.transform_name, &**plugin.title());
        self.held.set(1);
        self.count_error();
        if self.health.trouble_is(&format!(
            "the plugin {plugin} is held: {reason}; records wait until it works again or is replaced"
        )) {
            let code = "plugin_held";
            tracing::error!(
                transform,
                plugin,
                code,
                %reason,
                "the plugin is held: records wait, and it is tried again now and then"
            );
        }
    }

    fn tell_released(&self, why: &str) {
        self.held.set(0);
        if self.health.well() {
            let (transform, plugin) = (&self.transform_name, self.plugins.now());
            tracing::info!(transform, plugin = &**plugin.title(), "{why}");
        }
    }

    fn count_error(&self) {
        let labels = [("error_code", "plugin_held"), ("error_type", "plugin"), ("stage", "processing")];
        self.transform.counter(metric::ERRORS, &labels).add(1);
    }
}
