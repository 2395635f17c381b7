//! What callspan says of itself: `logs` on the standard error, `metrics` for whoever asks.

mod logs;
mod metrics;

pub use logs::{LogFormat, init_logs, init_logs_above};
pub use metrics::{Component, Counter, Gauge, Metric, Metrics, Seconds};
