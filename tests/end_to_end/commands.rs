//! The commands whose output people and scripts read.

use callspan_tests::{
    Callspan, Decoder, Finished, Protocol, Service, UsualAddress, documents, guests, program, records,
};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

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
    let commands = commands(&help.stdout);
    for command in
        ["serve", "demo", "transform", "inspect", "compile", "trace-id", "validate", "schema", "completions", "man"]
    {
        assert!(commands.iter().any(|listed| listed == command), "no {command} in\n{}", help.stdout);
    }
    for command in &commands {
        let help = run([command.as_str(), "--help"]);
        assert_eq!((help.code, help.stderr.as_str()), (Some(0), ""), "{command}");
        assert!(help.stdout.contains("Usage: callspan"), "{command}: {}", help.stdout);
    }
    assert_eq!(run(["--version"]).stdout, format!("callspan {}\n", env!("CARGO_PKG_VERSION")));
}

/// Scripts and service managers go by the exit code: what each means stands in the help.
#[test]
fn the_exit_code_says_what_came_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let wrong = folder.path().join("wrong.yaml").display().to_string();
    fs::write(&wrong, "surces: {}\n").expect("the folder is ours");
    let help = run(["--help"]).stdout;
    for (code, meaning, command) in [
        (0, "0 good", vec!["transform"]),
        (0, "0 good", vec!["validate", EXAMPLE]),
        (1, "1 failed while running", vec!["transform", "/no/such/records.json"]),
        (1, "1 failed while running", vec!["man", "--directory", "/dev/null/pages"]),
        (2, "2 wrong usage", vec!["transform", "--no-such-option"]),
        (2, "2 wrong usage", vec![]),
        (2, "2 wrong usage", vec!["serve", "--graceful-shutdown-limit-secs", "0"]),
        (2, "2 wrong usage", vec!["serve", "--durability", "disk"]),
        (78, "78 wrong configuration", vec!["validate", &wrong]),
        (78, "78 wrong configuration", vec!["serve", "--config", &wrong]),
        (78, "78 wrong configuration", vec!["inspect", "/no/such/plugin.wasm"]),
    ] {
        assert!(help.contains(meaning), "no {meaning} in\n{help}");
        let finished = with(&command).input(records::SEED).run();
        assert_eq!(finished.code, Some(code), "{command:?}: {}", finished.stderr);
        assert_eq!(finished.stderr.is_empty(), code == 0, "{command:?}: {}", finished.stderr);
    }
}

/// What the README shows runs as it is shown, with the files that it takes for granted: services become ready and end
/// well when they are told to, or when their input ends; the others do what they say.
#[test]
fn every_command_of_the_readme_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    symlink(documents::root().join("examples"), folder.path().join("examples")).expect("the folder is ours");
    fs::write(folder.path().join("calls.ndjson"), records::call("a")).expect("the folder is ours");
    let Some(decoder) = Decoder::start() else { return };
    let backend = decoder.endpoint(Protocol::Grpc).url;
    // All of them look after one queue, in which somebody left a dead letter.
    let data = folder.path().join("data");
    let service = Service::new().durable().data_dir(&data).export_to(decoder.endpoint(Protocol::Grpc)).start();
    assert_eq!(service.push("{").status, 400);
    drop(service);
    let data = data.display().to_string();
    // Plugins are exchanged in a service that runs: one whose plugin is a file, which was changed since.
    let exchanging = folder.path().join("exchanging");
    let plugin = folder.path().join("plugin.wasm");
    guests::put_with_fault(&plugin, "none");
    let config = format!(
        "{{sources: {{tccc: {{type: http_server, address: '127.0.0.1:0'}}}}, transforms: {{calls: {{type: plugin, plugin: '{}', \
         reload: manual}}}}}}",
        plugin.display()
    );
    let _exchanging = Service::new().config(&config).durable().data_dir(&exchanging).start();
    for name in ["plugin.wasm", "next.wasm"] {
        guests::put_with_fault(&folder.path().join(name), "version-2");
    }
    let exchanging = exchanging.display().to_string();
    let script = |text: &str| {
        let is_exchange = text.contains("callspan plugin ");
        let data_dir = if is_exchange { &exchanging } else { &data };
        Callspan::script(text, folder.path()).variable("CALLSPAN_DATA_DIR", data_dir)
    };
    let mut ran = 0;
    for block in documents::blocks(&documents::read("README.md")).iter().filter(|block| block.language == "sh") {
        let mut exports = String::new();
        for command in documents::commands(block) {
            if command.starts_with("export ") {
                exports = format!("{exports}{command}\n");
            }
            let Some((before, arguments)) = invocation(&command) else { continue };
            ran += 1;
            let name = arguments.split(' ').next().unwrap_or_default();
            let is_service = ["serve", "demo"].contains(&name);
            // One looks whether they are free.
            let _usual = (is_service || name == "doctor").then(UsualAddress::take);
            if is_service && !before.contains('|') {
                // In place of the shell, so that the signal reaches it.
                let service = script(&format!("{exports}{before} exec callspan {arguments}"));
                let mut service = service.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &backend).start();
                service.wait_for("word that it is ready", |lines| {
                    lines.iter().any(|line| line.contains(" ready") || line.contains("stays up")).then_some(())
                });
                assert!(service.terminate().success(), "line {}: {command}", block.line);
                continue;
            }
            let files = || fs::read_dir(folder.path()).map_or(0, Iterator::count);
            let files_before = files();
            let script = script(&format!("{exports}{command}"));
            let finished = script.variable("OTEL_EXPORTER_OTLP_ENDPOINT", &backend).within_two_minutes().run();
            assert_eq!(finished.code, Some(0), "line {}: {command}: {}", block.line, finished.stderr);
            assert!(is_service || finished.stderr.is_empty(), "line {}: {}", block.line, finished.stderr);
            let says_something = !finished.stdout.is_empty() || !finished.stderr.is_empty() || files() > files_before;
            assert!(says_something, "line {}: {command}", block.line);
        }
    }
    assert!(ran >= 7, "only {ran} commands were found");
}

