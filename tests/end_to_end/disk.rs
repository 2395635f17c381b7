//! A disk that is full, or fails, costs nothing that was acknowledged: senders are told to come again until it works, and
//! nobody has to start the service again.

use callspan_tests::{
    Builder, Cue, Decoder, Load, Protocol, Reply, Request, Service, assert_kept, records, wait_until,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

const SENDERS: usize = 3;

/// No write succeeds any more while senders push: they are told to come again, and health says why. When writes succeed
/// again, so do pushes, and everything that was acknowledged is delivered, now and by the next process.
#[test]
fn a_disk_that_takes_nothing_for_a_while_costs_nothing() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut service = durable(&backend, folder.path()).on_a_disk_that_may_fail().start();
    let mut acknowledged = BTreeSet::new();
    for turn in 0..3 {
        let load = Load::start(service.address(), SENDERS, &format!("turn {turn}"));
        wait_until("pushes that are taken", || load.acknowledged() >= 30);
        service.let_write(false);
        wait_until("a push that is not taken", || is_refused(&push(&service, "refused")));
        let readiness = service.ask("/readyz/queue/queue");
        assert_eq!((readiness.status, reason(&readiness).as_deref()), (503, Some("the queue's disk does not work")));
        let before = load.acknowledged();
        thread::sleep(Duration::from_millis(300));
        // Each sender may have had its answer on the way.
        let more = load.acknowledged() - before;
        assert!(more <= SENDERS, "nothing is acknowledged that cannot be written: {more}");
        service.let_write(true);
        wait_until("further pushes", || load.acknowledged() >= before + 30);
        assert_eq!(service.ask("/readyz/queue/queue").status, 200);
        acknowledged.extend(load.end());
    }
    let last = push(&service, "refused");
    assert_eq!(last.status, 200, "{}", last.body);
    service.wait_until_drained();
    assert_arrived(&backend, &acknowledged);
    assert_eq!(service.terminate().code(), Some(0));
    assert!(!service.log().contains("records_lost"), "{}", service.log());

    let service = durable(&backend, folder.path()).start();
    service.wait_until_drained();
    assert_eq!(push(&service, "afterwards").status, 200);
    service.wait_until_drained();
    assert_arrived(&backend, &acknowledged);
}

/// What becomes of records while nothing can be written is kept in memory, and written as soon as it can be: no record is
/// neither waiting nor delivered nor a dead letter.
#[test]
fn what_is_settled_while_nothing_can_be_written_is_not_forgotten() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    backend.answer(Cue::Held);
    let mut service = durable(&backend, folder.path()).on_a_disk_that_may_fail().start();
    assert_eq!(push(&service, "taken").status, 200);
    assert_eq!(backend.take_export().spans.len(), 1);
    service.let_write(false);
    wait_until("a push that is not taken", || is_refused(&push(&service, "not taken")));
    // By now the store was closed, to be opened again.
    service.wait_for_log("could not be opened again");
    backend.answer(Cue::Accept);
    thread::sleep(Duration::from_millis(300));
    service.let_write(true);
    service.wait_until_drained();
    assert_eq!(service.metric("callspan_consumer_settled_events_total", &["outcome=\"delivered\""]), 1.0);
    assert_eq!(service.terminate().code(), Some(0));
    let service = durable(&backend, folder.path()).start();
    service.wait_until_drained();
    assert_eq!(backend.taken_sessions(), ["taken"], "it is known that it was delivered");
}

/// The same with a record that the backend refuses for good in this time: it is a dead letter afterwards.
#[test]
fn what_dies_while_nothing_can_be_written_becomes_a_dead_letter() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    backend.answer(Cue::Unavailable);
    let mut service = durable(&backend, folder.path()).on_a_disk_that_may_fail().start();
    assert_eq!(push(&service, "dead").status, 200);
    assert_eq!(backend.take_export().spans.len(), 1);
    service.let_write(false);
    wait_until("a push that is not taken", || is_refused(&push(&service, "not taken")));
    service.wait_for_log("could not be opened again");
    backend.answer(Cue::Refused);
    wait_until("a refusal", || backend.exports().iter().any(|export| export.answer == "refused"));
    thread::sleep(Duration::from_millis(300));
    service.let_write(true);
    service.wait_for_metric("callspan_dead_letters", &[], 1.0);
    service.wait_for_metric("callspan_consumer_settled_events_total", &["outcome=\"dead_lettered\""], 1.0);
    service.wait_until_drained();
    service.kill();
    let service = durable(&backend, folder.path()).start();
    service.wait_for_metric("callspan_dead_letters", &[], 1.0);
}

