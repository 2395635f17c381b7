//! Whether the service, part by part, can do its work now.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

/// The health of all parts, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Vec<Part>>>);

/// The health of one part, which the part itself reports. The default is one that nobody asks.
#[derive(Clone, Debug, Default)]
pub struct Reporter {
    state: Arc<Mutex<Option<Trouble>>>,
    remark: Arc<Mutex<Option<String>>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Trouble {
    reason: String,
    /// The part says so itself.
    is_certain: bool,
}

#[derive(Clone, Debug)]
struct Part {
    name: String,
    reporter: Reporter,
}

/// What one part says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its kind and name: `sink/backend`.
    pub part: String,
    /// Why it cannot do its work, for a person; none when it can.
    pub trouble: Option<String>,
    /// What somebody should look at although it does its work.
    pub remark: Option<String>,
}

impl Health {
    /// Adds a part, which is well until it says otherwise.
    pub fn part(&self, kind: &str, name: &str) -> Reporter {
        let reporter = Reporter::default();
        let part = Part { name: format!("{kind}/{name}"), reporter: reporter.clone() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        reporter
    }

    /// What every part says.
    #[must_use]
    pub fn states(&self) -> Vec<State> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(Part::state).collect()
    }
}

impl Part {
    fn state(&self) -> State {
        let remark = self.reporter.remark.lock().unwrap_or_else(PoisonError::into_inner).clone();
        State { part: self.name.clone(), trouble: self.reporter.trouble(), remark }
    }
}

impl Reporter {
    /// It does its work. True when it was in trouble before.
    pub fn well(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// It cannot do its work, for this reason. True when it had not said so before.
    pub fn trouble_is(&self, reason: &str) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.replace(Trouble { reason: reason.to_owned(), is_certain: true });
        before.is_none_or(|trouble| !trouble.is_certain)
    }

    /// What somebody finds who looks at the part from outside; what it says of itself wins. True when that is news.
    pub fn seems(&self, trouble: Option<&str>) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.as_ref().is_some_and(|trouble| trouble.is_certain) {
            return false;
        }
        let before = mem::replace(&mut *state, trouble.map(Trouble::seeming));
        *state != before
    }

    /// Somebody should look at this, or at nothing any more. The part does its work all the same.
    pub fn remark(&self, remark: Option<String>) {
        *self.remark.lock().unwrap_or_else(PoisonError::into_inner) = remark;
    }

    fn trouble(&self) -> Option<String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.as_ref().map(|trouble| trouble.reason.clone())
    }
}

impl Trouble {
    fn seeming(reason: &str) -> Self {
        Trouble { reason: reason.to_owned(), is_certain: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_well_until_it_says_otherwise() {
        let health = Health::default();
        let sink = health.part("sink", "backend");
        let state = |trouble: Option<&str>| State {
            part: "sink/backend".to_owned(),
            trouble: trouble.map(str::to_owned),
            remark: None,
        };
        assert_eq!(health.states(), [state(None)]);
        assert!(sink.trouble_is("nobody answers"), "that is news");
        assert!(!sink.trouble_is("nobody answers"));
        assert_eq!(health.states(), [state(Some("nobody answers"))]);
        assert!(sink.well() && !sink.well());
        assert_eq!(health.states(), [state(None)]);
    }

    #[test]
    fn what_a_part_says_of_itself_is_not_changed_from_outside() {
        let health = Health::default();
        let sink = health.part("sink", "backend");
        let trouble = || health.states().remove(0).trouble;
        assert!(sink.seems(Some("out of reach")) && !sink.seems(Some("out of reach")));
        assert!(sink.seems(Some("no such name")));
        assert_eq!(trouble().as_deref(), Some("no such name"));
        assert!(sink.trouble_is("it refuses the token"), "of itself it has said nothing before");
        assert!(!sink.seems(None) && !sink.seems(Some("out of reach")));
        assert_eq!(trouble().as_deref(), Some("it refuses the token"));
        assert!(sink.well() && !sink.seems(None) && sink.seems(Some("out of reach")) && sink.seems(None));
        assert_eq!(trouble(), None);
    }
}
