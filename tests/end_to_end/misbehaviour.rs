//! A plugin that loops, hoards, traps or lies costs the record it was given, and nothing else.

use callspan_tests::{Callspan, Decoder, Finished, Protocol, Service, guests, records};
use serde_json::json;

/// What never comes back, or comes back dead.
#[test]
fn a_guest_that_fails_costs_its_record() {
    for (command, code) in [("loop", "overrun"), ("allocate", "memory"), ("trap", "trap"), ("recurse", "trap")] {
        assert_only_the_guilty_is_refused(command, code);
    }
}

/// More than any backend would take, or than the host would hold.
#[test]
fn a_guest_that_returns_too_much_costs_its_record() {
    for command in [
        "too-many-spans",
        "too-many-attributes",
        "many-events",
        "many-links",
        "many-resources",
        "long-text",
        "many-entries",
        "long-key",
    ] {
        assert_only_the_guilty_is_refused(command, "output_limit");
    }
    assert_only_the_guilty_is_refused("huge-message", "output");
}

/// Indices that lead nowhere, types that were not declared, traces that are none.
#[test]
fn a_guest_that_breaks_the_contract_costs_its_record() {
    for command in [
        "undeclared-attribute",
        "wrong-value-type",
        "attribute-twice",
        "undeclared-span-name",
        "undeclared-event",
        "undeclared-resource",
        "empty-trace",
        "empty-key",
        "empty-span-key",
        "duplicate-span-key",
        "forward-parent",
        "own-parent",
        "forward-link",
        "foreign-parent",
        "end-before-start",
        "bad-code",
    ] {
        assert_only_the_guilty_is_refused(command, "contract");
    }
}

/// It loses an outcome, or invents one: whose it is cannot be known from the batch, so each record is run by itself.
#[test]
fn a_guest_that_miscounts_costs_its_record() {
    for command in ["wrong-count", "one-too-many"] {
        assert_only_the_guilty_is_refused(command, "outcome_count");
    }
}

#[test]
fn a_refusal_is_passed_on() {
    let refusal = batch("reject").refusal();
    assert_eq!(
        (&refusal["class"], &refusal["code"], &refusal["path"]),
        (&json!("policy"), &json!("told_to"), &json!("/do"))
    );
}

#[test]
fn a_record_that_is_skipped_yields_nothing_and_is_no_refusal() {
    let finished = batch("skip");
    assert_eq!((finished.code, finished.traces().len(), finished.stderr.as_str()), (Some(0), 2, ""));
}

/// A value OTLP/JSON has no number for leaves the line readable.
#[test]
fn what_is_not_a_number_does_not_break_the_line() {
    assert_eq!(batch("not-a-number").traces().len(), 3);
}

/// Every batch meets a fresh instance: what a guest remembers is gone.
#[test]
fn nothing_survives_a_batch() {
    let run = || {
        let command =
            Callspan::transform().arguments(["--plugin", guests::OBEDIENT]).input(records::command("1", "seen"));
        command.run().trace().remove(0).attribute("obedient.int").clone()
    };
    assert_eq!((run(), run()), (json!(1), json!(1)));

    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().plugin(guests::OBEDIENT).export_to(backend.endpoint(Protocol::Grpc)).start();
    for _ in 0..3 {
        assert_eq!(service.push(records::command("1", "seen")).status, 200);
        assert_eq!(backend.take_export().spans[0].attribute("obedient.int"), 1);
    }
}

/// A service goes on after each of them, and answers the guilty push.
#[test]
fn a_service_outlives_its_guests() {
    let Some(backend) = Decoder::start() else { return };
    // However slow the machine is, each has its answer and not the advice to come again.
    let config =
        "sources: { tccc: { type: http_server, address: '127.0.0.1:0', limits: { answer_timeout_secs: 3600 } } }
sinks: { backend: { type: opentelemetry } }
";
    let service =
        Service::new().config(config).plugin(guests::OBEDIENT).export_to(backend.endpoint(Protocol::Grpc)).start();
    for command in ["trap", "loop", "allocate", "too-many-spans", "wrong-count"] {
        let reply = service.push(records::command("guilty", command));
        assert_eq!(reply.status, 422, "{command}: {}", reply.body);
        assert_ne!(reply.code(), 0);
        assert_eq!(service.push(records::command("innocent", "")).status, 200, "after {command}");
        assert_eq!(backend.take_export().spans.len(), 2);
    }
}

/// Three records, of which the one in the middle is told to misbehave.
fn batch(command: &str) -> Finished {
    let input = [records::command("before", ""), records::command("guilty", command), records::command("after", "")];
    Callspan::transform().arguments(["--plugin", guests::OBEDIENT]).input(input.join("\n")).run()
}

#[track_caller]
fn assert_only_the_guilty_is_refused(command: &str, code: &str) {
    let finished = batch(command);
    assert_eq!(finished.code, Some(1), "{command}: {}", finished.stderr);
    let refusal = finished.refusal();
    assert_eq!(
        (&refusal["index"], &refusal["class"], &refusal["code"]),
        (&json!(1), &json!("plugin"), &json!(code)),
        "{command}: {refusal}"
    );
    let neighbours = ["before", "after"].map(|id| {
        Callspan::transform().arguments(["--plugin", guests::OBEDIENT]).input(records::command(id, "")).run()
    });
    let expected: String = neighbours.iter().map(|finished| finished.stdout.as_str()).collect();
    assert_eq!(finished.stdout, expected, "{command}: the neighbours are what they would be alone");
}
