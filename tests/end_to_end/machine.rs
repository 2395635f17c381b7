//! A machine that is small, or stands still for a while, is no fault of any record.

use callspan_tests::{Callspan, Decoder, Protocol, Service, guests, records};
use std::process::Command;
use std::thread;
use std::time::Duration;

/// The pool of instances lays out hundreds of gigabytes of address space; where a process may not have them, instances
/// are made on demand, and nobody notices but in the log.
#[test]
fn without_address_space_for_a_pool_instances_are_made_on_demand() {
    const ADDRESS_SPACE: u64 = 2 << 30;
    let small = || Callspan::transform().within_address_space(ADDRESS_SPACE).input(records::TRANSFERRED);
    let usual = Callspan::transform().input(records::TRANSFERRED).run();
    let finished = small().run();
    assert_eq!((finished.code, &finished.stdout), (Some(0), &usual.stdout), "{}", finished.stderr);
    assert!(small().variable("CALLSPAN_LOG", "warn").run().stderr.contains("on demand"));
}

/// A guest computes well within its deadline while the process stands still for longer than that: the deadline counts
/// computing, so the record is mapped.
#[test]
fn a_pause_of_the_machine_is_not_held_against_a_record() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().plugin(guests::OBEDIENT).export_to(backend.endpoint(Protocol::Grpc)).start();
    let (address, process_id) = (service.address().to_owned(), service.process_id());
    let push = thread::spawn(move || callspan_tests::Request::push(records::command("paused", "spin")).send(&address));
    let signal = |name: &str| {
        let status = Command::new("kill").args([name, &process_id.to_string()]).status().expect("kill is there");
        assert!(status.success());
    };
    // Stopped three times for longer than the deadline, wherever the guest is then.
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(40));
        signal("-STOP");
        thread::sleep(Duration::from_millis(800));
        signal("-CONT");
    }
    let reply = push.join().expect("the push is answered");
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(backend.take_export().spans.len(), 2);
}
