//! What it costs to send traces: encoding them, against prost on messages that are made already; and sending them to a
//! backend that answers at once, against a bare gRPC client that has such messages too, and against the exporter of
//! OpenTelemetry's SDK for Python.
//!
//! The backend is the yardstick, another process, which counts spans. Needs `cargo build --release --example yardstick`,
//! and the Python of `make setup`; `make bench` sees to both.

use crate::allocations::allocations_of;
use crate::race::{ROUNDS, median};
use crate::records::records;
use bytes::Bytes;
use callspan::export::{Answer, Endpoint, Exporter, Protocol, Scope, json, request};
use callspan::span::Trace;
use callspan::transform::{Cache, Engine, Loader, Outcome, Settings, Source};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use prost::Message as _;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const TRACES: usize = 64;
const PARTICIPANTS: usize = 3;
/// How often a contestant encodes in one round.
const ENCODINGS: usize = 40;
/// Requests that a contestant sends in one round, and how many of them are under way at one time.
const REQUESTS: usize = 400;
const CONCURRENCY: usize = 8;
const SENDING_ROUNDS: usize = 11;

pub(crate) fn measure() {
    let traces = traces();
    let spans: usize = traces.iter().map(|trace| trace.spans.len()).sum();
    println!("\nrequests of {TRACES} traces, {spans} spans");
    let runtime = Runtime::new().expect("a runtime starts");
    encoding(&traces, spans, &runtime);
    sending(&traces, spans, &runtime);
}

/// What one contestant spends on encoding. The clones that ours consumes are made before the clock starts.
fn encoding(traces: &[Trace], spans: usize, runtime: &Runtime) {
    let exporter = runtime.block_on(async { exporter("http://127.0.0.1:1") });
    let message = request(traces.to_vec(), &scope());
    let ours = |traces: Vec<Trace>| {
        let mut prepared = exporter.prepare(traces, &scope());
        drop(black_box(prepared.request()));
    };
    let prost = || drop(black_box(Bytes::from(message.encode_to_vec())));
    let per_span = 1e6 / (ENCODINGS * spans) as f64;
    let rounds: Vec<[f64; 2]> = (0..ROUNDS)
        .map(|_| {
            let stock: Vec<Vec<Trace>> = (0..ENCODINGS).map(|_| traces.to_vec()).collect();
            let our_time = timed(|| stock.into_iter().for_each(ours));
            let prost_time = timed(|| (0..ENCODINGS).for_each(|_| prost()));
            [our_time * per_span, prost_time * per_span]
        })
        .collect();
    let stock = std::cell::RefCell::new(vec![traces.to_vec()]);
    let our_allocations = allocations_of(|| stock.borrow_mut().drain(..).for_each(ours));
    println!("{:>30} {:>10} {:>8} {:>16}", "encoding", "µs a span", "ratio", "allocations");
    let line = |name, micros, ratio, allocations: u64| {
        println!("{name:>30} {micros:>10.3} {ratio:>8.2} {:>16.3}", allocations as f64 / spans as f64);
    };
    line("prost, messages made already", median(rounds.iter().map(|[_, prost]| *prost)), 1.0, allocations_of(prost));
    line(
        "callspan, from its own spans",
        median(rounds.iter().map(|[ours, _]| *ours)),
        median(rounds.iter().map(|[ours, prost]| ours / prost)),
        our_allocations,
    );
}

