//! The stage in which a plugin maps raw records to traces.
//!
//! ```text
//! component bytes ─ loader ─▶ Plugin ─ transform(records) ─▶ one outcome for each record
//!                   │ cache            │ call     a fresh instance, limits, a deadline
//!                   └ contract         └ admit    checks, ids, privacy
//! ```
//!
//! Nothing a plugin does can harm more than the record it was given: it computes in a sandbox without imports, and when
//! a batch fails its records are run one by one, so that only the guilty one is refused. Nothing it returns is
//! believed: every index, order and length is checked before a span leaves this stage. A plugin that fails whatever it
//! is given is held, and condemns nobody.
//!
//! The stage does not know where records come from, nor where spans go.

mod admit;
mod cache;
mod call;
mod conduct;
mod contract;
pub mod control;
mod deadline;
mod engine;
mod error;
mod fingerprint;
mod hold;
mod ids;
mod in_service;
mod limits;
mod loader;
mod privacy;
mod shadow;
mod wasi;
mod workers;

pub use cache::Cache;
pub use contract::{AttributeDefinition, Contract, MetricDefinition, Sensitivity, ValueType};
pub use engine::Engine;
pub use error::{LoadError, OptionProblem};
pub use hold::{HoldReason, PluginHold};
pub use ids::{span_id, trace_id};
pub use in_service::InService;
pub use limits::Limits;
pub use loader::{BUILTIN, Compiled, Inspected, Loader, Origin, Settings, Source};
pub use privacy::{Choice, HmacKey, Policy, PolicyError};
pub use shadow::{Counted, Difference, Report, Shadow, What};
pub use wasi::Wasi;
pub use workers::{Slot, WorkerThreads, Workers, WorkersGone};

use crate::record::{Record, Rejection};
use crate::span::{Attribute, Trace};
use bytes::Bytes;
use error::CallError;
use std::iter;
use std::sync::Arc;

/// What became of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    Trace(Trace),
    /// The mapping understands the record and deliberately yields nothing.
    Skipped,
    Rejected(Rejection),
}

/// A plugin in service: loaded, configured, tried.
pub struct Plugin {
    engine: Engine,
    instances: call::Instances,
    contract: Arc<Contract>,
    /// Its name and its version.
    title: Arc<str>,
    /// Where it was loaded from.
    origin: Origin,
    /// What the plugin was configured with: JSON, or empty.
    options: String,
    policy: Policy,
    limits: Limits,
    /// The operator's own resource attributes, which win over the plugin's.
    resource: Vec<Attribute>,
    fingerprint: String,
    hold: PluginHold,
}

/// What a record became, or how the plugin failed it.
type Judged = Result<Outcome, CallError>;

impl Plugin {
    /// What the plugin says it can emit.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Names the mapping: under an equal one, the same record becomes the same bytes.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Its name and its version.
    pub fn title(&self) -> &Arc<str> {
        &self.title
    }

    /// Where it was loaded from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether it is held.
    pub fn hold(&self) -> &PluginHold {
        &self.hold
    }

    /// Maps records: one outcome for each, in their order. Blocks for as long as the guest computes. Each record that
    /// the plugin fails is refused, for it cannot wait.
    pub fn transform(&self, records: &[Record]) -> Vec<Outcome> {
        self.judge(records).map(|judged| judged.unwrap_or_else(|error| self.refusal(&error))).collect()
    }

    /// The same for records that can wait: none for each that is to be tried again once the plugin is not held.
    pub fn transform_unless_held(&self, records: &[Record]) -> Vec<Option<Outcome>> {
        if self.hold.is_held() {
            return vec![None; records.len()];
        }
        let mut judged = self.judge(records);
        let mut last_failure = String::new();
        let mut outcome = |judged: Judged| match judged {
            Ok(outcome) => {
                self.hold.worked();
                Some(outcome)
            }
            Err(error) => {
                last_failure = error.to_string();
                if let Err(error) = self.try_out() {
                    self.hold.begin(HoldReason::Trial(error.to_string()));
                    return None;
                }
                (!self.hold.failed()).then(|| self.refusal(&error))
            }
        };
        // Once it is held the rest is not even tried.
        let next = |_| if self.hold.is_held() { None } else { judged.next().and_then(&mut outcome) };
        let outcomes = records.iter().map(next).collect();
        // Those that came after the failures have had their chance to show that it works.
        if !last_failure.is_empty() && !self.hold.is_held() && self.hold.is_due() {
            self.hold.begin(HoldReason::Records(last_failure));
        }
        outcomes
    }

    /// Tries a plugin that is held, and releases it if it passes: whether it did.
    pub fn retry(&self) -> bool {
        let has_passed = self.try_out().is_ok();
        if has_passed {
            self.hold.release();
        }
        has_passed
    }

    /// Gives it a record that any mapping can only refuse: what is tried is that the plugin runs.
    fn try_out(&self) -> Result<(), CallError> {
        let trial = Record { body: Bytes::from_static(b"{}"), metadata: Vec::new() };
        self.judge_alone(&trial).map(|_| ())
    }

    /// All together or, if that fails, one by one as they are asked for.
    fn judge<'r>(&'r self, records: &'r [Record]) -> Box<dyn Iterator<Item = Judged> + 'r> {
        if let [record] = records {
            return Box::new(iter::once_with(|| self.judge_alone(record)));
        }
        match self.call(records) {
            Ok(judged) => Box::new(judged.into_iter()),
            Err(error) => {
                let (plugin, code) = (&*self.title, error.code());
                tracing::warn!(plugin, records = records.len(), code, "batch failed, running its records one by one");
                Box::new(records.iter().map(|record| self.judge_alone(record)))
            }
        }
    }

    /// Runs one record by itself. An overrun may be the machine's fault, so it counts only when it happens twice.
    fn judge_alone(&self, record: &Record) -> Judged {
        let alone = || self.call(std::slice::from_ref(record));
        let judged = match alone() {
            Err(CallError::Overrun { .. }) => alone(),
            judged => judged,
        };
        judged?.pop().unwrap_or(Err(CallError::OutcomeCount { records: 1, outcomes: 0 }))
    }

    fn call(&self, records: &[Record]) -> Result<Vec<Judged>, CallError> {
        let admission = admit::Admission {
            contract: &self.contract,
            policy: &self.policy,
            limits: &self.limits,
            resource: &self.resource,
        };
        let admit = |outcome| admission.outcome(outcome).map_err(CallError::Breach);
        self.instances.transform(&self.engine, &self.options, records, &self.limits, admit)
    }

    fn refusal(&self, error: &CallError) -> Outcome {
        Outcome::Rejected(error.rejection(self.title()))
    }
}