/// A small disk is filled by somebody else while senders push, to the last byte or up to what is to be left free. When that
/// is gone again, so is the trouble.
#[test]
fn a_disk_that_somebody_else_fills_costs_nothing() {
    let Some(backend) = Decoder::start() else { return };
    for min_free_space in [0, 16 * MIB] {
        let Some(disk) = SmallDisk::mount() else { return };
        let config = format!(
            "queue: {{ min_free_space: {min_free_space} }}
sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ backend: {{ type: opentelemetry }} }}
"
        );
        let service = || durable(&backend, &disk.path().join("data")).config(&config).start();
        let mut running = service();
        let load = Load::start(running.address(), 3, &format!("leaving {min_free_space}"));
        wait_until("pushes that are taken", || load.acknowledged() >= 30);
        disk.fill();
        wait_until("a push that is not taken", || is_refused(&push(&running, "refused")));
        assert_eq!(running.ask("/readyz/queue/queue").status, 503);
        let before = load.acknowledged();
        disk.empty();
        wait_until("further pushes", || load.acknowledged() >= before + 30);
        assert_eq!(running.ask("/readyz/queue/queue").status, 200);
        let acknowledged = load.end();
        running.wait_until_drained();
        assert_arrived(&backend, &acknowledged);
        assert_eq!(running.terminate().code(), Some(0));
        let again = service();
        again.wait_until_drained();
        assert!(!again.log().contains("records_lost"), "{}", again.log());
    }
}

/// A disk with less room than is to be left free takes nothing from the start, and says so.
#[test]
fn a_disk_with_too_little_room_takes_nothing() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let config = "queue: { min_free_space: 1125899906842624 }
sources: { tccc: { type: http_server, address: '127.0.0.1:0' } }
sinks: { backend: { type: opentelemetry } }
";
    let mut service = durable(&backend, folder.path()).config(config).start();
    let reply = push(&service, "too much");
    assert!(is_refused(&reply), "{} {}", reply.status, reply.body);
    let readiness = service.ask("/readyz/queue/queue");
    assert_eq!((readiness.status, reason(&readiness).as_deref()), (503, Some("the disk has too little room left")));
    assert_eq!(service.ask("/readyz").status, 503);
    service.wait_for_log(r#""code":"disk_full""#);
}

const MIB: usize = 1024 * 1024;

/// A disk of its own, in memory. Given back when it goes out of scope.
struct SmallDisk(TempDir);

impl SmallDisk {
    /// None where this user may not mount one: then the test is skipped, also where nothing else may be.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=192m", "none"]).arg(folder.path()).output();
        if mounted.is_ok_and(|mounted| mounted.status.success()) {
            return Some(Self(folder));
        }
        // Past the test runner's capture, which would swallow it.
        let _told = writeln!(io::stderr(), "SKIPPED a test that fills a small disk: only root may mount one");
        None
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn fill(&self) {
        let mut filler = File::create(self.path().join("filler")).expect("the disk is ours");
        while filler.write_all(&[1; 4096]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.path().join("filler")).expect("it was filled");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn durable(backend: &Decoder, folder: &Path) -> Builder {
    Service::new().export_to(backend.endpoint(Protocol::Grpc)).durable().data_dir(folder)
}

fn push(service: &Service, session: &str) -> Reply {
    Request::push(records::call(session)).header("X-TCCC-PUSH-UUID", session).send(service.address())
}

/// The sender is to come again, and is told when.
fn is_refused(reply: &Reply) -> bool {
    let is_told_when = reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok());
    reply.status == 503 && reply.code() == 503 && is_told_when
}

fn reason(readiness: &Reply) -> Option<String> {
    Some(readiness.json()["parts"][0]["reason"].as_str()?.to_owned())
}

#[track_caller]
fn assert_arrived(backend: &Decoder, acknowledged: &BTreeSet<String>) {
    let mut delivered = BTreeMap::<String, Vec<_>>::new();
    for span in backend.exports().into_iter().flat_map(|export| export.spans) {
        let session = span.attribute("tccc.session.id").as_str().unwrap_or_default().to_owned();
        delivered.entry(session).or_default().push(span);
    }
    assert_kept(acknowledged, &delivered);
}
