//! The independent decoder: `decoder.py`, a receiver on OpenTelemetry's own generated messages, which fails on cue.

use crate::child::Child;
use crate::peers::{self, Endpoint, Protocol};
use crate::span::{Attributes, Span};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// A running receiver. Killed when it goes out of scope.
pub struct Decoder {
    child: RefCell<Child>,
    ports: [u16; 2],
    scheme: &'static str,
    /// How many exports were taken.
    taken: Cell<usize>,
    /// How many cues were given.
    cued: Cell<usize>,
}

/// One export request, decoded.
#[derive(Clone, Debug)]
pub struct Export {
    /// What it came in.
    pub protocol: Protocol,
    /// Where it was sent to: the path of HTTP, also that of gRPC.
    pub path: String,
    /// `gzip`, `zstd`, or nothing.
    pub encoding: String,
    /// Its headers or metadata, names in lower case.
    pub headers: Attributes,
    /// How it was answered.
    pub answer: String,
    /// What it held.
    pub spans: Vec<Span>,
    /// The same in the canonical bytes of protocol buffers, as text, where that was asked for: each span with the resource
    /// and the scope that it belongs to.
    pub canonical: Vec<String>,
}

/// How export requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cue {
    /// Taken.
    Accept,
    /// Taken, but for so many spans.
    Partial(u32),
    /// 503, or UNAVAILABLE.
    Unavailable,
    /// 429, or RESOURCE_EXHAUSTED, with so many seconds to wait.
    Throttled(u32),
    /// 400, or INVALID_ARGUMENT.
    Refused,
    /// 401, or UNAUTHENTICATED.
    Unauthorized,
    /// 413, or RESOURCE_EXHAUSTED without a time to wait.
    TooLarge,
    /// Refused if a span is of this session, else taken.
    Guilty(&'static str),
    /// 503 with a body of 500 MB; over gRPC, a message of 100 MB.
    Huge,
    /// No answer for so many seconds.
    Silent(u32),
    /// No answer until another one is given for every request; then taken. The receiver holds eight requests at a time.
    Held,
}

impl Decoder {
    /// Starts it on two free ports. None when it is not installed.
    pub fn start() -> Option<Self> {
        Self::start_on([0, 0])
    }

    /// Starts it on the ports of one that was there before: a backend that comes back.
    pub fn start_on(ports: [u16; 2]) -> Option<Self> {
        Self::start_with(ports, "http", &[])
    }

    /// Starts it so that it tells the canonical bytes of spans too, which are many.
    pub fn start_canonical() -> Option<Self> {
        Self::start_with([0, 0], "http", &["--canonical".to_owned()])
    }

    /// Starts it with TLS: this folder holds `server.crt` and `server.key`, which may be replaced, and with `clients.crt`,
    /// clients have to show a certificate that this CA has issued.
    pub fn start_with_tls(folder: &Path) -> Option<Self> {
        let path = |name: &str| folder.join(name).display().to_string();
        let mut arguments =
            vec!["--certificate".to_owned(), path("server.crt"), "--key".to_owned(), path("server.key")];
        if folder.join("clients.crt").exists() {
            arguments.extend(["--client-ca".to_owned(), path("clients.crt")]);
        }
        Self::start_with([0, 0], "https", &arguments)
    }

