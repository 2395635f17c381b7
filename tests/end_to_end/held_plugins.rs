//! A plugin that fails whatever it is given condemns nobody: records wait, the reason is told, and they are mapped once
//! it works again.

use callspan_tests::{Builder, Callspan, Request, Service, Signal, guests, records, wait_until};
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

const SETTLED: &str = "callspan_consumer_settled_events_total";
const WAITING: &str = "callspan_consumer_waiting_events";
const RECEIVED: &str = "callspan_consumer_received_events_total";
const LETTERS: &str = "callspan_dead_letters";
const HELD: &str = "callspan_transform_held";

/// The obedient guest before a queue on disk, and a file as its sink.
fn durable(folder: &Path) -> Builder {
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ lines: {{ type: file, path: '{}' }} }}
",
        folder.join("lines.jsonl").display()
    );
    Service::new().config(&config).durable().data_dir(&folder.join("data")).plugin(guests::OBEDIENT)
}

/// As many records as one body, all told to do this.
fn body(name: &str, command: &str, count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|number| records::command(&format!("{name}-{number}"), command)).collect();
    lines.join("\n")
}

fn lines(folder: &Path) -> usize {
    fs::read_to_string(folder.join("lines.jsonl")).unwrap_or_default().lines().count()
}

/// Twenty-four failures in a row are the records', as far as anybody can tell. The twenty-fifth is the plugin's: from
/// then on nothing is condemned, however often it is tried again. A restart with one that works maps what waited, and a
/// replay what was condemned.
#[test]
fn a_plugin_that_fails_every_record_is_held_until_it_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut service = durable(folder.path()).arguments(["--graceful-shutdown-limit-secs", "1"]).start();
    assert_eq!(service.push(body("condemned", "trap", 24)).status, 200);
    service.wait_for_metric(LETTERS, &[], 24.0);
    assert_eq!((service.metric(HELD, &[]), service.ask("/readyz").status), (0.0, 200));

    assert_eq!(service.push(body("waiting", "trap", 16)).status, 200);
    service.wait_for_metric(HELD, &[], 1.0);
    let ready = service.ask("/readyz");
    assert_eq!(ready.status, 503);
    assert!(
        ready.body.contains("the plugin obedient 0.1.0 is held: it failed 25 of its last 30 records"),
        "{}",
        ready.body
    );
    assert!(ready.body.contains("transform/calls") && ready.body.contains("trapped"), "{}", ready.body);
    // It passes its trial, and fails what waits, again and again.
    wait_until("three holds", || service.metric("callspan_component_errors_total", &["plugin_held"]) >= 3.0);
    assert_eq!((service.metric(LETTERS, &[]), service.metric(WAITING, &[])), (24.0, 16.0));
    assert_eq!(service.metric(RECEIVED, &[]), 40.0);
    let log = service.log();
    assert_eq!(log.matches("\"code\":\"plugin_held\"").count(), 1, "it is said once: {log}");
    assert!(log.contains("\"plugin\":\"obedient 0.1.0\""), "{log}");
    assert_eq!(service.terminate().code(), Some(0), "what waits stays in the queue");

    let service = durable(folder.path()).arguments(["--options", r#"{"obey":false}"#]).start();
    service.wait_until_drained();
    assert_eq!((service.metric(SETTLED, &["delivered"]), service.metric(LETTERS, &[])), (16.0, 24.0));
    let data_dir = folder.path().join("data").display().to_string();
    let replayed = Callspan::new(["dead-letter", "replay", "--all", "--data-dir", &data_dir]).run();
    assert_eq!(replayed.code, Some(0), "{}", replayed.stderr);
    service.wait_for_metric(SETTLED, &["delivered"], 40.0);
    service.wait_for_metric(LETTERS, &[], 0.0);
}

/// Thirty records in a row that it fails, and then others that it maps: it is held, tried again, found to work, and only
/// the thirty are condemned.
#[test]
fn a_plugin_that_maps_others_is_released_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut service = durable(folder.path()).start();
    assert_eq!(service.push(body("guilty", "trap", 30)).status, 200);
    service.wait_for_metric(HELD, &[], 1.0);
    assert_eq!(service.push(body("innocent", "", 40)).status, 200);
    service.wait_for_log("the plugin maps records again");
    service.wait_until_drained();
    assert_eq!((service.metric(SETTLED, &["delivered"]), service.metric(LETTERS, &[])), (40.0, 30.0));
    assert_eq!((service.metric(HELD, &[]), service.ask("/readyz").status), (0.0, 200));
}

