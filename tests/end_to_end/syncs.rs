//! An answer of 200 means that the record is on disk: the system calls say in which order things were done.

use callspan_tests::{Outbox, Request, Strace, records, wait_until};
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

/// The answer is sent after an fdatasync of the journal that began after the body was read, and had ended.
#[test]
fn a_push_is_answered_after_its_record_is_synced() {
    let Some(strace) = Strace::of("recvfrom,read,readv,fdatasync,sendto,writev") else { return };
    let outbox = Outbox::new();
    let service = outbox.service().under(&strace.command()).start();
    let begun = strace.lines().len();
    assert_eq!(service.push(records::call("traced")).status, 200);
    let is_answer = |line: &String| is_call(line, &["sendto", "writev"]) && line.contains("HTTP/1.1 200");
    wait_until("the answer in the trace", || strace.lines().iter().any(is_answer));

    let lines = strace.lines().split_off(begun);
    let read = position(&lines, "the push is read", |line| line.contains("POST /?action=cdr"));
    let answered = position(&lines, "it is answered", is_answer);
    let synced = lines[read..answered].iter().enumerate().find_map(|(at, line)| {
        let thread = line.split(' ').next()?;
        let is_begun = line.contains("fdatasync(") && line.contains(".jnl");
        let is_done =
            |later: &&String| later.ends_with(" = 0") && later.starts_with(thread) && later.contains("fdatasync");
        is_begun.then(|| lines[read + at..answered].iter().find(is_done)).flatten()
    });
    assert!(synced.is_some(), "no journal was synced between the push and its answer:\n{}", lines.join("\n"));
}

/// All pushes that wait share one fdatasync: on a disk that is slow, many senders at once cost no more than a few.
#[test]
fn pushes_at_one_time_share_their_syncs() {
    const PUSHES: usize = 48;
    let Some(strace) = Strace::of("fdatasync") else { return };
    let strace = strace.slow("fdatasync", Duration::from_millis(30));
    let outbox = Outbox::new();
    let mut service = outbox.service().under(&strace.command()).start();
    let journal_syncs =
        || strace.lines().iter().filter(|line| line.contains("fdatasync(") && line.contains(".jnl")).count();
    let begun = journal_syncs();
    let (address, together) = (service.address(), Barrier::new(PUSHES));
    thread::scope(|scope| {
        for number in 0..PUSHES {
            let together = &together;
            scope.spawn(move || {
                let push = Request::push(records::call(&format!("session {number}")));
                together.wait();
                assert_eq!(push.send(address).status, 200);
            });
        }
    });
    assert_eq!(service.terminate().code(), Some(0));
    let syncs = journal_syncs() - begun;
    assert!((1..PUSHES / 4).contains(&syncs), "{syncs} for {PUSHES} pushes");
    assert_eq!(outbox.delivered().len(), PUSHES);
}

fn is_call(line: &str, calls: &[&str]) -> bool {
    calls.iter().any(|call| line.contains(&format!(" {call}(")))
}

#[track_caller]
fn position(lines: &[String], what: &str, is_it: impl Fn(&String) -> bool) -> usize {
    let position = lines.iter().position(is_it);
    assert!(position.is_some(), "never: {what}:\n{}", lines.join("\n"));
    position.unwrap_or_default()
}
