//! The WebAssembly engine, and the clock that interrupts guests.

use super::deadline::Ticker;
use super::error::LoadError;
use std::sync::Arc;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

/// How many instances may live at one time. Each needs a stretch of address space, not of memory.
const INSTANCES_MAX: u32 = 64;
/// Of how many core modules an instance may be made: one for a guest in Rust, 38 for one in Python.
const CORE_INSTANCES_MAX: u32 = 64;
/// Bytes of an instance's memory that stay mapped between uses, so that a fresh instance does not fault them in again.
/// All that was ever written of them is zeroed for each instance: with 8 MiB a single record after a large batch took
/// 208 µs, with 1 MiB it takes 82, and batches of 64 take as long as before.
const MEMORY_KEEP_RESIDENT: usize = 1024 * 1024;
/// The largest memory the address space is laid out for; a plugin's own limit is at most this.
const MEMORY_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// One engine for all plugins of a process. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    engine: wasmtime::Engine,
    ticker: Arc<Ticker>,
}

impl Engine {
    /// An engine with pooled instances or, where the address space is too small for a pool, with instances on demand.
    ///
    /// # Errors
    /// When the machine supports neither.
    pub fn new() -> Result<Self, LoadError> {
        let engine = wasmtime::Engine::new(&config(pool())).or_else(|error| {
            tracing::warn!(%error, "no address space for pooled instances, making them on demand");
            wasmtime::Engine::new(&small_config()).map_err(LoadError::Engine)
        })?;
        let ticker = Arc::new(Ticker::start(engine.clone()).map_err(LoadError::Ticker)?);
        Ok(Engine { engine, ticker })
    }

    /// One that is set up otherwise.
    #[cfg(test)]
    pub(super) fn changed(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config(pool());
        change(&mut config);
        let engine = wasmtime::Engine::new(&config).expect("an engine starts");
        let ticker = Arc::new(Ticker::start(engine.clone()).expect("a thread starts"));
        Engine { engine, ticker }
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.engine
    }

    pub(super) fn ticker(&self) -> &Ticker {
        &self.ticker
    }
}

fn config(allocation: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .allocation_strategy(allocation)
        .concurrency_support(false)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .wasm_backtrace_max_frames(None)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_relaxed_simd(false)
        .wasm_tail_call(false);
    config
}

/// Reserves no more address space for a memory than it grows to; checking every access then costs a guest some speed.
fn small_config() -> Config {
    let mut config = config(InstanceAllocationStrategy::OnDemand);
    config.memory_reservation(0).memory_guard_size(64 * 1024).memory_reservation_for_growth(16 * 1024 * 1024);
    config
}

fn pool() -> InstanceAllocationStrategy {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES_MAX)
        .total_core_instances(INSTANCES_MAX * CORE_INSTANCES_MAX)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .total_memories(INSTANCES_MAX)
        .max_memories_per_component(1)
        .max_memory_size(MEMORY_BYTES_MAX)
        .total_tables(INSTANCES_MAX * 4)
        .linear_memory_keep_resident(MEMORY_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(pool)
}
