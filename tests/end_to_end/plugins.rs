//! A component is taken into service when it keeps to the contract, and refused with a reason that names what is wrong.

use callspan_tests::{Callspan, guests, records};

#[test]
fn a_plugin_that_cannot_serve_is_refused_by_name() {
    for (plugin, reason) in [
        (
            guests::ASKS_FOR_SOMETHING_ELSE,
            "example:files/read@1.0.0, but a plugin may import nothing; build it without",
        ),
        (guests::ANOTHER_VERSION, "it exports callspan:transform/plugin@0.9.0; that is another version"),
        (guests::EXPORTS_AN_EMPTY_PLUGIN, "do not have the types of the contract"),
        (guests::CORE_MODULE, "it is not a WebAssembly component but a core module; make one of it"),
        (
            concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            "which begins with 00 61 73 6d: it begins with 5b 70 61 63; a plugin is",
        ),
        ("/no/such/plugin.wasm", "No such file"),
    ] {
        for command in ["transform", "inspect"] {
            let option = if command == "transform" { vec!["--plugin", plugin] } else { vec![plugin] };
            let finished =
                option.iter().fold(Callspan::new([command]), |command, argument| command.arguments([argument])).run();
            assert_eq!(
                (finished.code, finished.stdout.as_str()),
                (Some(78), ""),
                "{command} {plugin}: {}",
                finished.stderr
            );
            assert!(
                finished.stderr.contains(reason) && finished.stderr.contains(plugin),
                "{command} {plugin}: {}",
                finished.stderr
            );
        }
    }
}

/// Both of its diagnostics are shown, each with its path.
#[test]
fn a_plugin_may_refuse_its_options() {
    let refusing = ["--plugin", guests::OBEDIENT, "--options", r#"{"refuse":true}"#];
    let finished = Callspan::transform().arguments(refusing).run();
    assert_eq!(finished.code, Some(78));
    assert!(finished.stderr.contains("/refuse: must not be true"), "{}", finished.stderr);
    assert!(finished.stderr.contains("this plugin was told to refuse its options"), "{}", finished.stderr);
    let content = ["--plugin", guests::OBEDIENT, "--options", r#"{"refuse":false}"#];
    assert_eq!(Callspan::transform().arguments(content).run().code, Some(0));
}

/// What is unusual and allowed: a parent or a link in another record's trace, by name alone.
#[test]
fn spans_of_other_records_are_reached_by_name() {
    let run = |command| {
        let command =
            Callspan::transform().arguments(["--plugin", guests::OBEDIENT]).input(records::command("1", command));
        command.run().trace()
    };
    let plain = run("");
    let with_parent = run("remote-parent");
    assert_eq!(with_parent[0].trace_id, plain[0].trace_id);
    assert_eq!(with_parent[0].parent_span_id.len(), 16);
    let another = Callspan::transform()
        .arguments(["--plugin", guests::OBEDIENT])
        .input(records::command("another", ""))
        .run()
        .trace();
    let link = &run("remote-link")[0].links[0];
    assert_eq!((&link.trace_id, &link.span_id), (&another[0].trace_id, &another[0].span_id));
}

/// A sender's own keys become attributes under the declared one: cleaned, the first of two winning, none without a name.
#[test]
fn free_keys_stay_under_their_attribute() {
    let command =
        Callspan::transform().arguments(["--plugin", guests::OBEDIENT]).input(records::command("1", "entries"));
    let span = command.run().trace().remove(0);
    let keys: Vec<&str> = span.attributes.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "obedient.entries.Preferred_Language",
            "obedient.entries.line_break",
            "obedient.entries.plan",
            "obedient.entries.service.name"
        ]
    );
    assert_eq!(span.attribute("obedient.entries.plan"), "gold");
    assert_eq!(span.service(), "obedient", "a sender's key cannot pose as the resource's");
}
