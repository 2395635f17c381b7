//! The types of the contract, generated from `wit/`, and the exports that make this crate a component. The only file
//! with unsafe code, all of it generated.
#![cfg_attr(target_family = "wasm", expect(unsafe_code, reason = "the exports lower and lift values through memory"))]

wit_bindgen::generate!({
    path: "../wit",
    world: "transform",
    additional_derives: [PartialEq],
});

pub use exports::callspan::transform::plugin::*;

#[cfg(target_family = "wasm")]
mod component {
    use super::{Description, Diagnostic, Guest, Input, Outcome};
    use crate::{Mapping, description::description, options::Options};
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

    super::export!(Component with_types_in super);
}