/// It is held for what it does to all records, not for what it does to some.
#[test]
fn a_plugin_that_fails_every_second_record_is_not_held() {
    let folder = tempfile::tempdir().expect("a folder");
    let service = durable(folder.path()).start();
    let record =
        |number: usize| records::command(&number.to_string(), if number.is_multiple_of(2) { "" } else { "trap" });
    let body: Vec<String> = (0..120).map(record).collect();
    assert_eq!(service.push(body.join("\n")).status, 200);
    service.wait_until_drained();
    assert_eq!((service.metric(SETTLED, &["delivered"]), service.metric(LETTERS, &[])), (60.0, 60.0));
    assert!(!service.log().contains("plugin_held"));
}

/// There is no memory for an instance, not even for the trial: that is no fault of the record. When there is, it is
/// mapped.
#[test]
fn a_plugin_that_fails_its_trial_too_is_held_and_the_record_waits() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = ["prlimit", "--as=4294967296:unlimited"];
    let mut service = durable(folder.path()).under(&small).start();
    assert_eq!(service.push(records::command("before", "")).status, 200);
    wait_until("the first", || lines(folder.path()) == 1);
    service.let_grow(Some(8 << 20));
    assert_eq!(service.push(records::command("meanwhile", "")).status, 200);
    service.wait_for_log("\"code\":\"plugin_held\"");
    assert!(service.ask("/readyz").body.contains("it fails its trial, without any record"));
    assert_eq!((service.metric(LETTERS, &[]), service.metric(WAITING, &[])), (0.0, 1.0));
    service.let_grow(None);
    service.wait_for_log("the plugin maps records again");
    wait_until("the second", || lines(folder.path()) == 2);
    assert_eq!((service.metric(LETTERS, &[]), service.ask("/readyz").status), (0.0, 200));
}

/// Whoever waits for the answer is told to come again, and then finds it released.
#[test]
fn in_memory_a_held_plugin_asks_senders_to_come_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ lines: {{ type: file, path: '{}' }} }}
",
        folder.path().join("lines.jsonl").display()
    );
    let service = Service::new().config(&config).plugin(guests::OBEDIENT).start();
    let statuses: Vec<u16> =
        (0..25).map(|number| service.push(records::command(&number.to_string(), "trap")).status).collect();
    assert_eq!(statuses, [[422; 24].as_slice(), &[503]].concat());
    wait_until("it is mapped", || service.push(records::command("good", "")).status == 200);
}

/// The whole process stands still for five seconds, ten times a deadline, while guests compute under load, and then a
/// few times more, so that whoever is tried again is met again.
#[test]
fn a_paused_machine_condemns_nobody_and_holds_nobody() {
    const SENDERS: usize = 4;
    const PUSHES: usize = 4;
    let folder = tempfile::tempdir().expect("a folder");
    let service = durable(folder.path()).start();
    thread::scope(|scope| {
        for sender in 0..SENDERS {
            let address = service.address();
            scope.spawn(move || {
                for number in 0..PUSHES {
                    let record = format!(r#"{{"id":"{sender}-{number}","do":"spin","count":50000000}}"#);
                    // Whoever has waited for too long meanwhile is told to come again.
                    wait_until("it is taken", || Request::push(record.as_str()).send(address).status == 200);
                }
            });
        }
        for pause in [5_000, 700, 700, 700, 700, 700] {
            thread::sleep(Duration::from_millis(40));
            service.signal(Signal::STOP);
            thread::sleep(Duration::from_millis(pause));
            service.signal(Signal::CONT);
        }
    });
    service.wait_until_drained();
    // What was stored although its sender was told to come again came twice, and is delivered once.
    let (delivered, letters) = (service.metric(SETTLED, &["delivered"]), service.metric(LETTERS, &[]));
    assert_eq!((delivered, letters), ((SENDERS * PUSHES) as f64, 0.0));
    assert!(!service.log().contains("plugin_held"));
}
