//! `callspan serve`, as a process that tests push records to.

use crate::child::{Child, Stream};
use crate::command::{Finished, run_to_end};
use crate::http::{Reply, Request};
use crate::peers::Endpoint;
use crate::wait::wait_until;
use crate::{Protocol, binary};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use serde_json::Value;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// A running service. Killed when it goes out of scope.
pub struct Service {
    child: Child,
    address: String,
    admin: String,
    /// Of its configuration file and what it remembers, unless that is elsewhere.
    _folder: TempDir,
}

/// What it is started with.
pub struct Builder {
    arguments: Vec<String>,
    variables: Vec<(String, String)>,
    /// None when the variables say it.
    endpoint: Option<Endpoint>,
    /// The file's name, and what is in it.
    config: Option<(String, String)>,
    has_admin: bool,
    is_durable: bool,
    /// A program, with its arguments, that becomes the service.
    wrapper: Vec<String>,
}

impl Service {
    /// A service with the built-in plugin, every default, no backend, and a queue in memory.
    #[expect(clippy::new_ret_no_self, reason = "reads as the beginning of the sentence it is used in")]
    pub fn new() -> Builder {
        let endpoint = Some(Endpoint::nobody(Protocol::Grpc));
        Builder {
            arguments: Vec::new(),
            variables: Vec::new(),
            endpoint,
            config: None,
            has_admin: true,
            is_durable: false,
            wrapper: Vec::new(),
        }
    }

    /// Where it takes pushes: `127.0.0.1:PORT`. Empty when none of its sources does.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where its admin listener is: `127.0.0.1:PORT`. Empty when there is none.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Where a source of several listeners listens, by its name, in the order in which it says so.
    pub fn addresses_of(&self, source: &str) -> Vec<String> {
        let lines = self.child.lines();
        lines
            .iter()
            .filter_map(|line| Announcement::of(line))
            .filter(|it| it.source == source)
            .map(|it| it.address)
            .collect()
    }

    /// Asks the admin listener.
    pub fn ask(&self, path: &str) -> Reply {
        Request::new("GET", path).send(&self.admin)
    }

    /// The number of a metric: the sum over all series of this name that have all of these labels.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.ask("/metrics").body;
        let series = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
        let wanted = series.filter(|line| labels.iter().all(|label| line.contains(label)));
        wanted.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Waits until a metric has come to this number.
    pub fn wait_for_metric(&self, name: &str, labels: &[&str], number: f64) {
        let is_so = || (self.metric(name, labels) - number).abs() < f64::EPSILON;
        wait_until(&format!("{name} {labels:?} is {number}"), is_so);
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

    /// The lines it has written to its standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.child.lines_of(Stream::Stdout)
    }

    /// The lines it has written to its standard error so far.
    pub fn stderr(&self) -> Vec<String> {
        self.child.lines_of(Stream::Stderr)
    }

    /// Writes to its standard input.
    pub fn write(&mut self, input: impl AsRef<[u8]>) {
        self.child.stdin().write_all(input.as_ref()).expect("it reads its standard input");
    }

    /// Closes its standard input.
    pub fn close_input(&mut self) {
        self.child.close_stdin();
    }

    /// Sends it a signal, and does not wait.
    pub fn signal(&self, signal: Signal) {
        self.child.signal(signal);
    }

