//! Who sends call records as OTLP logs: an application with OpenTelemetry's SDK (`logger.py`), and a client on the
//! generated messages, which shows the answer (`sender.py`).

use crate::binary;
use crate::command::{Finished, run_to_end};
use crate::peers::{self, Endpoint};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// An application that logs with the SDK.
pub struct Application {
    command: Command,
}

/// How an application hands a record to the SDK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// As a line to Python's own logging, behind which the SDK has its handler.
    Handler,
    /// As text to the SDK's logger.
    Logger,
    /// As a map to the SDK's logger.
    Map,
}

/// How a request was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct LogsAnswer {
    /// The name of the gRPC code, or the number of HTTP.
    pub status: String,
    /// Log records that were refused, by `partial_success`.
    pub rejected: u64,
    /// The message of `partial_success`, or of the error.
    pub message: String,
    /// When to come again, in seconds.
    pub retry_after: Option<f64>,
}

impl Application {
    /// One that exports to this endpoint, in one batch, and then ends. None when the SDK is not installed.
    pub fn new(endpoint: &Endpoint) -> Option<Self> {
        let mut command = script("logger.py")?;
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint.url);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", endpoint.protocol.as_str());
        Some(Self { command })
    }

    /// Trusts the CA whose certificate is in this file.
    #[must_use]
    pub fn trusting(mut self, ca_file: &Path) -> Self {
        self.command.env("OTEL_EXPORTER_OTLP_CERTIFICATE", ca_file);
        // What the machine says to the SDK's library of HTTP would win.
        self.command.env_remove("REQUESTS_CA_BUNDLE").env_remove("CURL_CA_BUNDLE");
        self
    }

    /// Compresses what it exports.
    #[must_use]
    pub fn gzip(mut self) -> Self {
        self.command.env("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        self
    }

    /// Logs these records, each on one line. The code is 0 if it was told that all is well.
    pub fn log(mut self, logging: Logging, records: &[String]) -> Finished {
        let way = match logging {
            Logging::Handler => "logging",
            Logging::Logger => "logger",
            Logging::Map => "map",
        };
        self.command.args(["--with", way]);
        run_to_end(self.command, records.join("\n").into_bytes())
    }
}

/// Sends one request, whose log records have these bodies. None when the messages are not installed.
pub fn send_logs(endpoint: &Endpoint, bodies: &[&str]) -> Option<LogsAnswer> {
    let mut command = script("sender.py")?;
    command.args([endpoint.protocol.as_str(), &endpoint.url]);
    let finished = run_to_end(command, serde_json::to_vec(bodies).expect("texts are JSON"));
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let answer: Value = serde_json::from_str(&finished.stdout).expect("sender.py writes JSON");
    let text = |field: &str| answer[field].as_str().expect("it says so").to_owned();
    Some(LogsAnswer {
        status: text("status"),
        rejected: answer["rejected"].as_u64().expect("it counts"),
        message: text("message"),
        retry_after: answer["retry_after"].as_f64(),
    })
}

fn script(name: &str) -> Option<Command> {
    let mut command = Command::new(peers::python()?);
    binary::forget_variables(&mut command);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness").join(name));
    Some(command)
}
