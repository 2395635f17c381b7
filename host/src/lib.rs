//! callspan
pub mod queue;
pub mod span;
pub mod transform;