/// Spans a second, to the same backend over gRPC, uncompressed.
fn sending(traces: &[Trace], spans: usize, runtime: &Runtime) {
    let yardstick = Yardstick::start();
    let exporter = Arc::new(runtime.block_on(async { exporter(&yardstick.url()) }));
    let message = request(traces.to_vec(), &scope());
    let client = runtime.block_on(TraceServiceClient::connect(yardstick.url())).expect("the yardstick listens");
    let client = client.max_encoding_message_size(usize::MAX);
    let rounds: Vec<[f64; 2]> = (0..SENDING_ROUNDS)
        .map(|_| {
            let stock: Vec<Vec<Trace>> = (0..REQUESTS).map(|_| traces.to_vec()).collect();
            let ours = stock.into_iter().map(|traces| send_ours(Arc::clone(&exporter), traces)).collect();
            let our_time = timed(|| runtime.block_on(at_once(ours)));
            let bare = (0..REQUESTS).map(|_| send_bare(client.clone(), message.clone())).collect();
            let bare_time = timed(|| runtime.block_on(at_once(bare)));
            [our_time, bare_time].map(|time| (REQUESTS * spans) as f64 / time)
        })
        .collect();
    let ours = median(rounds.iter().map(|[ours, _]| *ours));
    let bare = median(rounds.iter().map(|[_, bare]| *bare));
    let ratio = median(rounds.iter().map(|[ours, bare]| ours / bare));
    println!("\n{:>30} {:>10} {:>18}", "sending", "spans/s", "callspan's ratio");
    println!("{:>30} {ours:>10.0} {:>18}", "callspan", "");
    println!("{:>30} {bare:>10.0} {ratio:>18.2}", "bare gRPC client");
    let python = python(&message, &yardstick);
    println!("{:>30} {python:>10.0} {:>18.1}", "OpenTelemetry SDK, Python", ours / python);
}

async fn send_ours(exporter: Arc<Exporter>, traces: Vec<Trace>) {
    let mut prepared = exporter.prepare(traces, &scope());
    let answer = exporter.send(&mut prepared).await;
    assert_eq!(answer, Some(Answer::Accepted), "the yardstick takes everything");
}

async fn send_bare(mut client: TraceServiceClient<tonic::transport::Channel>, message: ExportTraceServiceRequest) {
    client.export(message).await.expect("the yardstick takes everything");
}

/// Runs these, no more than so many at a time.
async fn at_once<F: Future<Output = ()> + Send + 'static>(requests: Vec<F>) {
    let room = Arc::new(Semaphore::new(CONCURRENCY));
    let mut under_way = JoinSet::new();
    for request in requests {
        let permit = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
        under_way.spawn(async move {
            request.await;
            drop(permit);
        });
    }
    while let Some(sent) = under_way.join_next().await {
        sent.expect("it does not panic");
    }
}

/// Spans a second of the same spans, sent one request after another as the SDK does.
fn python(message: &ExportTraceServiceRequest, yardstick: &Yardstick) -> f64 {
    let mut python = Command::new(root().join(".venv/bin/python"))
        .arg(root().join("tests/benches/costs/sdk.py"))
        .arg(yardstick.address())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`make setup` has made a Python with the SDK");
    let spans = json(message).expect("spans are text");
    python.stdin.take().expect("it is a pipe").write_all(spans.as_bytes()).expect("it reads");
    let mut line = String::new();
    let stdout = python.stdout.take().expect("it is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("it writes");
    assert!(python.wait().expect("it ran").success(), "the SDK's exporter failed");
    line.trim().parse().expect("a number")
}

fn traces() -> Vec<Trace> {
    let loader = Loader::new(Engine::new().expect("an engine starts"), Cache::none());
    let plugin = loader.load(&Source::Builtin, Settings::default()).expect("the built-in plugin loads");
    let outcomes = plugin.transform(&records(TRACES, PARTICIPANTS));
    let traces = outcomes.into_iter().map(|outcome| match outcome {
        Outcome::Trace(trace) => trace,
        other => unreachable!("these records are whole: {other:?}"),
    });
    traces.collect()
}

fn exporter(url: &str) -> Exporter {
    let endpoint = Endpoint::new(Protocol::Grpc, url).expect("an endpoint");
    Exporter::new(&endpoint).expect("an exporter")
}

fn scope() -> Scope {
    Scope { name: "callspan/benchmark".to_owned(), version: "1".to_owned(), schema_url: None }
}

fn timed(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Yardstick {
    process: Child,
    port: u16,
}

impl Yardstick {
    /// It lies where cargo puts examples, beside the folder of this benchmark.
    fn start() -> Self {
        let own = std::env::current_exe().expect("a program knows where it is");
        let profile = own.ancestors().nth(2).expect("it is in a profile's folder");
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let process = Command::new(profile.join("examples/yardstick"))
            .arg(format!("127.0.0.1:{port}"))
            .spawn()
            .expect("`cargo build --release --example yardstick` has made it");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            thread::sleep(Duration::from_millis(10));
        }
        Self { process, port }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn url(&self) -> String {
        format!("http://{}", self.address())
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        let _ended = self.process.kill().and_then(|()| self.process.wait());
    }
}