/// What stands before `callspan` where a command runs it, and its arguments: variables may stand before, and a pipe.
fn invocation(command: &str) -> Option<(&str, &str)> {
    let (before, arguments) = command.split_once("callspan ")?;
    let last = before.rsplit('|').next().unwrap_or_default();
    last.split_whitespace().all(|word| word.contains('=')).then_some((before, arguments))
}

/// What the help invites to runs as well; `/etc` is left alone.
#[test]
fn every_command_of_the_help_runs() {
    let Some(_man) = program("man") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let mut ran = 0;
    for command in commands(&run(["--help"]).stdout) {
        let help = run([command.as_str(), "--help"]).stdout;
        for line in documents::code_spans(&help).iter().filter(|span| span.starts_with("callspan ")) {
            let line = line.replace("/etc/bash_completion.d/", "");
            let finished = Callspan::script(&line, folder.path()).run();
            assert_eq!(finished.code, Some(0), "{line}: {}", finished.stderr);
            ran += 1;
        }
    }
    assert!(ran >= 4, "only {ran} commands were found");
    for file in ["callspan.schema.json", "callspan"] {
        assert!(fs::metadata(folder.path().join(file)).is_ok_and(|file| file.len() > 0), "{file} is not there");
    }
}

/// A command that a text mentions is one, with the options it is mentioned with.
#[test]
fn every_command_that_is_mentioned_exists() {
    let mut mentioned = Vec::new();
    for document in ["README.md", "ARCHITECTURE.md"] {
        mentioned.extend(documents::code_spans(&documents::read(document)));
    }
    let example = documents::read("examples/callspan.yaml");
    let comments = example.lines().filter_map(|line| line.strip_prefix('#')).map(str::trim);
    mentioned.extend(comments.map(|line| line.split("  ").next().unwrap_or_default().to_owned()));
    mentioned.retain(|line| line.starts_with("callspan "));
    assert!(mentioned.len() >= 7, "{mentioned:?}");
    for line in mentioned {
        let mut words = line.split(' ').skip(1);
        let command = words.next().unwrap_or_default();
        let help = run([command, "--help"]);
        assert_eq!(help.code, Some(0), "`{line}`");
        for option in words.filter(|word| word.starts_with("--")) {
            assert!(help.stdout.contains(option), "no {option} in the help of {command}: `{line}`");
        }
    }
}

/// For each shell, with every command in it; bash, which is there, accepts what is written for it.
#[test]
fn completions_are_written_for_each_shell() {
    let commands = commands(&run(["--help"]).stdout);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let finished = run(["completions", shell]);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{shell}");
        for command in &commands {
            assert!(finished.stdout.contains(command), "no {command} for {shell}");
        }
        assert!(finished.stdout.contains("graceful-shutdown-limit-secs"), "{shell}");
    }
    let accepted = Callspan::script("callspan completions bash | bash -n", Path::new("/")).run();
    assert_eq!((accepted.code, accepted.stderr.as_str()), (Some(0), ""));
    assert_eq!(run(["completions", "tcsh"]).code, Some(2));
}

/// The manual is roff with every command in it, and as files there is a page for each command.
#[test]
fn the_manual_has_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let pages = folder.path().join("man1");
    let whole = run(["man"]);
    assert_eq!(whole.code, Some(0));
    assert_is_page(&whole.stdout, "callspan");
    assert_eq!(run(["man", "--directory", &pages.display().to_string()]).code, Some(0));
    let page = |name: &str| fs::read_to_string(pages.join(format!("{name}.1"))).unwrap_or_default();
    assert_eq!(page("callspan"), whole.stdout);
    let commands = commands(&run(["--help"]).stdout);
    for command in &commands {
        let name = format!("callspan-{command}");
        assert!(whole.stdout.contains(&name.replace('-', "\\-")), "no {name} in the manual");
        assert_is_page(&page(&name), &name);
    }
    let count = fs::read_dir(&pages).map_or(0, Iterator::count);
    assert_eq!(count, commands.len() + 2, "one for callspan itself, and one for its command `help`");

    if program("man").is_some() {
        let script = format!("for page in {}/*; do man --warnings --local-file $page; done", pages.display());
        let shown = Callspan::script(&script, Path::new("/")).run();
        assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
        assert!(shown.stdout.contains("GRACEFUL") || shown.stdout.contains("graceful"), "{}", shown.stdout);
    }
}

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/callspan.yaml");

#[track_caller]
fn assert_is_page(page: &str, name: &str) {
    let mut lines = page.lines().skip_while(|line| line.starts_with(".ie ") || line.starts_with(".el "));
    let title = lines.next().unwrap_or_default();
    assert!(title.starts_with(&format!(".TH {name} 1 ")), "{name}: {title}");
    assert!(page.contains("\n.SH SYNOPSIS\n") && page.contains("\n.SH DESCRIPTION\n"), "{name}");
}

/// The commands that the help lists, but for `help` itself.
fn commands(help: &str) -> Vec<String> {
    let list = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = list.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help");
    names.map(str::to_owned).collect()
}

fn with(arguments: &[&str]) -> Callspan {
    arguments.iter().fold(Callspan::new([]), |command, argument| command.arguments([*argument]))
}

fn run<const N: usize>(arguments: [&str; N]) -> Finished {
    Callspan::new(arguments).run()
}
