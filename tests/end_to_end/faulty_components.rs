//! A component that loops, hoards, traps or lies before it is given any record is refused by name, and costs neither the
//! memory nor the patience of whoever starts it.

use callspan_tests::{Callspan, Finished, Service, guests, records};

/// More than a component may have, and more than this machine should read for nothing.
const GIBIBYTE: u64 = 1 << 30;

fn inspect(plugin: &str) -> Finished {
    Callspan::new(["inspect", plugin]).run()
}

#[track_caller]
fn assert_refused(finished: &Finished, plugin: &str, reason: &str) {
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(78), ""), "{reason}: {}", finished.stderr);
    let is_named = finished.stderr.starts_with("callspan: failed to") && finished.stderr.contains(plugin);
    assert!(is_named && finished.stderr.contains(reason), "expected {reason:?}: {}", finished.stderr);
    assert!(!finished.stderr.trim_end().contains(char::is_control), "{:?}", finished.stderr);
}

/// While an instance is made, and while it says what it is.
#[test]
fn a_component_that_never_says_what_it_is_is_refused() {
    for (fault, reason) in [
        ("loop", "computed for longer than 520 ms"),
        ("trap", "trapped: wasm trap: wasm `unreachable`"),
        ("allocate", "asked for more memory than the limit"),
        ("recurse", "trapped: wasm trap: call stack exhausted"),
        ("start-loop", "computed for longer than 520 ms"),
        ("start-trap", "trapped: wasm trap: wasm `unreachable`"),
        ("start-allocate", "asked for more memory than the limit"),
    ] {
        let component = guests::with_fault(fault);
        let plugin = component.display().to_string();
        assert_refused(&inspect(&plugin), &plugin, &format!("failed to describe plugin {plugin}: it {reason}"));
    }
}

