//! A process that is killed, at any moment or at the worst ones, loses nothing that it has acknowledged.

use callspan_tests::{
    Cue, Decoder, Load, Outbox, Protocol, Request, Service, Strace, assert_kept, cycles, records, seed,
};
use fastrand::Rng;
use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

const SENDERS: usize = 4;

/// Senders push, and the process is killed at any moment, also while it starts and reads what the last one has left. In
/// the end every session that was acknowledged is in the sink; what is there twice is the same twice.
#[test]
fn killed_at_any_moment_it_keeps_what_it_has_acknowledged() {
    let mut chance = Rng::with_seed(seed());
    let outbox = Outbox::new();
    let mut acknowledged = BTreeSet::new();
    for cycle in 0..cycles("CALLSPAN_CRASHES", 15) {
        if chance.u8(..4) == 0 {
            outbox.service().kill_after(Duration::from_millis(chance.u64(..60)));
        }
        let service = outbox.service().start();
        let load = Load::start(service.address(), SENDERS, &format!("cycle {cycle}"));
        thread::sleep(Duration::from_millis(chance.u64(..300)));
        service.kill();
        acknowledged.extend(load.end());
    }
    let delivered = outbox.drain();
    assert!(acknowledged.len() > 100, "only {} pushes were acknowledged", acknowledged.len());
    assert_kept(&acknowledged, &delivered);
}

/// Killed in place of the fdatasync that a push waits for: its sender got no answer, and sends it again. It is delivered
/// once, whether or not the system had kept the unsynced record.
#[test]
fn killed_before_the_commit_it_has_told_nobody() {
    let outbox = Outbox::new();
    assert_eq!(push_and_end(outbox.service().start(), "before"), 200);
    let Some(strace) = Strace::of("fdatasync") else { return };
    // More than any thread makes while it starts.
    const SYNCS: usize = 8;
    let strace = strace.on(&journal(&outbox)).kill_at("fdatasync", SYNCS);
    let mut service = outbox.service().under(&strace.command()).start();
    let answered = (0..=SYNCS).take_while(|number| {
        let answer = push(&format!("push {number}")).try_send(service.address());
        // One whose delivery was not written down would be delivered again.
        answer.map(|_| service.wait_until_drained()).is_ok()
    });
    let answered = answered.count();
    assert_eq!(service.wait().code(), None, "a signal ended it");
    assert!((1..SYNCS).contains(&answered), "{answered} were answered");

    // The one that was not.
    assert_eq!(push_and_end(outbox.service().start(), &format!("push {answered}")), 200);
    let sessions = (0..=answered).map(|number| format!("push {number}"));
    assert_delivered_once(&outbox, &[vec!["before".to_owned()], sessions.collect()].concat());
}

/// Killed in place of the call that sends the answer: the record is stored and its sender does not know it. The push
/// that comes again is known and answered well, and the record is delivered once.
#[test]
fn killed_after_the_commit_and_before_the_answer_it_has_the_record() {
    let outbox = Outbox::new();
    // Nothing else is sent over a socket: the sink is a file, and nobody asks for metrics.
    let Some(strace) = Strace::of("sendto,writev") else { return };
    let strace = strace.kill_at("sendto", 1).kill_at("writev", 1);
    let mut service = outbox.service().under(&strace.command()).start();
    assert!(push("unanswered").try_send(service.address()).is_err(), "{:?}", strace.lines());
    assert_eq!(service.wait().code(), None, "a signal ended it");

    let mut service = outbox.service().start();
    assert_eq!(push("unanswered").send(service.address()).status, 200);
    service.wait_for_metric("callspan_duplicate_pushes_total", &[], 1.0);
    service.wait_until_drained();
    assert_eq!(service.terminate().code(), Some(0));
    assert_delivered_once(&outbox, &["unanswered".to_owned()]);
}

/// Killed when the backend has the trace and it is not written yet that it has: the trace is sent again, the same as
/// before. Twice is the price of never not at all.
#[test]
fn killed_between_the_delivery_and_its_note_it_delivers_the_same_again() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let service = || Service::new().export_to(backend.endpoint(Protocol::Grpc)).durable().data_dir(folder.path());
    const TIMES: usize = 5;
    let mut sent_again = 0;
    for number in 0..TIMES {
        backend.answer(Cue::Held);
        let running = service().start();
        assert_eq!(running.push(records::call(&format!("session {number}"))).status, 200);
        let held = backend.take_export();
        assert_eq!(held.spans.len(), 1);
        // It is written within 50 ms, or with the next push.
        backend.answer(Cue::Accept);
        running.kill();
        let mut again = service().start();
        again.wait_until_drained();
        assert_eq!(again.terminate().code(), Some(0));
        let exports = backend.exports();
        let sent: Vec<_> = exports.iter().filter(|export| export.spans == held.spans).collect();
        assert!((1..=2).contains(&sent.len()), "{sent:#?}");
        sent_again += sent.len() - 1;
        // Those that were sent again are not handed out by the next turn.
        (1..sent.len()).for_each(|_| drop(backend.take_export()));
    }
    let sessions: BTreeSet<String> = backend.taken_sessions().into_iter().collect();
    assert_eq!(sessions.len(), TIMES, "{sessions:?}");
    assert!(sent_again > 0, "the note was always written first, so nothing was tried");
}

fn push(session: &str) -> Request {
    Request::push(records::call(session)).header("X-TCCC-PUSH-UUID", session)
}

/// The status of the answer.
fn push_and_end(mut service: Service, session: &str) -> u16 {
    let status = push(session).send(service.address()).status;
    service.wait_until_drained();
    assert_eq!(service.terminate().code(), Some(0));
    status
}

/// The one journal there is.
fn journal(outbox: &Outbox) -> PathBuf {
    let files = fs::read_dir(outbox.data_dir().join("queue/store")).expect("it was used").flatten();
    let mut journals = files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|it| it == "jnl"));
    let journal = journals.next().expect("there is one");
    assert_eq!(journals.next(), None, "there is one");
    journal
}

#[track_caller]
fn assert_delivered_once(outbox: &Outbox, sessions: &[String]) {
    let delivered: Vec<_> = outbox.delivered().into_iter().map(|(session, spans)| (session, spans.len())).collect();
    let once: Vec<_> = sessions.iter().map(|session| (session.clone(), 1)).collect();
    assert_eq!(delivered, once);
}
