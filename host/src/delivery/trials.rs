//! What becomes of a plugin that is held: it is tried now and then, later and later, until it passes; meanwhile records
//! wait, and it is said why.

use crate::export::{Backoff, BackoffSettings};
use crate::telemetry::{Component, Gauge, Reporter, metric};
use crate::transform::{HoldReason, Plugin, Workers, WorkersGone};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The longest time before the first trial.
const TRIAL_DELAY: Duration = Duration::from_secs(1);
/// What that doubles to, from trial to trial.
const TRIAL_DELAY_MAX: Duration = Duration::from_secs(60);
/// When nothing is heard of a plugin for so long after it was released, nothing waits for it, and it is well.
const PROOF: Duration = Duration::from_secs(5);

/// Of the plugin of one transform.
pub struct Trials {
    transform_name: String,
    plugin: Arc<Plugin>,
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
        plugin: Arc<Plugin>,
        workers: Workers,
        transform: Component,
        health: Reporter,
    ) -> Self {
        let held = transform.gauge(metric::TRANSFORM_HELD, &[]);
        Trials { transform_name: transform_name.to_owned(), plugin, workers, transform, held, health }
    }

    /// Goes on until it is dropped, or there are no threads any more.
    pub async fn run(self) {
        let delays =
            BackoffSettings { initial_delay: TRIAL_DELAY, max_delay: TRIAL_DELAY_MAX, ..BackoffSettings::default() };
        let mut backoff = Backoff::new(delays, fastrand::u64(..));
        while let Some(reason) = self.plugin.hold().has_begun().await {
            self.tell_held(&reason);
            loop {
                sleep(backoff.next_delay(None)).await;
                match self.retry().await {
                    Ok(true) => break,
                    Ok(false) => self.count_error(),
                    Err(WorkersGone) => return,
                }
            }
            // To pass a trial is one thing, to map what waits another.
            match timeout(PROOF, self.plugin.hold().has_worked()).await {
                Ok(true) => {
                    backoff.reset();
                    self.tell_released();
                }
                Ok(false) => {}
                Err(_) => self.tell_released(),
            }
        }
    }

    async fn retry(&self) -> Result<bool, WorkersGone> {
        self.workers.slot().await?.retry(&self.plugin).await
    }

    fn tell_held(&self, reason: &HoldReason) {
        let (transform, plugin) = (&self.transform_name, self.plugin.title());
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

    fn tell_released(&self) {
        self.held.set(0);
        if self.health.well() {
            tracing::info!(
                transform = self.transform_name,
                plugin = self.plugin.title(),
                "the plugin maps records again"
            );
        }
    }

    fn count_error(&self) {
        let labels = [("error_code", "plugin_held"), ("error_type", "plugin"), ("stage", "processing")];
        self.transform.counter(metric::ERRORS, &labels).add(1);
    }
}