    fn start_with(ports: [u16; 2], scheme: &'static str, arguments: &[String]) -> Option<Self> {
        let mut command = Command::new(peers::python()?);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("harness/decoder.py"));
        command.args(["--grpc-port", &ports[0].to_string(), "--http-port", &ports[1].to_string()]).args(arguments);
        let mut child = Child::start("decoder.py", command);
        let ports = child.wait_for("ports", |lines| {
            let first = parse(lines.first()?)?;
            Some([port(&first["grpc"])?, port(&first["http"])?])
        });
        Some(Self { child: RefCell::new(child), ports, scheme, taken: Cell::new(0), cued: Cell::new(0) })
    }

    /// Its gRPC port and its HTTP port.
    pub fn ports(&self) -> [u16; 2] {
        self.ports
    }

    /// Where it listens.
    pub fn endpoint(&self, protocol: Protocol) -> Endpoint {
        let [grpc, http] = self.ports;
        let endpoint = Endpoint::local(protocol, if protocol == Protocol::Grpc { grpc } else { http });
        Endpoint { url: endpoint.url.replacen("http", self.scheme, 1), ..endpoint }
    }

    /// Answers the next `times` requests so, and from then on as before.
    pub fn answer_next(&self, times: u32, cue: Cue) {
        self.cue(times, cue);
    }

    /// Answers every request so from now on.
    pub fn answer(&self, cue: Cue) {
        self.cue(0, cue);
    }

    fn cue(&self, times: u32, cue: Cue) {
        self.command(&cue.command(times));
    }

    /// Sends a command and waits for its confirmation: whatever the decoder said before has then been read too.
    fn command(&self, command: &Value) {
        let mut child = self.child.borrow_mut();
        writeln!(child.stdin(), "{command}").expect("the decoder listens to its cues");
        self.cued.set(self.cued.get() + 1);
        let cued = self.cued.get();
        child.wait_for("confirmation", |lines| {
            let confirmed = lines.iter().filter_map(parse).filter(|line| line.get("cued").is_some());
            (confirmed.count() >= cued).then_some(())
        });
    }

    /// The next request, waited for if need be. Each is handed out once.
    pub fn take_export(&self) -> Export {
        let taken = self.taken.get();
        self.taken.set(taken + 1);
        self.child.borrow_mut().wait_for("export request", |lines| exports(lines).nth(taken))
    }

    /// Waits until `find` finds what it looks for in all requests so far, handed out or not.
    pub fn wait_for<T>(&self, what: &str, find: impl Fn(&[Export]) -> Option<T>) -> T {
        self.child.borrow_mut().wait_for(what, |lines| find(&exports(lines).collect::<Vec<_>>()))
    }

    /// Waits until it has misbehaved so many times: those answers tell nothing of their requests.
    pub fn wait_for_misbehaviour(&self, times: usize) {
        self.child.borrow_mut().wait_for("misbehaviour", |lines| {
            let misbehaved = lines.iter().filter_map(parse).filter(|line| line.get("misbehaved").is_some());
            (misbehaved.count() >= times).then_some(())
        });
    }

    /// Lets it run, or stops it where it is: the kernel then takes what is sent to it, and nobody answers.
    pub fn let_run(&self, may_run: bool) {
        self.child.borrow().signal(if may_run { Signal::CONT } else { Signal::STOP });
    }

    /// The session of every span of every request that it took, in the order in which they came.
    pub fn taken_sessions(&self) -> Vec<String> {
        let taken = self.exports().into_iter().filter(|export| ["accept", "held"].contains(&export.answer.as_str()));
        let spans = taken.flat_map(|export| export.spans);
        spans.filter_map(|span| span.attribute("tccc.session.id").as_str().map(str::to_owned)).collect()
    }

    /// Every request so far, handed out or not.
    pub fn exports(&self) -> Vec<Export> {
        self.command(&json!({"answer": "as before"}));
        exports(&self.child.borrow().lines()).collect()
    }
}

impl Cue {
    fn command(self, times: u32) -> Value {
        match self {
            Self::Accept => json!({"answer": "accept", "times": times}),
            Self::Partial(rejected) => json!({"answer": "partial", "times": times, "rejected": rejected}),
            Self::Unavailable => json!({"answer": "unavailable", "times": times}),
            Self::Throttled(seconds) => json!({"answer": "throttled", "times": times, "retry_after": seconds}),
            Self::Refused => json!({"answer": "refused", "times": times}),
            Self::Unauthorized => json!({"answer": "unauthorized", "times": times}),
            Self::Guilty(session) => json!({"answer": "guilty", "times": times, "session": session}),
            Self::Huge => json!({"answer": "huge", "times": times}),
            Self::TooLarge => json!({"answer": "too_large", "times": times}),
            Self::Silent(seconds) => json!({"answer": "silent", "times": times, "seconds": seconds}),
            Self::Held => json!({"answer": "held", "times": times}),
        }
    }
}

fn exports(lines: &[String]) -> impl Iterator<Item = Export> {
    lines.iter().filter_map(parse).filter_map(|line| {
        let spans = line["spans"].as_array()?;
        let canonical = spans.iter().map(|span| span["canonical"].to_string()).collect();
        let spans = spans.iter().map(Span::of_decoder).collect();
        let headers = line["headers"].as_object()?.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        let text = |field: &str| Some(line[field].as_str()?.to_owned());
        let protocol = Protocol::named(line["protocol"].as_str()?)?;
        Some(Export {
            protocol,
            path: text("path")?,
            encoding: text("encoding")?,
            headers,
            answer: text("answer")?,
            spans,
            canonical,
        })
    })
}

fn parse(line: impl AsRef<str>) -> Option<Value> {
    serde_json::from_str(line.as_ref()).ok()
}

fn port(value: &Value) -> Option<u16> {
    value.as_u64().and_then(|port| u16::try_from(port).ok())
}
