//! The components that tests load, as paths; `build.rs` makes them of what is in `guests/`.

/// Does what each record tells it to: `{"id": "7", "do": "loop"}`. Its commands are in
/// `guests/obedient/src/command.rs`.
pub const OBEDIENT: &str = env!("CALLSPAN_GUEST_OBEDIENT");

/// Maps Amazon Connect contact records.
pub const CONNECT_SKETCH: &str = env!("CALLSPAN_GUEST_CONNECT_SKETCH");

/// Imports a part of WASI.
pub const ASKS_FOR_A_CLOCK: &str = env!("CALLSPAN_GUEST_ASKS_FOR_A_CLOCK");

/// Exports the contract in a version of the future.
pub const ANOTHER_VERSION: &str = env!("CALLSPAN_GUEST_ANOTHER_VERSION");

/// Exports the contract's name, and nothing under it.
pub const EXPORTS_AN_EMPTY_PLUGIN: &str = env!("CALLSPAN_GUEST_EXPORTS_AN_EMPTY_PLUGIN");

/// A core module, not a component.
pub const CORE_MODULE: &str = env!("CALLSPAN_GUEST_CORE_MODULE");
