//! Where real peers are installed, what a test does without them, and how callspan is told of them.

use std::env;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};

/// How spans travel, by the names of `OTEL_EXPORTER_OTLP_PROTOCOL`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP with protobuf bodies.
    Http,
    /// OTLP/HTTP with JSON bodies.
    HttpJson,
}

/// A backend, as the standard variables describe one.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// `http://127.0.0.1:4317`
    pub url: String,
    /// What it speaks.
    pub protocol: Protocol,
}

impl Endpoint {
    /// What speaks `protocol` on this port of this machine.
    pub fn local(protocol: Protocol, port: u16) -> Self {
        Self { url: format!("http://127.0.0.1:{port}"), protocol }
    }

    /// What speaks `protocol` at `host:port`.
    pub fn at(protocol: Protocol, address: &str) -> Self {
        Self { url: format!("http://{address}"), protocol }
    }

    /// Its address without the scheme: `127.0.0.1:4317`.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// A port on which nobody listens.
    pub fn nobody(protocol: Protocol) -> Self {
        Self::local(protocol, free_port())
    }
}

impl Protocol {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Grpc, Self::Http, Self::HttpJson];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
            Self::HttpJson => "http/json",
        }
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.as_str() == name)
    }
}

/// A program of this machine: its path. None skips the test, as with the peers.
pub fn program(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
    installed(name, found.unwrap_or_else(|| Path::new("/usr/bin").join(name)))
}

/// The python of `.venv`, which holds the peers. None skips the test, loudly; where nothing may be skipped, it fails.
pub(crate) fn python() -> Option<PathBuf> {
    installed("python", Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/bin/python"))
}

/// A program that comes in a package for that python.
pub(crate) fn packaged(program: &str) -> Option<PathBuf> {
    let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.venv/lib");
    let pythons = std::fs::read_dir(&lib).into_iter().flatten().flatten();
    let found = pythons.map(|python| python.path().join("site-packages").join(program)).find(|path| path.is_file());
    installed(program, found.unwrap_or_else(|| lib.join(program)))
}

fn installed(what: &str, path: PathBuf) -> Option<PathBuf> {
    if path.is_file() {
        return Some(path);
    }
    skip(&format!("{what} is not installed (no {}), `make setup` or apt-get installs it", path.display()));
    None
}

/// Says that a test is skipped, and why; where nothing may be skipped, it fails.
pub(crate) fn skip(why: &str) {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    assert!(env::var_os("CALLSPAN_CI").is_none(), "{why}");
    // Past the test runner's capture, which would swallow it.
    let _told = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}

/// A port that was free a moment ago, for peers that cannot say which one they got.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("this machine has a free port");
    listener.local_addr().expect("a listener has an address").port()
}
