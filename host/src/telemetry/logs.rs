//! Log lines on the standard error. `CALLSPAN_LOG` says which, in the words of
//! `tracing-subscriber`'s `EnvFilter`.

use clap::ValueEnum;
use std::io;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object on each line.
    Json,
}

/// Starts logging, with everything from `info` on.
pub fn init_logs(format: LogFormat) {
    init_logs_above(format, "info");
}

/// Starts logging, with everything from this level on unless `CALLSPAN_LOG` says otherwise.
pub fn init_logs_above(format: LogFormat, level: &str) {
    let wanted = std::env::var("CALLSPAN_LOG").ok().filter(|wanted| !wanted.trim().is_empty());
    let parsed = wanted.as_ref().map(EnvFilter::try_new);
    let is_wrong = matches!(parsed, Some(Err(_)));
    let filter = parsed.and_then(Result::ok).unwrap_or_else(|| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second call finds the first one's logger in place, which is as good.
    let _started = match format {
        LogFormat::Text => builder.with_ansi(io::IsTerminal::is_terminal(&io::stderr())).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    if is_wrong {
        tracing::warn!(used = level, "CALLSPAN_LOG is not a filter; expected a level such as debug, or target=level");
    }
}
