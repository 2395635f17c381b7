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
    for command in ["huge-message", "not-utf8"] {
        assert_only_the_guilty_is_refused(command, "output");
    }
}

/// As much as a limit allows is taken, and one more is not. Computing time has no such edge; what is far below and what is
/// far above it stand elsewhere.
#[test]
fn limits_hold_on_both_sides() {
    for (command, limit, code) in [
        ("too-many-spans", 4_200, "output_limit"),
        ("many-resources", 4_200, "output_limit"),
        ("too-many-attributes", 256, "output_limit"),
        ("many-events", 8_200, "output_limit"),
        ("many-links", 256, "output_limit"),
        ("long-text", 65_536, "output_limit"),
        ("long-key", 512, "output_limit"),
        ("many-entries", 128, "output_limit"),
    ] {
        assert_eq!(counted(command, limit).traces().len(), 1, "{command} {limit}");
        let refused = counted(command, limit + 1).refusal();
        assert_eq!(refused["code"], code, "{command}: {refused}");
        let message = refused["message"].as_str().unwrap_or_default();
        let expected = format!("the plugin obedient 0.1.0 returned more than {limit} ");
        assert!(message.starts_with(&expected), "{command}: {message}");
    }
    // In MiB: of memory, besides what the guest needs for itself; of what it returns, besides what carries it.
    assert_eq!(counted("allocate", 250).traces().len(), 1);
    assert_eq!(counted("allocate", 256).refusal()["code"], "memory");
    assert_eq!(counted("huge-message", 15 << 20).refusal()["code"], "told_to");
    assert_eq!(counted("huge-message", 16 << 20).refusal()["code"], "output");
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
        "parent-nowhere",
        "forward-link",
        "link-nowhere",
        "link-with-undeclared-attribute",
        "event-with-wrong-value-type",
        "resource-with-undeclared-attribute",
        "foreign-parent",
        "end-before-start",
        "bad-code",
        "class-of-the-host",
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

/// A time is counted from 1970, so none is before that; the last that fits is in the year 2554, long after what a signed
/// number of nanoseconds reaches. It goes to every sink as it is.
#[test]
fn times_at_both_ends_of_what_can_be_said_break_no_sink() {
    let last = u64::MAX.to_string();
    let trace = batch("end-of-time").traces().remove(1);
    let times = |name: &str| {
        let span = trace.iter().find(|span| span.name == name).expect("it is there");
        (span.start_unix_nano.to_string(), span.end_unix_nano.to_string())
    };
    assert_eq!((times("work"), times("part")), (("0".to_owned(), last.clone()), (last.clone(), last)));
    let drawn = Callspan::transform()
        .arguments(["--plugin", guests::OBEDIENT, "--format", "waterfall"])
        .input(records::command("1", "end-of-time"))
        .run();
    assert!(drawn.code == Some(0) && drawn.stdout.contains("work"), "{drawn:#?}");

    let Some(backend) = Decoder::start() else { return };
    for protocol in [Protocol::Grpc, Protocol::Http, Protocol::HttpJson] {
        let service = Service::new().plugin(guests::OBEDIENT).export_to(backend.endpoint(protocol)).start();
        assert_eq!(service.push(records::command("1", "end-of-time")).status, 200, "{protocol:?}");
        let spans = backend.take_export().spans;
        assert!(spans.iter().any(|span| span.end_unix_nano == u64::MAX), "{protocol:?}: {spans:?}");
    }
}

/// What commands terminals is escaped where it is drawn and in JSON, and is no part of a refusal.
#[test]
fn control_characters_command_nobody() {
    let run = |command: &str, format: &str| {
        let arguments = ["--plugin", guests::OBEDIENT, "--format", format];
        Callspan::transform().arguments(arguments).input(records::command("1", command)).run()
    };
    for (command, format) in [
        ("control-characters", "json"),
        ("control-characters", "waterfall"),
        ("control-characters-in-a-refusal", "json"),
    ] {
        let finished = run(command, format);
        let output = format!("{}{}", finished.stdout, finished.stderr);
        // JSON escapes those of ASCII; a drawing all of them.
        let is_obeyed = |character: char| match format {
            "json" => character.is_ascii_control() && character != '\n',
            _ => character.is_control() && character != '\n',
        };
        assert!(!output.is_empty() && !output.contains(is_obeyed), "{command} {format}: {output:?}");
    }
    let refusal = run("control-characters-in-a-refusal", "json").refusal();
    assert!(!refusal["message"].as_str().unwrap_or_default().contains(char::is_control), "{refusal}");
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

/// Everything that a record can have the guest do, among others that it maps, in a service with a queue on disk: each of
/// the others is delivered, each of these is a dead letter that names the plugin with its version, and the memory is
/// what the instances may have, each thread one at a time, and what a service needs besides.
#[test]
fn hostile_records_among_good_ones_cost_themselves_and_no_more_memory_than_is_allowed() {
    const HOSTILE: [(&str, &str); 21] = [
        ("loop", "overrun"),
        ("allocate", "memory"),
        ("trap", "trap"),
        ("recurse", "trap"),
        ("huge-message", "output"),
        ("not-utf8", "output"),
        ("wrong-count", "outcome_count"),
        ("one-too-many", "outcome_count"),
        ("long-key", "output_limit"),
        ("too-many-attributes", "output_limit"),
        ("many-events", "output_limit"),
        ("many-links", "output_limit"),
        ("many-resources", "output_limit"),
        ("long-text", "output_limit"),
        ("many-entries", "output_limit"),
        ("undeclared-attribute", "contract"),
        ("wrong-value-type", "contract"),
        ("forward-parent", "contract"),
        ("end-before-start", "contract"),
        ("duplicate-span-key", "contract"),
        ("class-of-the-host", "contract"),
    ];
    const ROUNDS: usize = 2;
    const GOOD_AFTER_EACH: usize = 3;
    const INSTANCE_KB_MAX: u64 = 256 * 1024;
    const SERVICE_KB_MAX: u64 = 256 * 1024;

    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ lines: {{ type: file, path: '{}' }} }}
",
        folder.path().join("lines.jsonl").display()
    );
    let data_dir = folder.path().join("data");
    let service = Service::new().config(&config).durable().data_dir(&data_dir).plugin(guests::OBEDIENT).start();
    for round in 0..ROUNDS {
        let of_one = |(command, _): &(&str, &str)| {
            let mut lines = vec![records::command(&format!("{round}-{command}"), command)];
            lines.extend((0..GOOD_AFTER_EACH).map(|good| records::command(&format!("{round}-{command}-{good}"), "")));
            lines
        };
        let body: Vec<String> = HOSTILE.iter().flat_map(of_one).collect();
        assert_eq!(service.push(body.join("\n")).status, 200);
    }
    service.wait_until_drained();
    let (hostile, good) = (ROUNDS * HOSTILE.len(), ROUNDS * HOSTILE.len() * GOOD_AFTER_EACH);
    service.wait_for_metric("callspan_consumer_settled_events_total", &["delivered"], good as f64);
    service.wait_for_metric("callspan_dead_letters", &[], hostile as f64);

    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let (peak, bound) = (service.peak_kb(), threads * INSTANCE_KB_MAX + SERVICE_KB_MAX);
    assert!(peak <= bound, "{peak} kB at the peak, of {bound}");

    let data_dir = data_dir.display().to_string();
    let list = Callspan::new(["dead-letter", "list", "--format", "json", "--data-dir", &data_dir]).run();
    let mut codes: Vec<String> = list
        .stdout
        .lines()
        .map(|line| {
            let letter: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
            let refusal = &letter["refusals"][0];
            assert_eq!(
                (&refusal["class"], &refusal["plugin"]),
                (&json!("plugin"), &json!("obedient 0.1.0")),
                "{letter}"
            );
            refusal["code"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    let mut expected: Vec<&str> = HOSTILE.iter().chain(&HOSTILE).map(|(_, code)| *code).collect();
    codes.sort();
    expected.sort_unstable();
    assert_eq!(codes, expected);
    let shown = Callspan::new(["dead-letter", "show", "1", "--privacy", "plain", "--data-dir", &data_dir]).run();
    assert!(shown.stdout.contains("the plugin obedient 0.1.0 "), "{}", shown.stdout);
    assert!(service.log().contains(r#""plugin":"obedient 0.1.0","class":"plugin","code":"overrun""#));
}

/// One record, told to do so much of something.
fn counted(command: &str, count: usize) -> Finished {
    let record = format!(r#"{{"id":"1","do":"{command}","count":{count}}}"#);
    Callspan::transform().arguments(["--plugin", guests::OBEDIENT]).input(record).run()
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
