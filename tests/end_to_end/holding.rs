//! A backend that refuses whatever it is sent costs nothing: records wait, the reason is told, and they are delivered once
//! it takes them.

use callspan_tests::{Callspan, Cue, Decoder, Protocol, Service, records, wait_until};
use serde_json::Value;
use std::path::Path;

const SETTLED: &str = "callspan_consumer_settled_events_total";
const HELD: &str = "callspan_sink_held";
const PROTOCOLS: [Protocol; 3] = [Protocol::Grpc, Protocol::Http, Protocol::HttpJson];

fn durable(backend: &Decoder, protocol: Protocol, folder: &Path) -> Service {
    let config = "sources: { tccc: { type: http_server, address: '127.0.0.1:0' } }
sinks: { backend: { type: opentelemetry, request: { timeout_secs: 2 } } }
";
    Service::new().config(config).export_to(backend.endpoint(protocol)).durable().data_dir(folder).start()
}

/// The token is wrong for a while: no record is given up, the readiness says what to look at, and once it is right
/// everything is delivered by itself.
#[test]
fn a_wrong_token_empties_no_queue() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let mut service = durable(&backend, protocol, folder.path());
        backend.answer(Cue::Unauthorized);
        let sessions: Vec<String> = (0..30).map(|number| format!("held-{number:02}")).collect();
        for session in &sessions {
            assert_eq!(service.push(records::call(session)).status, 200, "{protocol:?}");
        }
        service.wait_for_log("\"code\":\"sink_held\"");
        // The first request, and probes that found the same.
        backend.wait_for("three requests", |exports| (exports.len() >= 3).then_some(()));
        let ready = service.ask("/readyz");
        assert_eq!(ready.status, 503, "{protocol:?}");
        let status = if protocol == Protocol::Grpc { "UNAUTHENTICATED" } else { "HTTP 401" };
        let reason = format!("the backend refuses the credentials ({status}): check `headers`");
        assert!(ready.body.contains(&reason), "{protocol:?}: {}", ready.body);
        assert_eq!(service.metric(HELD, &[]), 1.0, "{protocol:?}");
        service.assert_nothing_is_lost(sessions.len());

        backend.answer(Cue::Accept);
        service.wait_until_drained();
        service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], sessions.len() as f64);
        service.assert_nothing_is_lost(sessions.len());
        let mut taken = backend.taken_sessions();
        taken.sort();
        taken.dedup();
        assert_eq!(taken, sessions, "{protocol:?}");
        assert_eq!((service.metric(HELD, &[]), service.ask("/readyz").status), (0.0, 200));
        assert_eq!(service.log().matches("\"code\":\"sink_held\"").count(), 1, "it is said once");
    }
}

/// Nothing names the configuration, but nothing is taken either: the same. Once it is over, traces go out together again,
/// no longer one by one.
#[test]
fn a_backend_that_refuses_everything_empties_no_queue() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let service = durable(&backend, protocol, folder.path());
        backend.answer(Cue::Refused);
        let body: Vec<String> = (0..40).map(|number| records::call(&format!("refused-{number:02}"))).collect();
        assert_eq!(service.push(body.join("\n")).status, 200);
        service.wait_for_metric(HELD, &[], 1.0);
        assert!(service.ask("/readyz").body.contains("refuses one trace after another"), "{protocol:?}");
        service.assert_nothing_is_lost(body.len());
        backend.answer(Cue::Accept);
        service.wait_until_delivered(body.len());

        let before = backend.exports().len();
        let body: Vec<String> = (0..40).map(|number| records::call(&format!("after-{number:02}"))).collect();
        assert_eq!(service.push(body.join("\n")).status, 200);
        service.wait_until_delivered(2 * body.len());
        let requests = backend.exports().len() - before;
        assert!(requests < body.len(), "{protocol:?}: {requests} requests");
    }
}

/// One trace of many is refused: it alone is a dead letter, and the sink is not held.
#[test]
fn one_guilty_trace_of_many_is_the_only_dead_letter() {
    for protocol in PROTOCOLS {
        let Some(backend) = Decoder::start() else { return };
        let folder = tempfile::tempdir().expect("a folder");
        let service = durable(&backend, protocol, folder.path());
        backend.answer(Cue::Guilty("session-17"));
        let body: Vec<String> = (0..40).map(|number| records::call(&format!("session-{number}"))).collect();
        assert_eq!(service.push(body.join("\n")).status, 200);
        service.wait_until_drained();
        service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 39.0);
        service.wait_for_metric(SETTLED, &["outcome=\"dead_lettered\""], 1.0);
        let letter = letters(folder.path()).remove(0);
        assert_eq!(
            (&letter["refusals"][0]["class"], &letter["refusals"][0]["code"]),
            (&"backend".into(), &"backend_refused".into())
        );
        assert!(!service.log().contains("sink_held"), "{protocol:?}");
        assert!(!backend.taken_sessions().contains(&"session-17".to_owned()));
    }
}

/// The sender waits for the answer, and is told to come again, as when nobody is there.
#[test]
fn in_memory_a_held_sink_asks_senders_to_come_again() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().export_to(backend.endpoint(Protocol::Http)).start();
    backend.answer(Cue::Unauthorized);
    for _ in 0..2 {
        let reply = service.push(records::SEED);
        assert_eq!(reply.status, 503, "{}", reply.body);
    }
    // Nothing is left of what they were told to send again.
    service.wait_for_metric("callspan_given_back_events_total", &[], 2.0);
    backend.answer(Cue::Accept);
    wait_until("it is taken", || service.push(records::SEED).status == 200);
}

/// OTLP does not say which spans were rejected, so the record is delivered, and kept to be looked at: it is delivered twice
/// only for whoever asks for that.
#[test]
fn what_a_backend_took_in_part_is_delivered_and_kept() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let service = durable(&backend, Protocol::Grpc, folder.path());
    backend.answer_next(1, Cue::Partial(1));
    assert_eq!(service.push(records::SEED).status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 1.0);
    service.wait_for_metric("callspan_dead_letters", &[], 1.0);
    let letter = letters(folder.path()).remove(0);
    assert_eq!(letter["refusals"][0]["class"], "partially_refused", "{letter}");
    let replay = |which: &[&str]| {
        let folder = folder.path().display().to_string();
        let arguments = ["dead-letter", "replay", "--format", "json", "--data-dir", &folder];
        let finished = which.iter().fold(Callspan::new(arguments), |command, it| command.arguments([*it])).run();
        serde_json::from_str::<Value>(finished.stdout.trim()).expect("a JSON line")
    };
    let all = replay(&["--all"]);
    assert_eq!((&all["letters"], &all["delivered_in_part"]), (&0.into(), &1.into()), "{all}");
    assert_eq!(replay(&[&letter["id"].to_string()])["letters"], 1);
    service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], 2.0);
    assert_eq!(backend.exports().len(), 2);
}

fn letters(data_dir: &Path) -> Vec<Value> {
    let folder = data_dir.display().to_string();
    let list = Callspan::new(["dead-letter", "list", "--format", "json", "--data-dir", &folder]).run();
    list.stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}
