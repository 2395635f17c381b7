//! The examples run as they stand, and the two sides of each speak of the same ports.

use callspan_tests::documents::{read, root};
use callspan_tests::{
    Callspan, Decoder, Endpoint, Protocol, Service, UsualAddress, mapped, program, records, send_logs, sorted, yaml,
};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;

/// Where backends listen, by the files: gRPC, then HTTP.
const BACKEND: [u16; 2] = [4317, 4318];
const LOGS: u16 = 4327;

/// A record goes through our side of each example to the backend's ports that the other side's file names.
#[test]
fn a_trace_goes_through_each_example() {
    let _usual = UsualAddress::take_with(&[BACKEND[0], BACKEND[1], LOGS]);
    for example in ["jaeger", "tempo", "vector", "hosted-backend", "compose", "systemd", "collector"] {
        let Some(backend) = Decoder::start_on(BACKEND) else { return };
        let mut builder = Service::new().config(&read(&format!("examples/{example}/callspan.yaml"))).durable();
        builder = builder.admin_as_configured().environment(&[
            // What an example leaves to the environment.
            ("BACKEND_ENDPOINT", "http://127.0.0.1:4318"),
            ("BACKEND_API_KEY", "the-key"),
            ("CALLSPAN_BACKEND", "http://127.0.0.1:4317"),
        ]);
        let mut service = builder.start();
        if example == "collector" {
            let endpoint = Endpoint::local(Protocol::Grpc, LOGS);
            let Some(answer) = send_logs(&endpoint, &[records::SEED]) else { return };
            assert_eq!((answer.status.as_str(), answer.rejected), ("OK", 0), "{answer:?}");
        } else {
            assert_eq!(service.push(records::SEED).status, 200, "{example}");
        }
        let export = backend.take_export();
        let named = |spans: Vec<callspan_tests::Span>| {
            sorted(spans).into_iter().map(|span| (span.trace_id, span.name)).collect::<Vec<_>>()
        };
        assert_eq!(named(export.spans), named(mapped(records::SEED)), "{example}");
        let key = export.headers.get("x-api-key").and_then(Value::as_str);
        assert_eq!(key, (example == "hosted-backend").then_some("the-key"));
        assert_eq!(service.terminate().code(), Some(0), "{example}: {}", service.log());
    }
}

/// What the manifest of Kubernetes holds for us is a good configuration, and what it says of ports, folders, paths and
/// times is what that says.
#[test]
fn the_manifest_of_kubernetes_agrees_with_its_configuration() {
    let Some(documents) = yaml::documents(&example("kubernetes/callspan.yaml")) else { return };
    let of_kind = |kind: &str| documents.iter().find(|it| it["kind"] == kind).expect(kind);
    let config = text(&of_kind("ConfigMap")["data"]["callspan.yaml"]);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("callspan.yaml");
    fs::write(&path, &config).expect("the folder is ours");
    let validated = Callspan::new(["validate", &path.display().to_string()]).variable("TCCC_PASSWORD", "x").run();
    assert_eq!((validated.code, validated.stderr.as_str()), (Some(0), ""));
    assert!(of_kind("Secret")["stringData"]["TCCC_PASSWORD"].is_string());

    let config = &yaml::documents(&path).expect("it was there before")[0];
    let pod = &of_kind("StatefulSet")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let port = |name: &str| {
        let ports = container["ports"].as_array().expect("ports");
        ports.iter().find(|it| it["name"] == name).expect(name)["containerPort"].clone()
    };
    assert_eq!(port("pushes"), port_of(&config["sources"]["tccc"]["address"]));
    assert_eq!(port("admin"), port_of(&config["admin"]["address"]));
    assert_eq!(of_kind("Service")["spec"]["ports"][0]["targetPort"], "pushes");
    assert!(pod["terminationGracePeriodSeconds"].as_u64() > Some(25));
    assert_eq!(pod["securityContext"]["fsGroupChangePolicy"], "OnRootMismatch");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
    assert_command(&texts(&container["command"]));
    let mounts = container["volumeMounts"].as_array().expect("mounts");
    let folders: Vec<&str> = mounts.iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
    for variable in container["env"].as_array().expect("variables") {
        let value = text(&variable["value"]);
        assert!(folders.iter().any(|folder| value.starts_with(folder)), "{value} is on no volume");
    }
    let service = Service::new().config("sources: { a: { type: http_server, address: '127.0.0.1:0' } }\n").durable();
    let service = service.start();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let get = &container[probe]["httpGet"];
        assert_eq!(get["port"], "admin");
        assert_eq!(service.ask(&text(&get["path"])).status, 200, "{probe}");
    }
    // The backend of this one is down once it has a record: it still takes pushes.
    assert_eq!(service.push(records::SEED).status, 200);
    assert_eq!(service.ask("/readyz/queue/queue").status, 200);
}

