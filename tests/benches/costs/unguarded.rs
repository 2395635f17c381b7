//! The built-in plugin as an engine runs it that looks after nothing: what the host's care is measured against.

use callspan::transform::Source;
use exports::callspan::transform::plugin::{Input, Outcome};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Store};

wasmtime::component::bindgen!({
    path: "../wit",
    world: "transform",
    ownership: Borrowing { duplicate_if_necessary: false },
});

/// One instance, used again and again.
pub(crate) struct Unguarded {
    store: Store<()>,
    exports: Transform,
}

impl Unguarded {
    pub(crate) fn new() -> Self {
        let mut config = Config::new();
        config.concurrency_support(false).wasm_backtrace_max_frames(None);
        let engine = Engine::new(&config).expect("an engine starts");
        let bytes = Source::Builtin.read().expect("the plugin is in the program");
        let component = Component::new(&engine, &bytes).expect("the plugin compiles");
        let mut store = Store::new(&engine, ());
        let exports = Transform::instantiate(&mut store, &component, &Linker::new(&engine)).expect("an instance");
        let configured = exports.callspan_transform_plugin().call_configure(&mut store, "");
        configured.expect("the call returns").expect("no options are good options");
        Unguarded { store, exports }
    }

    /// In calls of as many records as the host gives at a time, so that the guards alone make the difference.
    pub(crate) fn transform(&mut self, bodies: &[&[u8]]) -> Vec<Outcome> {
        const CALL: usize = 6;
        let call = |bodies: &[&[u8]]| {
            let inputs: Vec<Input<'_>> = bodies.iter().map(|body| Input { body, metadata: &[] }).collect();
            let plugin = self.exports.callspan_transform_plugin();
            plugin.call_transform(&mut self.store, &inputs).expect("the call returns")
        };
        bodies.chunks(CALL).flat_map(call).collect()
    }
}
