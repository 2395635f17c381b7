//! One call of a guest: a fresh instance, its limits, the records in, the outcomes out.

use super::contract::bindings::exports::callspan::transform::plugin as guest;
use super::contract::bindings::{Transform, TransformPre};
use super::contract::printable;
use super::deadline;
use super::engine::Engine;
use super::error::{CallError, OptionProblem};
use super::limits::{Limits, MemoryLimit};
use crate::record::Record;
use std::time::Duration;
use wasmtime::{Store, Trap};

/// So many bytes of records, or one record, are given to an instance at a time. What comes of them fits into the cache of a
/// processor's core, and a guest that takes its memory back after each call touches no more of it.
const CALL_BYTES: usize = 16 * 1024;
/// So many of the things that are wrong with a plugin's options are told.
const OPTION_PROBLEMS_MAX: usize = 32;

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

    /// Maps a batch in one instance, and makes something of each outcome as it comes.
    pub(super) fn transform<T>(
        &self,
        engine: &Engine,
        options: &str,
        records: &[Record],
        limits: &Limits,
        mut take: impl FnMut(guest::Outcome) -> T,
    ) -> Result<Vec<T>, CallError> {
        self.within_limits(engine, limits, records.len(), |instance| {
            if instance.configure(options)?.is_err() {
                return Err(CallError::OptionsRefused);
            }
            let mut taken = Vec::with_capacity(records.len());
            for records in calls(records) {
                taken.extend(instance.transform(records, limits)?.into_iter().map(&mut take));
            }
            Ok(taken)
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
        let exports = self.component.instantiate(&mut store).map_err(|error| match failure(&store, error, budget) {
            // It has returned nothing yet.
            CallError::Output(error) => CallError::Start(error),
            error => error,
        })?;
        call(&mut Instance { store, exports }).map_err(|error| match error {
            CallError::Overrun { .. } => CallError::Overrun { budget },
            error => error,
        })
    }
}

impl Instance {
    fn configure(&mut self, options: &str) -> Result<Result<(), Vec<OptionProblem>>, CallError> {
        let configured = self.exports.callspan_transform_plugin().call_configure(&mut self.store, options);
        let problem = |diagnostic: guest::Diagnostic| OptionProblem {
            path: printable(diagnostic.path),
            message: printable(diagnostic.message),
        };
        match configured {
            Ok(result) => {
                Ok(result
                    .map_err(|diagnostics| diagnostics.into_iter().take(OPTION_PROBLEMS_MAX).map(problem).collect()))
            }
            Err(error) => Err(self.failure(error)),
        }
    }

    fn transform(&mut self, records: &[Record], limits: &Limits) -> Result<Vec<guest::Outcome>, CallError> {
        self.store.set_hostcall_fuel(limits.output_bytes_per_record_max.saturating_mul(records.len()));
        let metadata: Vec<Vec<(&str, &str)>> = records.iter().map(metadata).collect();
        let inputs: Vec<guest::Input<'_>> = records
            .iter()
            .zip(&metadata)
            .map(|(record, metadata)| guest::Input { body: &record.body, metadata })
            .collect();
        let outcomes = self.exports.callspan_transform_plugin().call_transform(&mut self.store, &inputs);
        let outcomes = outcomes.map_err(|error| self.failure(error))?;
        if outcomes.len() != records.len() {
            return Err(CallError::OutcomeCount { records: records.len(), outcomes: outcomes.len() });
        }
        Ok(outcomes)
    }

    fn failure(&self, error: wasmtime::Error) -> CallError {
        failure(&self.store, error, Duration::ZERO)
    }
}

/// A batch, cut into what is given to an instance at a time.
fn calls(mut records: &[Record]) -> impl Iterator<Item = &[Record]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |record: &&Record| {
            bytes += record.body.len();
            bytes <= CALL_BYTES
        };
        let count = records.iter().take_while(fits).count().max(1);
        let (call, rest) = records.split_at_checked(count)?;
        records = rest;
        Some(call)
    })
}

/// What an error of the engine says about the guest.
fn failure(store: &Store<MemoryLimit>, error: wasmtime::Error, budget: Duration) -> CallError {
    let error = match error.downcast() {
        Ok(called) => return CallError::NotGranted(called),
        Err(error) => error,
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_batch_is_cut_into_calls_without_losing_a_record() {
        let record = |bytes: usize| Record { body: Bytes::from(vec![b' '; bytes]), metadata: Vec::new() };
        let half = CALL_BYTES / 2;
        let cut = |sizes: &[usize]| {
            let records: Vec<Record> = sizes.iter().copied().map(record).collect();
            calls(&records).map(<[Record]>::len).collect::<Vec<_>>()
        };
        assert_eq!(cut(&[]), [0; 0]);
        assert_eq!(cut(&[half, half, half, half + 1, half, 1]), [2, 1, 1, 2]);
        assert_eq!(cut(&[CALL_BYTES, 0, CALL_BYTES + 1, 2 * CALL_BYTES, 1]), [2, 1, 1, 1]);
    }
}