/// The file for docker compose names the ports and the file of our side, and the program's options.
#[test]
fn the_file_for_compose_agrees_with_its_configuration() {
    let Some(compose) = yaml::documents(&example("compose/compose.yaml")) else { return };
    let config = &yaml::documents(&example("compose/callspan.yaml")).expect("it was there before")[0];
    let service = &compose[0]["services"]["callspan"];
    let published = texts(&service["ports"]);
    for address in [&config["sources"]["tccc"]["address"], &config["admin"]["address"]] {
        let port = port_of(address);
        assert!(published.iter().any(|it| it.ends_with(&format!(":{port}"))), "{port} is not in {published:?}");
    }
    let command = texts(&service["command"]);
    assert_command(&command);
    let volumes = texts(&service["volumes"]);
    for path in [&command[0], &command[3], &text(&service["environment"]["CALLSPAN_DATA_DIR"])] {
        assert!(volumes.iter().any(|volume| volume.split(':').nth(1) == Some(path.as_str())), "{path} is no volume");
    }
    // The backend is another service of the file.
    let endpoint = text(&config["sinks"]["jaeger"]["endpoint"]);
    assert!(endpoint.contains("http://jaeger:4317") && compose[0]["services"]["jaeger"].is_object(), "{endpoint}");
}

/// The unit is one by systemd's own judgement, waits longer than a shutdown takes, and leaves the plugin its native code.
#[test]
fn the_unit_of_systemd_is_good() {
    let unit = read("examples/systemd/callspan.service");
    let value = |name: &str| {
        let lines = unit.lines().filter_map(|line| line.split_once('='));
        lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value).expect(name)
    };
    assert!(value("TimeoutStopSec").parse::<u64>().is_ok_and(|seconds| seconds > 25));
    assert_eq!((value("MemoryDenyWriteExecute"), value("StateDirectoryMode")), ("no", "0700"));
    assert_command(&value("ExecStart").split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let Some(_judge) = program("systemd-analyze") else { return };
    // It looks for the program, which is not installed here.
    let folder = tempfile::tempdir().expect("a folder");
    let here = unit.replace("/usr/local/bin/callspan", "/bin/true");
    fs::write(folder.path().join("callspan.service"), here).expect("the folder is ours");
    let judged = Callspan::script("systemd-analyze verify --man=no ./callspan.service", folder.path()).run();
    assert_eq!(judged.code, Some(0), "{}", judged.stderr);
    assert!(!judged.stderr.contains("callspan.service:"), "{}", judged.stderr);
}

/// Each address that one side sends to is one that the other side listens on.
#[test]
fn both_sides_of_an_example_name_the_same_ports() {
    // Where our side sends to, what of the other's file listens there; and the other way round.
    let pairs: [(&str, &str); 7] = [
        ("jaeger/callspan.yaml:sinks.jaeger.endpoint", "jaeger/jaeger.yaml:receivers.otlp.protocols.grpc.endpoint"),
        (
            "tempo/callspan.yaml:sinks.tempo.endpoint",
            "tempo/tempo.yaml:distributor.receivers.otlp.protocols.http.endpoint",
        ),
        (
            "collector/callspan.yaml:sinks.traces.endpoint",
            "collector/collector.yaml:receivers.otlp.protocols.grpc.endpoint",
        ),
        (
            "collector/collector.yaml:exporters.otlp_grpc/callspan.endpoint",
            "collector/callspan.yaml:sources.collector.grpc.address",
        ),
        ("vector/callspan.yaml:sinks.traces.endpoint", "vector/vector.yaml:sources.callspan.grpc.address"),
        ("vector/vector.yaml:sinks.records.uri", "vector/callspan.yaml:sources.vector.address"),
        ("systemd/callspan.yaml:sinks.backend.endpoint", "jaeger/jaeger.yaml:receivers.otlp.protocols.grpc.endpoint"),
    ];
    for (sends, listens) in pairs {
        let (Some(to), Some(at)) = (at(sends), at(listens)) else { return };
        assert_eq!(port_of(&to), port_of(&at), "{sends} is {to}, {listens} is {at}");
    }
}

/// What stands in an example at these keys.
fn at(place: &str) -> Option<Value> {
    let (file, keys) = place.split_once(':').expect("a file and keys");
    let mut found = yaml::documents(&example(file))?.remove(0);
    for key in keys.split('.') {
        found = found[key].take();
    }
    assert!(found.is_string(), "{place} is {found}");
    Some(found)
}

fn example(path: &str) -> PathBuf {
    root().join("examples").join(path)
}

fn port_of(address: &Value) -> u64 {
    let address = text(address);
    let port = address.trim_end_matches('/').rsplit(':').next().and_then(|port| port.parse().ok());
    port.expect("an address ends in a port")
}

/// The program has this command with these options.
fn assert_command(words: &[String]) {
    assert!(words[0] == "callspan" || words[0].ends_with("/callspan"), "{words:?}");
    let help = Callspan::new([&words[1], "--help"]).run();
    assert_eq!(help.code, Some(0), "{words:?}");
    for option in words.iter().filter(|word| word.starts_with("--")) {
        assert!(help.stdout.contains(option.as_str()), "{option}");
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().expect("a list").iter().map(text).collect()
}
