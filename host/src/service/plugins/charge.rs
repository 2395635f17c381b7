//! The plugin of one transform, with all that is done when it is exchanged.

use super::Transform;
use super::loading::load;
use crate::config::plan::Reload;
use crate::queue::QueueControl;
use crate::telemetry::{Component, Reporter, metric};
use crate::transform::control::{
    ControlError, Exchanged, PluginState, ReloadResult, Reloaded, ShadowState, TransformState,
};
use crate::transform::{InService, Loader, Plugin, Settings, Shadow, Source};
use crate::watched::Stamp;
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use tokio::sync::Mutex;

pub(super) struct Charge {
    name: String,
    /// What is configured.
    source: Source,
    settings: Settings,
    reload: Reload,
    /// The candidate that is configured, if one is.
    candidate: Option<Source>,
    in_service: InService,
    /// The consumers of the queue that map with it.
    consumers: Vec<String>,
    /// Unless records wait in memory.
    queue: Option<QueueControl>,
    loader: Loader,
    /// Locked while something is loaded.
    file: Mutex<Seen>,
    /// Why what is configured could not be put into service.
    trouble: StdMutex<Option<String>>,
    /// Locked while it is noted what is in service, so that what is noted last is what is in service last.
    noting: Mutex<()>,
    component: Component,
    health: Reporter,
}

/// How the configured file was.
struct Seen {
    /// When it was last loaded, well or not.
    loaded: Option<Stamp>,
    /// When it was last looked at.
    looked_at: Option<Stamp>,
}

/// Why a plugin that was loaded is not put into service.
const OVERTAKEN: &str = "another plugin was put into service while it was loaded; load it again";

