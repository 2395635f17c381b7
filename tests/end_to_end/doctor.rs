//! `callspan doctor` finds what would keep a service from working, says what to do, and changes nothing.

use callspan_tests::{Callspan, Decoder, Endpoint, Finished, Outbox, Protocol, Service, guests, records};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;

/// What was found, by what was looked at.
type Findings = BTreeMap<String, Value>;

/// Where all is well, it says so of each part, the code is 0, and nothing was made: no folder, no queue, no trace.
#[test]
fn all_is_well_and_nothing_is_changed() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let data_dir = folder.path().join("data");
    for protocol in Protocol::ALL {
        let config = config(&backend.endpoint(protocol), "127.0.0.1:0");
        let (finished, findings) = examine(folder.path(), &config, &data_dir, &[]);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{}", finished.stdout);
        for check in ["clock", "configuration", "data_dir", "queue", "queue.min_free_space", "sinks.backend"] {
            assert_eq!(status(&findings, check), "ok", "{protocol:?}: {}", finished.stdout);
        }
        for check in ["transforms.calls.plugin", "sources.tccc.address"] {
            assert_eq!(status(&findings, check), "ok", "{protocol:?}: {}", finished.stdout);
        }
        assert!(!data_dir.exists());
        assert_eq!(backend.take_export().spans.len(), 0, "an empty request");
    }
}

/// A test trace is sent only when it is asked for, and can be told from others.
#[test]
fn a_test_trace_is_marked_and_sent_on_demand() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    for protocol in Protocol::ALL {
        let config = config(&backend.endpoint(protocol), "127.0.0.1:0");
        let (finished, findings) = examine(folder.path(), &config, folder.path(), &["--send-test-trace"]);
        assert_eq!(finished.code, Some(0), "{}", finished.stdout);
        let spans = backend.take_export().spans;
        assert_eq!(spans.len(), 1);
        assert_eq!(spans[0].attribute("callspan.test"), true);
        assert!(found(&findings, "sinks.backend").contains(&spans[0].trace_id), "{}", finished.stdout);
    }
}

/// Nobody listens, somebody speaks plain HTTP, or gRPC is spoken to a port for HTTP: each is an error with what to do.
#[test]
fn a_backend_that_is_down_or_another_server_is_an_error() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().start();
    let folder = tempfile::tempdir().expect("a folder");
    let grpc_to_http = Endpoint::at(Protocol::Grpc, backend.endpoint(Protocol::Http).address());
    for endpoint in [
        Endpoint::nobody(Protocol::Grpc),
        Endpoint::nobody(Protocol::Http),
        Endpoint::at(Protocol::Http, service.address()),
        Endpoint::at(Protocol::Grpc, service.address()),
        grpc_to_http,
    ] {
        let (finished, findings) = examine(folder.path(), &config(&endpoint, "127.0.0.1:0"), folder.path(), &[]);
        assert_eq!(finished.code, Some(1), "{endpoint:?}: {}", finished.stdout);
        assert_eq!(errors(&findings), ["sinks.backend"], "{endpoint:?}: {}", finished.stdout);
        assert!(remedy(&findings, "sinks.backend").contains("endpoint"), "{}", finished.stdout);
    }
}

