//! The types of the contract, generated from `wit/`, and the exports that make this crate a component.
#![cfg_attr(target_family = "wasm", expect(unsafe_code, reason = "the exports lower and lift values through memory"))]

wit_bindgen::generate!({
    path: "../wit",
    world: "transform",
    additional_derives: [PartialEq],
});

pub use exports::callspan::transform::plugin::*;

#[cfg(target_family = "wasm")]
mod component {
    use super::exports::callspan::transform::plugin as exports;
    use super::{Description, Diagnostic, Guest, Input, Outcome};
    use crate::{Mapping, allocator, description::description, options::Options};
    use std::cell::RefCell;

    struct Component;

    thread_local! {
        /// What `configure` left for `transform`.
        static MAPPING: RefCell<Mapping> = RefCell::new(Mapping::default());
    }

    impl Guest for Component {
        fn describe() -> Description {
            description()
        }

        fn configure(options: String) -> Result<(), Vec<Diagnostic>> {
            let options = Options::parse(&options)?;
            MAPPING.with(|mapping| mapping.replace(Mapping::new(options)));
            Ok(())
        }

        fn transform(batch: Vec<Input>) -> Vec<Outcome> {
            MAPPING.with(|mapping| {
                let mapping = mapping.borrow();
                batch.iter().map(|input| mapping.map(&input.body)).collect()
            })
        }
    }

    // What the generated macro would export, but for one thing: when a call's outcomes have been read, their memory is
    // taken back, so that the next call finds it in the processor's cache.

    #[unsafe(export_name = "callspan:transform/plugin@0.1.0#describe")]
    unsafe extern "C" fn describe() -> *mut u8 {
        unsafe { exports::_export_describe_cabi::<Component>() }
    }

    #[unsafe(export_name = "callspan:transform/plugin@0.1.0#configure")]
    unsafe extern "C" fn configure(options: *mut u8, length: usize) -> *mut u8 {
        unsafe { exports::_export_configure_cabi::<Component>(options, length) }
    }

    #[unsafe(export_name = "cabi_post_callspan:transform/plugin@0.1.0#configure")]
    unsafe extern "C" fn configured(_result: *mut u8) {
        allocator::keep();
    }

    #[unsafe(export_name = "callspan:transform/plugin@0.1.0#transform")]
    unsafe extern "C" fn transform(batch: *mut u8, length: usize) -> *mut u8 {
        unsafe { exports::_export_transform_cabi::<Component>(batch, length) }
    }

    #[unsafe(export_name = "cabi_post_callspan:transform/plugin@0.1.0#transform")]
    unsafe extern "C" fn transformed(_outcomes: *mut u8) {
        // SAFETY: the outcomes have been read, and a mapping keeps nothing of them.
        unsafe { allocator::take_back() };
    }
}
