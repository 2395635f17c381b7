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
//! believed: every index, order and length is checked before a span leaves this stage.
//!
//! The stage does not know where records come from, nor where spans go.

mod admit;
mod cache;
mod call;
mod contract;
mod deadline;
mod engine;
mod error;
mod fingerprint;
mod ids;
mod limits;
mod loader;
mod privacy;
mod workers;

pub use cache::Cache;
pub use contract::{AttributeDefinition, Contract, MetricDefinition, Sensitivity, ValueType};
pub use engine::Engine;
pub use error::{LoadError, OptionProblem};
pub use ids::{span_id, trace_id};
pub use limits::Limits;
pub use loader::{BUILTIN, Loader, Settings, Source};
pub use privacy::{Choice, HmacKey, Policy, PolicyError};
pub use workers::{Slot, WorkerThreads, Workers, WorkersGone};

use crate::record::{Record, Rejection};
use crate::span::{Attribute, Trace};
use error::CallError;
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
    /// What the plugin was configured with: JSON, or empty.
    options: String,
    policy: Policy,
    limits: Limits,
    /// The operator's own resource attributes, which win over the plugin's.
    resource: Vec<Attribute>,
    fingerprint: String,
}

impl Plugin {
    /// What the plugin says it can emit.
    pub fn contract(&self) -> &Contract {
        &self.contract
    }

    /// Names the mapping: under an equal one, the same record becomes the same bytes.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Maps records: one outcome for each, in their order. Blocks for as long as the guest computes.
    pub fn transform(&self, records: &[Record]) -> Vec<Outcome> {
        match self.call(records) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                tracing::warn!(
                    plugin = self.contract.name,
                    records = records.len(),
                    code = error.code(),
                    "batch failed, running its records one by one"
                );
                records.iter().map(|record| self.transform_alone(record)).collect()
            }
        }
    }

    /// Runs one record by itself. An overrun may be the machine's fault, so a record is condemned for it only after
    /// two.
    fn transform_alone(&self, record: &Record) -> Outcome {
        let alone = || self.call(std::slice::from_ref(record));
        let result = match alone() {
            Err(CallError::Overrun { .. }) => alone(),
            result => result,
        };
        match result.map(|mut outcomes| outcomes.pop()) {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Outcome::Rejected(CallError::OutcomeCount { records: 1, outcomes: 0 }.into()),
            Err(error) => Outcome::Rejected(error.into()),
        }
    }

    fn call(&self, records: &[Record]) -> Result<Vec<Outcome>, CallError> {
        let admission = admit::Admission {
            contract: &self.contract,
            policy: &self.policy,
            limits: &self.limits,
            resource: &self.resource,
        };
        let admit = |outcome| admission.outcome(outcome);
        self.instances.transform(&self.engine, &self.options, records, &self.limits, admit)
    }
}