/// A folder with modes that others can use is an error with the command that helps; so is one of a newer version. A file
/// that others could read, did they get into the folder, is a warning. The folder is as before.
#[test]
fn a_folder_that_cannot_be_used_is_an_error() {
    let outbox = used();
    let queue = outbox.data_dir().join("queue");
    let set = |path: &Path, mode: u32| fs::set_permissions(path, Permissions::from_mode(mode)).expect("it is ours");
    let look = || {
        let before = everything(&queue);
        let config = config(&Endpoint::nobody(Protocol::Grpc), "127.0.0.1:0");
        let (_, findings) = examine(outbox.path(), &config, &outbox.data_dir(), &[]);
        assert_eq!(everything(&queue), before, "it changed something");
        findings
    };
    assert_eq!(status(&look(), "queue"), "ok");

    set(&queue, 0o755);
    let findings = look();
    assert_eq!(status(&findings, "queue"), "error");
    assert!(found(&findings, "queue").contains("mode 755"), "{findings:?}");
    assert_eq!(remedy(&findings, "queue"), format!("run `chmod -R go= {}`", queue.display()));
    set(&queue, 0o700);

    set(&queue.join("FORMAT"), 0o644);
    let findings = look();
    assert_eq!(status(&findings, "queue"), "warning");
    assert!(found(&findings, "queue").contains("FORMAT"), "{findings:?}");
    set(&queue.join("FORMAT"), 0o600);

    fs::write(queue.join("FORMAT"), "callspan queue 2\n").expect("it is ours");
    let findings = look();
    assert_eq!(status(&findings, "queue"), "error");
    assert!(found(&findings, "queue").contains("newer callspan, in format 2"), "{findings:?}");
    fs::write(queue.join("FORMAT"), "callspan queue 1\n").expect("it is ours");

    set(&outbox.data_dir(), 0o777);
    assert_eq!(status(&look(), "data_dir"), "warning");
}

/// A folder that is a file cannot be made, and a disk with less room than is to stay free takes no push.
#[test]
fn a_folder_that_cannot_be_made_and_a_full_disk_are_errors() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, "").expect("the folder is ours");
    let config = config(&Endpoint::nobody(Protocol::Grpc), "127.0.0.1:0");
    let (_, findings) = examine(folder.path(), &config, &file.join("data"), &[]);
    assert_eq!(status(&findings, "data_dir"), "error", "{findings:?}");
    let much = format!("queue: {{ min_free_space: {} }}\n{config}", 1_u64 << 50);
    let (_, findings) = examine(folder.path(), &much, folder.path(), &[]);
    assert_eq!(status(&findings, "queue.min_free_space"), "error", "{findings:?}");
}

/// A service that runs holds the folder and its addresses: that is well. Where it listens elsewhere, that is told; what
/// another program holds is an error.
#[test]
fn a_service_that_runs_is_told_from_another_program() {
    let outbox = Outbox::new();
    let service = outbox.service().start();
    let nobody = Endpoint::nobody(Protocol::Grpc);
    let look = |address: &str| examine(outbox.path(), &config(&nobody, address), &outbox.data_dir(), &[]).1;
    let findings = look(service.address());
    let process = format!("process {}", service.process_id());
    for check in ["queue", "sources.tccc.address"] {
        assert_eq!(status(&findings, check), "ok", "{findings:?}");
        assert!(found(&findings, check).contains(&process), "{findings:?}");
    }
    let other = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = other.local_addr().expect("it has one").to_string();
    assert_eq!(status(&look(&address), "sources.tccc.address"), "error");
    drop(other);
    assert_eq!(status(&look(&address), "sources.tccc.address"), "warning");
    // It was looked at, and goes on.
    assert_eq!(service.push(records::call("after")).status, 200);
    service.kill();
    assert_eq!(status(&look(&address), "sources.tccc.address"), "ok");
    let _other_program = TcpListener::bind(&address).expect("it is free");
    assert_eq!(status(&look(&address), "sources.tccc.address"), "error");
    assert_eq!(status(&look("192.0.2.1:8080"), "sources.tccc.address"), "error");
}

/// What is no component is an error, and the other checks go on.
#[test]
fn a_plugin_that_is_no_component_is_an_error() {
    let Some(backend) = Decoder::start() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let config = config(&backend.endpoint(Protocol::Grpc), "127.0.0.1:0");
    for plugin in [guests::CORE_MODULE, guests::ASKS_FOR_A_CLOCK, "/nowhere/at.wasm"] {
        let (finished, findings) = examine(folder.path(), &config, folder.path(), &["--plugin", plugin]);
        assert_eq!(finished.code, Some(1), "{}", finished.stdout);
        assert_eq!(errors(&findings), ["transforms.calls.plugin"], "{}", finished.stdout);
    }
    let (_, findings) = examine(folder.path(), &config, folder.path(), &["--plugin", guests::OBEDIENT]);
    assert_eq!(status(&findings, "transforms.calls.plugin"), "ok", "{findings:?}");
}

