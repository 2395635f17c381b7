//! The built-in plugin by itself: as an engine runs it that looks after nothing, and with what keeps a guest within bounds.
//! Nothing is checked, derived or hidden of what it returns, so that the guards alone make the difference.

use callspan::transform::Source;
use exports::callspan::transform::plugin::{Input, Outcome};
use wasmtime::component::{Component, Linker};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder, UpdateDeadline,
};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "transform",
    ownership: Borrowing { duplicate_if_necessary: false },
});

/// Bytes of records in a call, as the host gives them.
const CALL_BYTES: usize = 16 * 1024;

/// One instance, used again and again.
pub(crate) struct Unguarded {
    store: Store<()>,
    exports: Transform,
}

/// A fresh instance for each batch, limits, and a clock that interrupts it.
pub(crate) struct Guarded {
    engine: Engine,
    component: TransformPre<StoreLimits>,
}

impl Unguarded {
    pub(crate) fn new() -> Self {
        let engine = Engine::new(&config()).expect("an engine starts");
        let mut store = Store::new(&engine, ());
        let exports = Transform::instantiate(&mut store, &component(&engine), &Linker::new(&engine));
        let exports = exports.expect("an instance can be made");
        configure(&exports, &mut store);
        Unguarded { store, exports }
    }

    pub(crate) fn transform(&mut self, bodies: &[&[u8]]) -> Vec<Outcome> {
        transform(&self.exports, &mut self.store, bodies)
    }
}

impl Guarded {
    pub(crate) fn new() -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.linear_memory_keep_resident(1024 * 1024).pagemap_scan(Enabled::Auto);
        let mut config = config();
        config.epoch_interruption(true).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("an engine starts");
        let component = Linker::new(&engine).instantiate_pre(&component(&engine)).and_then(TransformPre::new);
        Guarded { component: component.expect("the plugin keeps to the contract"), engine }
    }

    pub(crate) fn transform(&self, bodies: &[&[u8]]) -> Vec<Outcome> {
        let limits = StoreLimitsBuilder::new().memory_size(256 * 1024 * 1024).table_elements(20_000).build();
        let mut store = Store::new(&self.engine, limits);
        store.limiter(|limits| limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1)));
        store.set_hostcall_fuel(16 * 1024 * 1024);
        let exports = self.component.instantiate(&mut store).expect("an instance can be made");
        configure(&exports, &mut store);
        transform(&exports, &mut store, bodies)
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.concurrency_support(false).wasm_backtrace_max_frames(None);
    config
}

fn component(engine: &Engine) -> Component {
    let bytes = Source::Builtin.read(usize::MAX).expect("the plugin is in the program");
    Component::new(engine, &bytes).expect("the plugin compiles")
}

fn configure<T>(exports: &Transform, store: &mut Store<T>) {
    let configured = exports.callspan_transform_plugin().call_configure(store, "");
    configured.expect("the call returns").expect("no options are good options");
}

fn transform<T>(exports: &Transform, store: &mut Store<T>, bodies: &[&[u8]]) -> Vec<Outcome> {
    let bytes: usize = bodies.iter().map(|body| body.len()).sum();
    let in_a_call = (CALL_BYTES * bodies.len() / bytes.max(1)).max(1);
    let call = |bodies: &[&[u8]]| {
        let inputs: Vec<Input<'_>> = bodies.iter().map(|body| Input { body, metadata: &[] }).collect();
        exports.callspan_transform_plugin().call_transform(&mut *store, &inputs).expect("the call returns")
    };
    bodies.chunks(in_a_call).flat_map(call).collect()
}