impl Charge {
    pub(super) fn new(transform: Transform, loader: Loader, queue: Option<QueueControl>) -> Self {
        let Transform { plan, in_service, consumers, component, health } = transform;
        let stamp = in_service.now().origin().stamp.clone();
        for result in ["replaced", "unchanged", "failed", "promoted", "rolled_back"] {
            let _shown_as_zero = component.counter(metric::PLUGIN_RELOADS, &[("result", result)]);
        }
        Charge {
            name: plan.name,
            source: plan.plan.plugin,
            settings: plan.plan.settings,
            reload: plan.plan.reload,
            candidate: plan.plan.shadow,
            in_service,
            consumers,
            queue,
            loader,
            file: Mutex::new(Seen { loaded: stamp.clone(), looked_at: stamp }),
            trouble: StdMutex::default(),
            noting: Mutex::default(),
            component,
            health,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether its configured plugin is a file.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    pub(super) fn state(&self) -> TransformState {
        TransformState {
            transform: self.name.clone(),
            configured: self.source.name(),
            is_file: self.is_file(),
            reloads_on_change: self.is_file() && self.reload == Reload::OnChange,
            in_service: state(&self.in_service.now()),
            before: self.in_service.before().map(|plugin| state(&plugin)),
            trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            shadow: self.in_service.shadow().map(|shadow| ShadowState {
                candidate: state(shadow.candidate()),
                is_given_up: shadow.is_given_up(),
                report: shadow.report(),
            }),
        }
    }

    /// Loads the configured file if it is another one than when it was last loaded. One that changed since it was last
    /// looked at may still be written, and is left alone until the next time.
    pub(super) async fn look(&self) {
        if !self.is_file() || self.reload == Reload::Manual {
            return;
        }
        let mut seen = self.file.lock().await;
        let before = self.in_service.now();
        let Ok(stamp) = self.stamp().await else { return };
        let stands_still = seen.looked_at == stamp;
        seen.looked_at = stamp;
        if stands_still && seen.loaded != seen.looked_at {
            self.load_configured(&mut seen, before).await;
        }
    }

    /// Loads the configured file, changed or not.
    pub(super) async fn reload(&self) -> Reloaded {
        let mut seen = self.file.lock().await;
        let before = self.in_service.now();
        if let Ok(stamp) = self.stamp().await {
            seen.looked_at = stamp;
        }
        self.load_configured(&mut seen, before).await
    }

    /// Has a candidate map beside the plugin in service, or nothing; says which one does.
    pub(super) async fn shadow(&self, candidate: Option<Source>) -> Result<Option<PluginState>, ControlError> {
        let transform = self.name.clone();
        let Some(source) = candidate else {
            self.in_service.set_shadow(None).ok_or(ControlError::NoCandidate(transform))?;
            return Ok(None);
        };
        let fingerprint = self.in_service.now().fingerprint().to_owned();
        let not_loaded = |reason: String| ControlError::NotLoaded { transform: self.name.clone(), reason };
        let loaded = load(&self.loader, fingerprint, source, self.settings.clone()).await;
        let plugin = loaded.map_err(|reason| not_loaded(format!("failed to {reason}")))?;
        let plugin = plugin.ok_or_else(|| ControlError::SameMapping(self.name.clone()))?;
        let candidate = state(&plugin);
        let shadow = Shadow::start(plugin, &self.name, &self.component)
            .map_err(|error| not_loaded(format!("failed to start its thread: {error}")))?;
        self.in_service.set_shadow(Some(Arc::new(shadow)));
        tracing::info!(transform, candidate = candidate.plugin, "a candidate maps the same records, for comparison");
        Ok(Some(candidate))
    }

    /// The same with the candidate that is configured.
    pub(super) async fn shadow_as_configured(&self) {
        if self.candidate.is_some()
            && let Err(error) = self.shadow(self.candidate.clone()).await
        {
            let (transform, code) = (&self.name, error.code());
            tracing::error!(transform, code, %error, "the configured candidate maps nothing");
        }
    }

    /// Puts the candidate into service.
    pub(super) async fn promote(&self) -> Result<Exchanged, ControlError> {
        let shadow = self.in_service.shadow().ok_or_else(|| ControlError::NoCandidate(self.name.clone()))?;
        if shadow.is_given_up() {
            return Err(ControlError::CandidateFailed(self.name.clone()));
        }
        let replaced = self.in_service.promote(&shadow).ok_or_else(|| ControlError::NoCandidate(self.name.clone()))?;
        self.count("promoted");
        self.is_in_service(&replaced, "the candidate was promoted").await;
        Ok(Exchanged {
            transform: self.name.clone(),
            replaced: state(&replaced),
            in_service: state(shadow.candidate()),
            configured: self.source.name(),
        })
    }

    /// Puts the plugin before into service again, whatever is being loaded meanwhile.
    pub(super) async fn roll_back(&self) -> Result<Exchanged, ControlError> {
        let replaced = self.in_service.now();
        let back = self.in_service.go_back().ok_or_else(|| ControlError::NothingBefore(self.name.clone()))?;
        self.count("rolled_back");
        self.is_in_service(&replaced, "the plugin was rolled back").await;
        Ok(Exchanged {
            transform: self.name.clone(),
            replaced: state(&replaced),
            in_service: state(&back),
            configured: self.source.name(),
        })
    }

    /// Puts what is configured into service in place of this plugin, unless somebody was faster.
    async fn load_configured(&self, seen: &mut Seen, before: Arc<Plugin>) -> Reloaded {
        seen.loaded.clone_from(&seen.looked_at);
        let fingerprint = before.fingerprint().to_owned();
        let loaded = load(&self.loader, fingerprint, self.source.clone(), self.settings.clone()).await;
        let trouble = loaded.as_ref().err().map(|reason| format!("failed to {reason}"));
        self.note_trouble(&before, trouble.clone());
        let (result, reason) = match loaded {
            Ok(None) => (ReloadResult::Unchanged, None),
            Ok(Some(plugin)) => {
                if self.in_service.replace(&before, Arc::new(plugin)) {
                    self.is_in_service(&before, "the plugin was replaced").await;
                    (ReloadResult::Replaced, None)
                } else {
                    (ReloadResult::Failed, Some(OVERTAKEN.to_owned()))
                }
            }
            Err(_) => (ReloadResult::Failed, trouble),
        };
        self.count(match result {
            ReloadResult::Replaced => "replaced",
            ReloadResult::Unchanged => "unchanged",
            ReloadResult::Failed => "failed",
        });
        if let Some(reason) = &reason {
            let (transform, plugin) = (&self.name, self.in_service.now().title().to_string());
            let code = "plugin_not_replaced";
            tracing::error!(transform, plugin, code, reason, "the plugin is not replaced, and stays in service");
        }
        Reloaded {
            transform: self.name.clone(),
            result,
            reason,
            in_service: state(&self.in_service.now()),
            before: self.in_service.before().map(|plugin| state(&plugin)),
        }
    }

    /// What is configured cannot be used, or can be.
    fn note_trouble(&self, in_service: &Plugin, trouble: Option<String>) {
        let remark = trouble.as_deref().map(|trouble| {
            format!("the plugin {} stays in service, and a start would fail: {trouble}", in_service.title())
        });
        self.health.remark(remark);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Another plugin is in service than this one: says so, and notes it where it is remembered what records were mapped
    /// with.
    async fn is_in_service(&self, replaced: &Plugin, how: &str) {
        let plugin = self.in_service.now();
        tracing::info!(
            transform = self.name,
            plugin = &**plugin.title(),
            fingerprint = plugin.fingerprint(),
            replaced = &**replaced.title(),
            replaced_fingerprint = replaced.fingerprint(),
            "{how}"
        );
        let Some(queue) = &self.queue else { return };
        let _one_at_a_time = self.noting.lock().await;
        let mapping: Arc<str> = self.in_service.now().fingerprint().into();
        if let Err(error) = queue.map_with(self.consumers.clone(), mapping).await {
            let (transform, code) = (&self.name, "mapping_not_noted");
            tracing::warn!(transform, code, %error, "a replay may not be told that the mapping was another one");
        }
    }

    /// On a thread that may wait: the disk may be somewhere else.
    async fn stamp(&self) -> Result<Option<Stamp>, tokio::task::JoinError> {
        let source = self.source.clone();
        tokio::task::spawn_blocking(move || source.stamp()).await
    }

    fn count(&self, result: &str) {
        self.component.counter(metric::PLUGIN_RELOADS, &[("result", result)]).add(1);
    }
}

fn state(plugin: &Plugin) -> PluginState {
    PluginState {
        plugin: plugin.title().to_string(),
        fingerprint: plugin.fingerprint().to_owned(),
        source: plugin.origin().source.name(),
        held: plugin.hold().reason().map(|reason| reason.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::plan::{Part, TransformPlan};
    use crate::transform::{Cache, Engine};
    use std::fs;
    use std::path::Path;

    /// The mapping inside this program as a file, with so many bytes more that mean nothing.
    fn write(path: &Path, more: u8) {
        let mut component = Source::Builtin.read(usize::MAX).expect("it is built in").to_vec();
        // A section that nobody knows: its number, its length, the length of its name, its name.
        component.extend([0, 2 + more, 1, b'x']);
        component.extend(std::iter::repeat_n(0, usize::from(more)));
        fs::write(path, component).expect("the folder is ours");
    }

    fn charge(path: &Path) -> Charge {
        let loader = Loader::new(Engine::new().expect("an engine starts"), Cache::none());
        let (source, settings) = (Source::File(path.to_owned()), Settings::default());
        let plugin = loader.load(&source, settings.clone()).expect("it is what is built in");
        let plan = TransformPlan { plugin: source, reload: Reload::OnChange, shadow: None, settings };
        let transform = Transform {
            plan: Part { name: "calls".to_owned(), inputs: Vec::new(), plan },
            in_service: InService::new(plugin),
            consumers: Vec::new(),
            component: Component::default(),
            health: Reporter::default(),
        };
        Charge::new(transform, loader, None)
    }

    #[tokio::test]
    async fn a_file_is_loaded_once_it_stands_still_and_after_a_rollback_not_before_it_changes_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plugin.wasm");
        write(&path, 0);
        let charge = charge(&path);
        let first = charge.in_service.now();
        let is_first = || Arc::ptr_eq(&charge.in_service.now(), &first);
        charge.look().await;
        write(&path, 1);
        charge.look().await;
        assert!(is_first(), "it may still be written");
        charge.look().await;
        assert!(!is_first());
        charge.roll_back().await.expect("it was replaced");
        charge.look().await;
        charge.look().await;
        assert!(is_first(), "the file is the one that was rolled back");
        write(&path, 2);
        charge.look().await;
        charge.look().await;
        assert!(!is_first());
        assert_eq!(charge.roll_back().await.map(|it| it.in_service), Ok(state(&first)));
    }

    /// What is loaded for a while does not undo what was asked for meanwhile.
    #[tokio::test]
    async fn a_plugin_that_was_overtaken_is_not_put_into_service() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plugin.wasm");
        write(&path, 0);
        let charge = charge(&path);
        write(&path, 1);
        assert_eq!(charge.reload().await.result, ReloadResult::Replaced);
        write(&path, 2);
        let (reloaded, rolled_back) = tokio::join!(charge.reload(), async {
            // The plugin in service is looked up before the file is read, on a thread of its own.
            while charge.file.try_lock().is_ok() {
                tokio::task::yield_now().await;
            }
            charge.roll_back().await
        });
        assert!(rolled_back.is_ok() && reloaded.result == ReloadResult::Failed, "{reloaded:?}");
        assert_eq!(reloaded.reason.as_deref(), Some(OVERTAKEN));
        assert_eq!(reloaded.in_service, rolled_back.expect("it was replaced").in_service);
    }
}
