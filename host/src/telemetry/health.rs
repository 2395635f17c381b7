//! Whether the service, part by part, can do its work now.

use std::sync::{Arc, Mutex, PoisonError};

/// The health of all parts, in the order in which they were added.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<Vec<Part>>>);

/// The health of one part, which the part itself reports. The default is one that nobody asks.
#[derive(Clone, Debug, Default)]
pub struct Reporter {
    state: Arc<Mutex<Option<String>>>,
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
        parts.iter().map(|part| State { part: part.name.clone(), trouble: part.reporter.trouble() }).collect()
    }
}

impl Reporter {
    /// It does its work. True when it was in trouble before.
    pub fn well(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).take().is_some()
    }

    /// It cannot do its work, for this reason. True when it was well before.
    pub fn trouble_is(&self, reason: &str) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.replace(reason.to_owned()).is_none()
    }

    fn trouble(&self) -> Option<String> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_well_until_it_says_otherwise() {
        let health = Health::default();
        let sink = health.part("sink", "backend");
        let state =
            |trouble: Option<&str>| State { part: "sink/backend".to_owned(), trouble: trouble.map(str::to_owned) };
        assert_eq!(health.states(), [state(None)]);
        assert!(sink.trouble_is("nobody answers"), "that is news");
        assert!(!sink.trouble_is("nobody answers"));
        assert_eq!(health.states(), [state(Some("nobody answers"))]);
        assert!(sink.well() && !sink.well());
        assert_eq!(health.states(), [state(None)]);
    }
}