/// Each problem of a configuration is a finding, without what a variable holds; wrong usage is none.
#[test]
fn a_bad_configuration_is_told_as_by_validate() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = "sinks:\n  a: { type: opentelemetry, endpoint: '${TOKEN_OF_TEST}' }\n  b: { type: kafka }\n";
    let path = folder.path().join("callspan.yaml");
    fs::write(&path, config).expect("the folder is ours");
    let doctor = |format: &str| {
        let command = Callspan::new(["doctor", "--format", format, "--config", &path.display().to_string()]);
        command.variable("TOKEN_OF_TEST", "not-to-be-shown").run()
    };
    let finished = doctor("json");
    assert_eq!(finished.code, Some(1), "{}", finished.stdout);
    let lines = finished.stdout.lines().filter(|line| line.contains("\"configuration\"")).count();
    assert_eq!(lines, 2, "{}", finished.stdout);
    let text = doctor("text");
    assert!(text.stdout.ends_with("2 errors, 0 warnings\n"), "{}", text.stdout);
    assert!(text.stdout.contains("2:") && !text.stdout.contains('\u{1b}'), "{}", text.stdout);
    for output in [&finished.stdout, &finished.stderr, &text.stdout] {
        assert!(!output.contains("not-to-be-shown"), "{output}");
    }
    assert_eq!(Callspan::new(["doctor", "--nonsense"]).run().code, Some(2));
}

/// One that a service has stored a record in, and was killed.
fn used() -> Outbox {
    let outbox = Outbox::new();
    let service = outbox.service().start();
    assert_eq!(service.push(records::call("one")).status, 200);
    service.kill();
    outbox
}

fn config(endpoint: &Endpoint, address: &str) -> String {
    format!(
        "admin: {{ enabled: false }}
sources: {{ tccc: {{ type: http_server, address: '{address}' }} }}
sinks: {{ backend: {{ type: opentelemetry, endpoint: '{}', protocol: {} }} }}
",
        endpoint.url,
        endpoint.protocol.as_str()
    )
}

/// Runs it with a configuration, which is put into this folder.
fn examine(folder: &Path, config: &str, data_dir: &Path, arguments: &[&str]) -> (Finished, Findings) {
    let path = folder.join("doctor.yaml");
    fs::write(&path, config).expect("the folder is ours");
    let [path, data_dir] = [&*path, data_dir].map(|path| path.display().to_string());
    let doctor = Callspan::new(["doctor", "--format", "json", "--config", &path, "--data-dir", &data_dir]);
    let finished = arguments.iter().fold(doctor, |doctor, argument| doctor.arguments([*argument])).run();
    let lines = finished.stdout.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON lines"));
    let findings = lines.map(|line| (line["check"].as_str().unwrap_or_default().to_owned(), line)).collect();
    (finished, findings)
}

#[track_caller]
fn status<'f>(findings: &'f Findings, check: &str) -> &'f str {
    findings.get(check).expect(check)["status"].as_str().unwrap_or_default()
}

fn found<'f>(findings: &'f Findings, check: &str) -> &'f str {
    findings[check]["found"].as_str().unwrap_or_default()
}

fn remedy<'f>(findings: &'f Findings, check: &str) -> &'f str {
    findings[check]["remedy"].as_str().unwrap_or_default()
}

fn errors(findings: &Findings) -> Vec<&str> {
    let errors = findings.iter().filter(|(_, finding)| finding["status"] == "error");
    errors.map(|(check, _)| check.as_str()).collect()
}

/// Every file below a folder, with its mode, its length and when it was written to.
fn everything(folder: &Path) -> BTreeMap<String, (u32, u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("it is ours").flatten() {
        let data = entry.metadata().expect("it is ours");
        let of_file = (data.permissions().mode(), data.len(), data.modified().expect("files have one"));
        found.insert(entry.path().display().to_string(), of_file);
        if data.is_dir() {
            found.extend(everything(&entry.path()));
        }
    }
    found
}
