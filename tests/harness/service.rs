//! `callspan serve`, as a process that tests push records to.

use crate::child::Child;
use crate::http::{Reply, Request};
use crate::peers::Endpoint;
use crate::{Protocol, binary};
use serde_json::Value;
use std::process::{Command, ExitStatus};

/// A running service. Killed when it goes out of scope.
pub struct Service {
    child: Child,
    address: String,
}

/// What it is started with.
pub struct Builder {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    endpoint: Endpoint,
}

impl Service {
    /// A service with the built-in plugin, every default, and no backend.
    #[expect(clippy::new_ret_no_self, reason = "reads as the beginning of the sentence it is used in")]
    pub fn new() -> Builder {
        Builder { arguments: Vec::new(), variables: Vec::new(), endpoint: Endpoint::nobody(Protocol::Grpc) }
    }

    /// Where it listens: `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Pushes a record as the vendor does.
    pub fn push(&self, record: impl Into<Vec<u8>>) -> Reply {
        self.send(&Request::push(record))
    }

    /// Sends any request.
    pub fn send(&self, request: &Request) -> Reply {
        request.send(&self.address)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.child.lines().join("\n")
    }

    /// Waits until its log holds this.
    pub fn wait_for_log(&mut self, text: &str) {
        self.child.wait_for(text, |lines| lines.iter().any(|line| line.contains(text)).then_some(()));
    }

    /// The id of its process.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a service manager does.
    pub fn terminate(&mut self) -> ExitStatus {
        self.child.terminate()
    }
}

impl Builder {
    /// Where its spans go.
    #[must_use]
    pub fn export_to(mut self, endpoint: Endpoint) -> Self {
        self.endpoint = endpoint;
        self
    }

    /// Maps with the component in this file.
    #[must_use]
    pub fn plugin(self, path: &str) -> Self {
        self.arguments(["--plugin", path])
    }

    /// Adds to its command line.
    #[must_use]
    pub fn arguments<const N: usize>(mut self, arguments: [&str; N]) -> Self {
        self.arguments.extend(arguments.map(str::to_owned));
        self
    }

    /// Adds to its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Starts it, and waits until it listens.
    pub fn start(self) -> Service {
        let mut command = Command::new(binary::callspan());
        command.args(["serve", "--address", "127.0.0.1:0", "--log-format", "json"]).args(&self.arguments);
        command.env("CALLSPAN_CACHE_DIR", binary::cache_dir());
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &self.endpoint.url);
        command.env("OTEL_EXPORTER_OTLP_PROTOCOL", self.endpoint.protocol.as_str());
        command.envs(self.variables);
        let mut child = Child::start("callspan serve", command);
        let address = child.wait_for("address to push to", |lines| lines.iter().find_map(|line| listening(line)));
        Service { child, address }
    }
}

/// The address in the line that says the service listens.
fn listening(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields").unwrap_or(&line);
    let is_listening = fields["message"] == "listening";
    is_listening.then(|| fields["address"].as_str().map(str::to_owned))?
}
