//! The plugin that a transform maps with now. It can be exchanged for another one while records are mapped: a batch goes
//! through one plugin from its beginning to its end, and the next one through whatever is in service then.
//!
//! Whether a plugin is held belongs to the plugin, so the one that takes its place begins with a clean slate, and whoever
//! waits for the hold to end goes on.

use super::{Plugin, Shadow};
use std::sync::Arc;
use tokio::sync::watch;

/// Of one transform. Clones are the same one.
#[derive(Clone)]
pub struct InService(watch::Sender<Places>);

struct Places {
    now: Arc<Plugin>,
    /// The one before, while it can be gone back to.
    before: Option<Arc<Plugin>>,
    /// What maps beside it, for comparison.
    shadow: Option<Arc<Shadow>>,
}

impl InService {
    /// With this plugin, and none before it.
    #[must_use]
    pub fn new(plugin: Plugin) -> Self {
        InService(watch::Sender::new(Places { now: Arc::new(plugin), before: None, shadow: None }))
    }

    /// The plugin to map the next batch with.
    #[must_use]
    pub fn now(&self) -> Arc<Plugin> {
        Arc::clone(&self.0.borrow().now)
    }

    /// The plugin that [`InService::go_back`] would put into service.
    #[must_use]
    pub fn before(&self) -> Option<Arc<Plugin>> {
        self.0.borrow().before.clone()
    }

    /// What maps beside the plugin in service, if anything does.
    #[must_use]
    pub fn shadow(&self) -> Option<Arc<Shadow>> {
        self.0.borrow().shadow.clone()
    }

    /// Has this map beside the plugin in service, or nothing; gives what did before.
    pub fn set_shadow(&self, shadow: Option<Arc<Shadow>>) -> Option<Arc<Shadow>> {
        let mut before = shadow;
        self.0.send_modify(|places| std::mem::swap(&mut places.shadow, &mut before));
        before
    }

    /// Puts what maps beside the plugin in service into its place, and gives the one that was in service. None when nothing
    /// does, or something else than this.
    pub fn promote(&self, shadow: &Arc<Shadow>) -> Option<Arc<Plugin>> {
        let (mut replaced, mut _gone) = (None, None);
        self.0.send_if_modified(|places| {
            let Some(candidate) = places.shadow.take_if(|candidate| Arc::ptr_eq(candidate, shadow)) else {
                return false;
            };
            let before = std::mem::replace(&mut places.now, Arc::clone(candidate.candidate()));
            _gone = places.before.replace(Arc::clone(&before));
            replaced = Some(before);
            true
        });
        replaced
    }

    /// Puts another plugin into service in place of this one. False when this one is not in service any more: then
    /// nothing has changed.
    pub fn replace(&self, plugin: &Arc<Plugin>, by: Arc<Plugin>) -> bool {
        // Its code is given back when nobody waits for the lock any more.
        let mut _gone = None;
        self.0.send_if_modified(|places| {
            let is_in_service = Arc::ptr_eq(&places.now, plugin);
            if is_in_service {
                _gone = places.before.replace(std::mem::replace(&mut places.now, by));
            }
            is_in_service
        })
    }

    /// Puts the plugin before into service again, and says which that is. Where that was done, and where nothing was
    /// replaced, there is none: asked for twice it does not come forward again.
    pub fn go_back(&self) -> Option<Arc<Plugin>> {
        let mut back = None;
        self.0.send_if_modified(|places| {
            back = places.before.take();
            if let Some(before) = &back {
                places.now = Arc::clone(before);
            }
            back.is_some()
        });
        back
    }

    /// Waits until another plugin than this one is in service.
    pub async fn has_replaced(&self, plugin: &Arc<Plugin>) {
        let mut places = self.0.subscribe();
        // It fails when nobody is left to change it, which is not while somebody waits.
        let _replaced = places.wait_for(|places| !Arc::ptr_eq(&places.now, plugin)).await;
    }

    /// Waits until the plugin in service, whichever that is, is not held.
    pub async fn is_well(&self) {
        loop {
            let plugin = self.now();
            tokio::select! {
                () = plugin.hold().is_over() => return,
                () = self.has_replaced(&plugin) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{Cache, Engine, HoldReason, Loader, Settings, Source};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn plugins<const N: usize>() -> [Plugin; N] {
        let loader = Loader::new(Engine::new().expect("an engine starts"), Cache::none());
        [(); N].map(|()| loader.load(&Source::Builtin, Settings::default()).expect("it is built in"))
    }

    #[test]
    fn what_was_replaced_can_be_gone_back_to_once() {
        let [first, second, third] = plugins();
        let in_service = InService::new(first);
        let (first, second, third) = (in_service.now(), Arc::new(second), Arc::new(third));
        assert!(in_service.go_back().is_none(), "nothing was replaced");
        assert!(in_service.replace(&first, Arc::clone(&second)));
        assert!(!in_service.replace(&first, third), "the first is not in service any more");
        assert!(Arc::ptr_eq(&in_service.now(), &second));
        assert!(in_service.before().is_some_and(|before| Arc::ptr_eq(&before, &first)));
        assert!(in_service.go_back().is_some_and(|back| Arc::ptr_eq(&back, &first)));
        assert!(in_service.go_back().is_none() && Arc::ptr_eq(&in_service.now(), &first));
    }

    #[test]
    fn who_waits_for_a_held_plugin_goes_on_with_the_one_that_takes_its_place() {
        let [first, second] = plugins();
        let in_service = InService::new(first);
        let first = in_service.now();
        first.hold().begin(HoldReason::Trial("trapped".to_owned()));
        let mut waits = pin!(in_service.is_well());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Pending);
        assert!(in_service.replace(&first, Arc::new(second)));
        assert_eq!(waits.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