    /// Waits until it ends by itself, or for a signal that was sent before.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait()
    }

    /// Waits until its log holds this.
    pub fn wait_for_log(&mut self, text: &str) {
        self.child.wait_for(text, |lines| lines.iter().any(|line| line.contains(text)).then_some(()));
    }

    /// Ends it as the system does: at once, and without a word to anybody.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        assert_eq!(self.wait().code(), None, "a signal ended it");
    }

    /// Lets every write to a file fail from now on, as on a disk that is full or broken, or succeed again. It outlasts
    /// that if it was started as [`Builder::on_a_disk_that_may_fail`].
    pub fn let_write(&self, may_write: bool) {
        let id = i32::try_from(self.process_id()).ok().and_then(Pid::from_raw);
        let current = (!may_write).then_some(0);
        let limit = Rlimit { current, maximum: getrlimit(Resource::Fsize).maximum };
        prlimit(id, Resource::Fsize, limit).expect("it is our child");
    }

    /// Lets its address space grow by no more than these bytes from now on, or as it likes again.
    pub fn let_grow(&self, bytes: Option<u64>) {
        let id = i32::try_from(self.process_id()).ok().and_then(Pid::from_raw);
        let current = bytes.map(|bytes| self.address_space_kb() * 1024 + bytes);
        prlimit(id, Resource::As, Rlimit { current, maximum: None }).expect("it is our child");
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
        self.endpoint = Some(endpoint);
        self
    }

    /// These say where its spans go, and how: without one of them, the defaults do.
    #[must_use]
    pub fn environment(mut self, variables: &[(&str, &str)]) -> Self {
        self.endpoint = None;
        self.variables.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
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

    /// Configures it with this YAML, in place of `--address`. Addresses in it end in port 0.
    #[must_use]
    pub fn config(self, yaml: &str) -> Self {
        self.config_file("callspan.yaml", yaml)
    }

    /// The same with a file of this name.
    #[must_use]
    pub fn config_file(mut self, name: &str, text: &str) -> Self {
        self.config = Some((name.to_owned(), text.to_owned()));
        self
    }

    /// Leaves the admin listener to the configuration; otherwise it has one, at any free port.
    #[must_use]
    pub fn admin_as_configured(mut self) -> Self {
        self.has_admin = false;
        self
    }

    /// Leaves the durability of its queue to the configuration; otherwise nothing is stored.
    #[must_use]
    pub fn durable(mut self) -> Self {
        self.is_durable = true;
        self
    }

    /// Remembers things in this folder, for one that is started again; otherwise in one of its own, if the configuration
    /// names none.
    #[must_use]
    pub fn data_dir(self, path: &Path) -> Self {
        self.arguments(["--data-dir", &path.display().to_string()])
    }

    /// Starts it by this program with these arguments, which keeps its process: `env`, or `strace -D`.
    #[must_use]
    pub fn under(mut self, program: &[impl AsRef<str>]) -> Self {
        self.wrapper = program.iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Lets it live on when it may not write: [`Service::let_write`].
    #[must_use]
    pub fn on_a_disk_that_may_fail(self) -> Self {
        // The signal would end it before the write could fail.
        self.under(&["env", "--ignore-signal=XFSZ"])
    }

    /// Starts it and kills it after this time, ready or not.
    pub fn kill_after(self, time: Duration) {
        let (command, _folder) = self.command();
        let _child = Child::start("callspan serve", command);
        thread::sleep(time);
    }

    /// Starts it where it is not to run: its exit code, and what it says. One that runs is ended after two minutes.
    pub fn refuse(self) -> Finished {
        let (command, _folder) = self.under(&["timeout", "--kill-after=5", "120"]).command();
        run_to_end(command, Vec::new())
    }

    /// Starts it, and waits until it runs.
    pub fn start(self) -> Service {
        let (command, folder) = self.command();
        let mut child = Child::start("callspan serve", command);
        let announced = child.wait_for("word that it is ready", |lines| {
            let announced: Vec<_> = lines.iter().filter_map(|line| Announcement::of(line)).collect();
            announced.iter().any(|it| it.message == "ready").then_some(announced)
        });
        let address = |is_wanted: fn(&Announcement) -> bool| {
            announced.iter().find(|it| is_wanted(it)).map(|it| it.address.clone()).unwrap_or_default()
        };
        let admin = address(|it| it.message == "admin listening");
        let address = address(|it| it.kind == "http_server");
        Service { child, address, admin, _folder: folder }
    }

    fn command(self) -> (Command, TempDir) {
        let mut command = match self.wrapper.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(binary::callspan());
                command
            }
            None => Command::new(binary::callspan()),
        };
        command.args(["serve", "--log-format", "json"]);
        if self.has_admin {
            command.args(["--admin-address", "127.0.0.1:0"]);
        }
        if !self.is_durable {
            command.args(["--durability", "memory"]);
        }
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        if let Some((name, text)) = self.config {
            std::fs::write(folder.path().join(&name), text).expect("the folder is ours");
            command.arg("--config").arg(folder.path().join(name));
        } else {
            command.args(["--address", "127.0.0.1:0"]);
        }
        command.args(&self.arguments);
        command.env("CALLSPAN_CACHE_DIR", binary::cache_dir());
        command.env("CALLSPAN_DATA_DIR", folder.path().join("data"));
        binary::forget_variables(&mut command);
        if let Some(endpoint) = &self.endpoint {
            command.env("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint.url);
            command.env("OTEL_EXPORTER_OTLP_PROTOCOL", endpoint.protocol.as_str());
        }
        command.envs(self.variables);
        (command, folder)
    }
}

/// A line of the log that says that a part of the service is ready.
struct Announcement {
    message: String,
    address: String,
    source: String,
    /// Of the source.
    kind: String,
}

impl Announcement {
    fn of(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line).ok()?;
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        let announcement =
            Self { message: text("message"), address: text("address"), source: text("source"), kind: text("type") };
        ["listening", "admin listening", "reading", "ready"]
            .contains(&announcement.message.as_str())
            .then_some(announcement)
    }
}
