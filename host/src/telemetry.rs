//! What callspan says of itself: `logs` on the standard error, `metrics` and `health` for whoever asks.

mod health;
mod log_lines;
mod logs;
pub mod metric;
mod metrics;

pub use health::{Health, Reporter, State};
pub(crate) use log_lines::LogLines;
pub use logs::{LogFormat, init_logs, init_logs_above};
pub use metrics::{Component, Counter, Gauge, Metric, Metrics, Seconds};
