//! A plugin whose language cannot do without WASI gets it in name only, and only where its transform grants it.

use callspan_tests::{Callspan, Finished, Service, guests};

const GRANTED: [&str; 4] = ["--plugin", guests::WANTS_WASI, "--wasi", "stub"];

fn transform(input: &str) -> Finished {
    GRANTED.iter().fold(Callspan::transform(), |command, argument| command.arguments([*argument])).input(input).run()
}

fn found_by(record: &str) -> String {
    let spans = transform(record).trace();
    spans[0].attribute("wants.found").as_str().expect("a text").to_owned()
}

fn reaching_for(what: &str) -> String {
    format!(r#"{{"id":"{what}","do":"{what}"}}"#)
}

/// What a runtime looks for when it starts is there and empty, and hash tables have the same order each time.
#[test]
fn a_guest_that_wants_wasi_finds_nothing_in_it() {
    let found = || found_by(r#"{"id":"1"}"#);
    let first = found();
    assert!(first.starts_with("0 variables, 0 arguments, 0 bytes of input"), "{first}");
    assert_eq!(first, found());
    let missing = |what| found_by(&reaching_for(what));
    assert_eq!([missing("file"), missing("folder")], ["Err(NotFound)", "Err(NotFound)"]);
}

/// A record that has it reach for more is refused by the name of what was called; its neighbours are mapped.
#[test]
fn whoever_reaches_for_more_is_refused_by_its_name() {
    let calls = [
        ("clock", "wasi:clocks/wall-clock#now"),
        ("steady-clock", "wasi:clocks/monotonic-clock#now"),
        ("sleep", "wasi:clocks/monotonic-clock#subscribe-duration"),
        ("random", "wasi:random/random#get-random-u64"),
        ("connect", "wasi:sockets/tcp-create-socket#create-tcp-socket"),
        ("exit", "wasi:cli/exit#exit"),
    ];
    let records: Vec<String> = calls.iter().flat_map(|(what, _)| [reaching_for(what), reaching_for("")]).collect();
    let finished = transform(&records.join("\n"));
    assert_eq!((finished.code, finished.stdout.lines().count()), (Some(1), calls.len()), "{}", finished.stderr);
    let refusals: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(refusals.len(), calls.len(), "{}", finished.stderr);
    for ((what, called), refusal) in calls.iter().zip(refusals) {
        let expected = format!("the plugin wants-wasi 0.1.0 called {called}, and the stub of WASI has neither");
        assert!(refusal.contains(r#""code":"not_granted""#) && refusal.contains(&expected), "{what}: {refusal}");
    }
}

/// Nothing is granted by itself, and the refusal says how it is; what is no part of WASI is never granted.
#[test]
fn wasi_has_to_be_granted() {
    let refused = Callspan::transform().arguments(["--plugin", guests::WANTS_WASI]).run();
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(78), ""));
    for part in ["it asks for wasi:", "more, but a plugin may import nothing", "`wasi: stub`, or --wasi stub"] {
        assert!(refused.stderr.contains(part), "{}", refused.stderr);
    }
    let arguments = ["--plugin", guests::ASKS_FOR_SOMETHING_ELSE, "--wasi", "stub"];
    let refused =
        arguments.iter().fold(Callspan::transform(), |command, argument| command.arguments([*argument])).run();
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(78), ""));
    let told = refused.stderr.contains("it asks for example:files/read@1.0.0, but a plugin may import nothing");
    assert!(told && !refused.stderr.contains("wasi: stub"), "{}", refused.stderr);
}

#[test]
fn inspect_shows_what_a_component_imports() {
    let shown = Callspan::new(["inspect"]).arguments([guests::WANTS_WASI]).run();
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    for part in ["imports WASI: needs `wasi: stub`", "\nImports\n", "  wasi:clocks/wall-clock@"] {
        assert!(shown.stdout.contains(part), "{}", shown.stdout);
    }
}

/// The grant belongs to a transform: of two with the same component, one has it, and without it the service does not
/// start.
#[test]
fn a_grant_belongs_to_one_transform() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = |of_the_other: &str| {
        let lines = folder.path().join("lines.jsonl");
        format!(
            "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
transforms:
  granted: {{ type: plugin, inputs: [tccc], plugin: '{guest}', wasi: stub }}
  other: {{ type: plugin, inputs: [tccc], plugin: '{guest}'{of_the_other} }}
sinks: {{ lines: {{ type: file, inputs: [granted, other], path: '{}' }} }}
",
            lines.display(),
            guest = guests::WANTS_WASI
        )
    };
    let refused = Service::new().config(&config("")).refuse();
    assert_eq!(refused.code, Some(78), "{}", refused.stderr);
    assert!(refused.stderr.contains("grant it WASI in name only"), "{}", refused.stderr);
    let service = Service::new().config(&config(", wasi: stub")).start();
    assert_eq!(service.push(r#"{"id":"1"}"#).status, 200);
}