#[test]
fn a_component_that_fails_while_it_is_configured_is_refused_with_its_name_and_version() {
    for (fault, reason) in [
        ("loop", "computed for longer than 520 ms"),
        ("trap", "trapped: wasm trap: wasm `unreachable`"),
        ("allocate", "asked for more memory than the limit"),
        ("recurse", "trapped: wasm trap: call stack exhausted"),
    ] {
        let options = format!(r#"{{"configure":"{fault}"}}"#);
        let finished = Callspan::transform().arguments(["--plugin", guests::OBEDIENT, "--options", &options]).run();
        let reason = format!("failed to configure plugin {} (obedient 0.1.0): it {reason}", guests::OBEDIENT);
        assert_refused(&finished, guests::OBEDIENT, &reason);
    }
}

/// Names reach backends and terminals, indices lead into lists, and the schema is shown to editors: all of it is checked
/// once, and what is quoted is cut.
#[test]
fn a_description_that_is_wrong_is_refused_by_what_is_wrong() {
    for (fault, reason) in [
        ("no-name", "its name is not made of 1 to 64"),
        ("bad-name", "its name is not made of 1 to 64"),
        ("long-name", "its name is not made of 1 to 64"),
        ("no-version", "its version is empty"),
        ("bad-version", "its version is empty, too long or holds control characters"),
        (
            "repeated-attribute",
            "attribute \"service.name\" is empty, too long, holds control characters or is declared twice",
        ),
        ("empty-attribute", "attribute \"\" is empty"),
        ("long-attribute", "aaaa\"… is empty, too long"),
        ("unknown-value-type", "attribute obedient.text has the unknown value type \"timestamp\""),
        ("too-many-attributes", "it declares more than 1024 attributes"),
        ("repeated-span-name", "its span names are too many or too long, or one is empty"),
        ("bad-span-name", "its span names are too many or too long, or one is empty"),
        ("too-many-span-names", "its span names are too many or too long, or one is empty"),
        ("repeated-event", "its events are too many or too long, or one is empty"),
        ("metric-of-nothing", "metric \"obedient.work\" refers to something that is not declared"),
        ("metric-without-measure", "metric \"obedient.work\" does not say how it is measured"),
        (
            "repeated-metric",
            "metric \"obedient.work\" is empty, too long, holds control characters or is declared twice",
        ),
        ("schema-no-json", "the schema of its options is no JSON Schema"),
        ("schema-no-schema", "the schema of its options is no JSON Schema"),
    ] {
        let component = guests::with_fault(fault);
        let plugin = component.display().to_string();
        assert_refused(&inspect(&plugin), &plugin, reason);
    }
    let component = guests::with_fault("huge-schema");
    let plugin = component.display().to_string();
    assert_refused(&inspect(&plugin), &plugin, "returned something that cannot be taken");
    // What is only shown is made printable.
    let component = guests::with_fault("not-printable");
    let shown = inspect(&component.display().to_string());
    assert!(shown.code == Some(0) && !shown.stdout.contains('\u{1b}'), "{shown:#?}");
}

/// What it would say the next time is not asked: its first description holds for all that it returns.
#[test]
fn a_component_that_describes_itself_otherwise_each_time_is_held_to_the_first() {
    let component = guests::with_fault("changing");
    let plugin = component.display().to_string();
    let shown = inspect(&plugin);
    assert!(shown.stdout.starts_with("obedient 0.1.0 ") && shown.stdout.contains("obedient.phone"), "{shown:#?}");
    let input: Vec<String> = (0..200).map(|number| records::command(&number.to_string(), "")).collect();
    let mapped = Callspan::transform().arguments(["--plugin", &plugin]).input(input.join("\n")).run();
    assert_eq!((mapped.code, mapped.stdout.lines().count()), (Some(0), 200), "{}", mapped.stderr);
    assert!(mapped.stdout.lines().all(|line| line.contains(r#""version":"0.1.0""#)), "{}", mapped.stdout);
}

/// A file that is larger than a component may be is refused by its size: reading it would take all of the memory that
/// the command may have.
#[test]
fn a_file_of_a_gibibyte_is_refused_without_being_read() {
    let component = guests::of_size(GIBIBYTE);
    let plugin = component.display().to_string();
    let finished = Callspan::new(["inspect", &plugin]).within_address_space(GIBIBYTE).run();
    assert_refused(&finished, &plugin, "it has 1073741824 bytes, more than the limit of 67108864");
    // As many as it may have are read, and are none the better for that.
    let component = guests::of_size(64 << 20);
    let plugin = component.display().to_string();
    assert_refused(&inspect(&plugin), &plugin, "it is not a WebAssembly component");
}

#[test]
fn a_component_that_was_cut_short_is_refused() {
    // Of eight bytes is the smallest component there is.
    for (bytes, reason) in [
        (0, "it is not WebAssembly, which begins with 00 61 73 6d: it is empty"),
        (3, "it is not WebAssembly, which begins with 00 61 73 6d: it begins with 00 61 73; "),
        (4, "it is not a WebAssembly component"),
        (8, "it does not export callspan:transform/plugin@0.1.0; it exports nothing; build it against"),
        (100_000, "it is not a WebAssembly component"),
    ] {
        let component = guests::truncated(bytes);
        let plugin = component.display().to_string();
        assert_refused(&inspect(&plugin), &plugin, reason);
    }
}

/// What a start says is what an inspection says, and nothing is listened on before.
#[test]
fn a_service_does_not_start_with_a_component_that_is_refused() {
    for (fault, reason) in [("loop", "computed for longer"), ("no-name", "its name is not")] {
        let component = guests::with_fault(fault);
        let plugin = component.display().to_string();
        let refused = Service::new().plugin(&plugin).refuse();
        assert_eq!(refused.code, Some(78), "{}", refused.stderr);
        let is_named = refused.stderr.contains(&plugin) && refused.stderr.contains("transforms.calls");
        assert!(is_named && refused.stderr.contains(reason), "{}", refused.stderr);
    }
    let faultless = guests::with_fault("none");
    let plugin = faultless.display().to_string();
    let mapped = Callspan::transform().arguments(["--plugin", &plugin]).input(records::command("1", "")).run();
    assert_eq!(mapped.traces().len(), 1, "a copy without a fault works: {}", mapped.stderr);
}
