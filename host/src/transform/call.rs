//! One call of a guest: a fresh instance, its limits, the records in, the outcomes out.

use super::contract::bindings::exports::callspan::transform::plugin as guest;
use super::contract::bindings::{Transform, TransformPre};
use super::deadline;
use super::engine::Engine;
use super::error::{CallError, OptionProblem};
use super::limits::{Limits, MemoryLimit};
use crate::record::Record;
use std::time::Duration;
use wasmtime::{Store, Trap};

/// Makes instances of one component. No state survives an instance, so nothing leaks from one batch into another.
pub(super) struct Instances {
    component: TransformPre<MemoryLimit>,
}

/// An instance with all that limits it.
struct Instance {
    store: Store<MemoryLimit>,
    exports: Transform,
}

impl Instances {
    pub(super) fn new(component: TransformPre<MemoryLimit>) -> Self {
        Instances { component }
    }

    pub(super) fn describe(&self, engine: &Engine, limits: &Limits) -> Result<guest::Description, CallError> {
        self.within_limits(engine, limits, 1, |instance| {
            let described = instance.exports.callspan_transform_plugin().call_describe(&mut instance.store);
            described.map_err(|error| instance.failure(error))
        })
    }

    /// Tries the options out.
    pub(super) fn configure(
        &self,
        engine: &Engine,
        limits: &Limits,
        options: &str,
    ) -> Result<Result<(), Vec<OptionProblem>>, CallError> {
        self.within_limits(engine, limits, 1, |instance| instance.configure(options))
    }

    pub(super) fn transform(
        &self,
        engine: &Engine,
        options: &str,
        records: &[Record],
        limits: &Limits,
    ) -> Result<Vec<guest::Outcome>, CallError> {
        self.within_limits(engine, limits, records.len(), |instance| {
            if instance.configure(options)?.is_err() {
                return Err(CallError::OptionsRefused);
            }
            let metadata: Vec<Vec<(&str, &str)>> = records.iter().map(metadata).collect();
            let inputs: Vec<guest::Input<'_>> = records
                .iter()
                .zip(&metadata)
                .map(|(record, metadata)| guest::Input { body: &record.body, metadata })
                .collect();
            let outcomes = instance.exports.callspan_transform_plugin().call_transform(&mut instance.store, &inputs);
            let outcomes = outcomes.map_err(|error| instance.failure(error))?;
            if outcomes.len() != records.len() {
                return Err(CallError::OutcomeCount { records: records.len(), outcomes: outcomes.len() });
            }
            Ok(outcomes)
        })
    }

    fn within_limits<T>(
        &self,
        engine: &Engine,
        limits: &Limits,
        records: usize,
        call: impl FnOnce(&mut Instance) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let _ticking = engine.ticker().tick_while_running();
        let mut store = Store::new(engine.wasmtime(), MemoryLimit::new(limits.memory_bytes_max));
        store.limiter(|limit| limit);
        store.set_hostcall_fuel(limits.output_bytes_per_record_max.saturating_mul(records.max(1)));
        let budget = limits.deadline(records);
        deadline::set(&mut store, budget);
        let exports = self.component.instantiate(&mut store).map_err(|error| failure(&store, error, budget))?;
        call(&mut Instance { store, exports }).map_err(|error| match error {
            CallError::Overrun { .. } => CallError::Overrun { budget },
            error => error,
        })
    }
}

impl Instance {
    fn configure(&mut self, options: &str) -> Result<Result<(), Vec<OptionProblem>>, CallError> {
        let configured = self.exports.callspan_transform_plugin().call_configure(&mut self.store, options);
        let problem =
            |diagnostic: guest::Diagnostic| OptionProblem { path: diagnostic.path, message: diagnostic.message };
        match configured {
            Ok(result) => Ok(result.map_err(|diagnostics| diagnostics.into_iter().map(problem).collect())),
            Err(error) => Err(self.failure(error)),
        }
    }

    fn failure(&self, error: wasmtime::Error) -> CallError {
        failure(&self.store, error, Duration::ZERO)
    }
}

/// What an error of the engine says about the guest.
fn failure(store: &Store<MemoryLimit>, error: wasmtime::Error, budget: Duration) -> CallError {
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallError::Overrun { budget },
        _ if store.data().was_exceeded => CallError::Memory,
        Some(trap) => CallError::Trap(*trap),
        // The host looks at what comes out only after it has been lifted: text that is not text, or more than the
        // limit.
        None => CallError::Output(error),
    }
}

fn metadata(record: &Record) -> Vec<(&str, &str)> {
    record.metadata.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}
