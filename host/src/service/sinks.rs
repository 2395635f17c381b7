//! Where traces go, made from what is planned.

use crate::config::plan::{ConsoleCodec, ConsoleTarget, SinkKind};
use crate::export::{Exporter, Style};
use std::io::{self, IsTerminal as _, Write};

/// An exporter for a sink. To be called within a tokio runtime.
///
/// # Errors
/// When the sink's endpoint cannot be used.
pub(super) fn exporter(sink: &SinkKind) -> anyhow::Result<Exporter> {
    match sink {
        SinkKind::Opentelemetry(backend) => {
            let exporter = Exporter::new(&backend.endpoint).map_err(|error| anyhow::anyhow!("failed to {error}"))?;
            Ok(exporter.with_request_bytes_max(backend.request_bytes_max))
        }
        SinkKind::File { path } => Ok(Exporter::file(path.clone())),
        SinkKind::Console { target, codec } => {
            let (writer, is_terminal): (Box<dyn Write + Send>, bool) = match target {
                ConsoleTarget::Stdout => (Box::new(io::stdout()), io::stdout().is_terminal()),
                ConsoleTarget::Stderr => (Box::new(io::stderr()), io::stderr().is_terminal()),
            };
            Ok(match codec {
                ConsoleCodec::Waterfall => Exporter::console(writer, Style { colour: is_terminal, ..Style::default() }),
                ConsoleCodec::Json => Exporter::console_json(writer),
            })
        }
    }
}
