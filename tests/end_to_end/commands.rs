//! The commands whose output people and scripts read.

use callspan_tests::{Callspan, Finished, guests, records};

/// From the vendor's console to the backend's search field, without a record at hand.
#[test]
fn trace_id_prints_the_id_of_the_session() {
    let finished = run(["trace-id", "1400482256", "99a1c8f8-eb3d-4xxx-8401-5f6aa8761232"]);
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(0), "5bfc1a4b39bb81e7343973207e5b7395\n"));
    assert_eq!(run(["trace-id", "not-a-number", "x"]).code, Some(2));
}

/// It is the id under which the record arrives, also of a record without an application.
#[test]
fn trace_id_agrees_with_transform() {
    let record = r#"{"SessionId":" a b ","StartTimestamp":1700000000}"#;
    let mapped = Callspan::transform().input(record).run().trace().remove(0);
    assert_eq!(run(["trace-id", "0", "a b"]).stdout.trim_end(), mapped.trace_id);
}

#[test]
fn inspect_shows_what_a_plugin_declares() {
    let finished = run(["inspect"]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for expected in
        ["tccc", "inbound call", "serve staffSeat", "tccc.session.id", "tccc.ring", "phone", "imports nothing"]
    {
        assert!(finished.stdout.contains(expected), "no {expected} in\n{}", finished.stdout);
    }
    let other = run(["inspect", guests::OBEDIENT]);
    assert!(other.stdout.contains("obedient 0.1.0") && other.stdout.contains("obedient.work"), "{}", other.stdout);
}

#[test]
fn a_waterfall_is_drawn_for_people() {
    let finished = Callspan::transform().arguments(["--format", "waterfall"]).input(records::TRANSFERRED).run();
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    for expected in ["inbound call", "ivr", "queue", "serve staffSeat", "serve outboundSeat", "seatGiveUp"] {
        assert!(finished.stdout.contains(expected), "no {expected} in\n{}", finished.stdout);
    }
    assert!(!finished.stdout.contains('\u{1b}'), "no colours where there is no terminal");
}

#[test]
fn help_and_version_are_answered() {
    let help = run(["--help"]);
    assert_eq!(help.code, Some(0));
    for command in ["serve", "demo", "transform", "inspect", "trace-id"] {
        assert!(help.stdout.contains(command), "no {command} in\n{}", help.stdout);
        assert_eq!(run([command, "--help"]).code, Some(0));
    }
    assert_eq!(run(["--version"]).stdout, format!("callspan {}\n", env!("CARGO_PKG_VERSION")));
}

fn run<const N: usize>(arguments: [&str; N]) -> Finished {
    Callspan::new(arguments).run()
}
