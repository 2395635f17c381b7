//! What is wrong with a configuration is known before it serves: all of it, each with its place.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callspan_tests::{Callspan, Cue, Decoder, Endpoint, Finished, Protocol, Request, Service, only, records, schema};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/callspan.yaml");

/// Ten mistakes of ten kinds.
const TEN_MISTAKES: &str = "graceful_shutdown_limit_secs: 0
sources:
  tccc:
    type: http_server
    adress: 127.0.0.1:8081
    path: cdr
    limits: { connections_max: many }
  logs: { type: file }
  other: { type: kafka }
transforms:
  calls:
    type: plugin
    inputs: [tccc, logs, other, tcc]
    privacy: { email: hide }
sinks:
  jaeger: { type: opentelemetry, endpoint: 'jaeger:4317' }
  terminal: { type: console, inputs: [tccc] }
";

/// What is told of them, behind the file's name.
const TEN_PROBLEMS: [&str; 10] = [
    "1:31: graceful_shutdown_limit_secs: expected a whole number from 1 to 3600, not the number `0`",
    "5:5: sources.tccc.adress: unknown key; did you mean `address`?",
    "6:11: sources.tccc.path: expected a path that begins with a slash and has no query, not `cdr`",
    "7:32: sources.tccc.limits.connections_max: expected a whole number from 1 to 1000000, not `many`",
    "8:3: sources.logs.include: missing; expected a list of file names or patterns like [/var/log/calls/*.ndjson]",
    "9:18: sources.other.type: expected http_server, opentelemetry, file or stdin, not `kafka`",
    "13:33: transforms.calls.inputs[3]: `tcc` is no source; did you mean `tccc`?",
    "14:23: transforms.calls.privacy.email: expected mask, hmac, plain or drop, not `hide`",
    "16:44: sinks.jaeger.endpoint: expected an address that begins with http:// or https://, such as http://localhost:4317",
    "17:39: sinks.terminal.inputs[0]: `tccc` is a source; a sink takes from transforms",
];

#[test]
fn the_example_is_good() {
    let finished = Callspan::new(["validate", EXAMPLE]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
    assert_eq!(finished.stdout, format!("{EXAMPLE}: ok, 1 source, 1 transform, 1 sink\n"));
}

/// A bad file hides nothing of another, and its problems are lines that an editor can jump to. The plugin is asked
/// about its options, as it would be for serving.
#[test]
fn each_file_is_checked_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| file(&folder, name, text);
    let wrong = file("wrong.yaml", "admin: { port: 1 }\nsources:\n  a: { type: http_server, adress: here }\n");
    let options = file("options.toml", "[transforms.a]\ntype = 'plugin'\noptions.phasis = true\n");
    let unset = file("unset.yaml", "data_dir: ${CALLSPAN_TEST_VARIABLE_THAT_IS_NOT_SET}\n");

    let finished = Callspan::new(["validate", &wrong, EXAMPLE, &options, &unset]).run();
    assert_eq!(finished.code, Some(78));
    assert!(finished.stdout.starts_with(&format!("{EXAMPLE}: ok")), "{}", finished.stdout);
    let told: Vec<&str> = finished.stderr.lines().collect();
    let expected = [
        format!("{wrong}:1:10: admin.port: unknown key"),
        format!("{wrong}:3:27: sources.a.adress: unknown key; did you mean `address`?"),
        format!("{options}:3:1: transforms.a.options: failed to configure plugin"),
        format!("{unset}:1:11: data_dir: the variable CALLSPAN_TEST_VARIABLE_THAT_IS_NOT_SET is not set"),
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(told.starts_with(&expected), "{told}");
    }

    let finished = Callspan::new(["validate", "--no-environment", &options, &unset]).run();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""));
}

#[test]
fn the_schema_is_printed() {
    let finished = Callspan::new(["schema"]).run();
    let schema: Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
    assert_eq!((finished.code, &schema["additionalProperties"]), (Some(0), &Value::Bool(false)));
}

/// Whoever checks a file and whoever starts with it learn the same: everything at once, each in its line. Nothing was
/// started then.
#[test]
fn a_file_with_ten_mistakes_reports_ten() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = file(&folder, "callspan.yaml", TEN_MISTAKES);
    let expected = TEN_PROBLEMS.map(|problem| format!("{path}:{problem}"));
    let finished = Callspan::new(["validate", &path]).run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(78), ""));
    assert_eq!(finished.stderr.lines().collect::<Vec<_>>(), expected);

    let finished = Callspan::new(["serve", "--config", &path]).variable("CALLSPAN_LOG", "trace").run();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(78), ""));
    let told: Vec<&str> = finished.stderr.lines().collect();
    assert_eq!(told, expected.map(|problem| format!("callspan: {problem}")), "and not a word of a log");
}

/// Editors find with the schema what a schema can say: not who takes from whom, and not what an address is.
#[test]
fn the_schema_accepts_the_example_and_refuses_the_mistakes() {
    let folder = tempfile::tempdir().expect("a folder");
    let schema = Callspan::new(["schema"]).run().stdout;
    let Some(of_example) = schema::errors(&schema, Path::new(EXAMPLE)) else { return };
    assert_eq!(of_example, [[""; 0]], "one document, without an error");

    let ten = file(&folder, "callspan.yaml", TEN_MISTAKES);
    let errors = schema::errors(&schema, Path::new(&ten)).expect("the judge is there");
    let of_mistakes = ["graceful_shutdown_limit_secs", "sources.logs", "sources.other", "sources.tccc"];
    assert_eq!(errors, [[&of_mistakes[..], &["transforms.calls"]].concat()], "the parts that are wrong, and no other");

    for (mistake, is_refused) in [
        ("graceful_shutdown_limit_secs: 0", true),
        ("sources: { tccc: { type: http_server, adress: '127.0.0.1:8081' } }", true),
        ("sources: { tccc: { type: http_server, path: cdr } }", true),
        ("sources: { tccc: { type: http_server, limits: { connections_max: many } } }", true),
        ("sources: { logs: { type: file } }", true),
        ("sources: { other: { type: kafka } }", true),
        ("transforms: { calls: { type: plugin, inputs: [tcc] } }", false),
        ("transforms: { calls: { type: plugin, privacy: { email: hide } } }", true),
        ("sinks: { jaeger: { type: opentelemetry, endpoint: 'jaeger:4317' } }", false),
        ("sinks: { terminal: { type: console, inputs: [tccc] } }", false),
    ] {
        let path = file(&folder, "one.yaml", mistake);
        let errors = schema::errors(&schema, Path::new(&path)).expect("the judge is there");
        assert_eq!(!errors[0].is_empty(), is_refused, "{mistake}: {errors:?}");
        assert_eq!(validate(mistake).code, Some(78), "{mistake}");
    }
}

/// A typing mistake is told with what was meant, where it can be known.
#[test]
fn what_was_meant_is_suggested() {
    for (text, expected) in [
        ("surces: {}", "surces: unknown key; did you mean `sources`?"),
        ("admin: { adress: '127.0.0.1:1' }", "admin.adress: unknown key; did you mean `address`?"),
        (
            "transforms: { t: { type: plugin, privacy: { phones: mask } } }",
            "phones: unknown key; did you mean `phone`?",
        ),
        ("transforms: { t: { type: plugin, inputs: [tcc] } }", "`tcc` is no source; did you mean `tccc`?"),
    ] {
        let finished = validate(text);
        assert_eq!((finished.code, finished.stderr.lines().count()), (Some(78), 1), "{text}: {}", finished.stderr);
        assert!(finished.stderr.contains(expected), "{text}: {}", finished.stderr);
    }
}

/// Parts that do not fit together are told in words, and by the part that is wrong.
#[test]
fn wiring_that_does_not_hold_is_told_in_words() {
    let two_sources = "sources: { a: { type: stdin }, b: { type: http_server } }";
    for (text, expected) in [
        (
            format!("{two_sources}\ntransforms: {{ t: {{ type: plugin }} }}"),
            "2:15: transforms.t.inputs: missing; name what it takes from: there are a and b",
        ),
        (
            format!("{two_sources}\ntransforms: {{ t: {{ type: plugin, inputs: [a] }} }}"),
            "1:32: sources.b: nothing takes from it; name it in the `inputs` of a transform",
        ),
        (
            "sources: { a: { type: stdin } }\ntransforms: { a: { type: plugin, inputs: [a] } }".to_owned(),
            "2:15: transforms.a: the name is taken by a source; every component has a name of its own",
        ),
        (
            "transforms: { t: { type: plugin, inputs: [t] } }".to_owned(),
            "1:43: transforms.t.inputs[0]: `t` is this component itself",
        ),
        (
            "sources: { a: { type: http_server, address: '127.0.0.1:9464' } }".to_owned(),
            "admin.address: `127.0.0.1:9464` is taken by sources.a.address; listen on another port",
        ),
    ] {
        let finished = validate(&text);
        assert_eq!(finished.code, Some(78), "{text}");
        assert!(finished.stderr.lines().any(|line| line.contains(expected)), "{text}: {}", finished.stderr);
    }
}

/// Variables are put in where the process finds them: into texts, as numbers, with what counts where they are not set.
/// Two dollars are one.
#[test]
fn variables_reach_the_service() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new()
        .config(
            "sources:
  tccc:
    type: http_server
    address: 127.0.0.1:${CALLSPAN_TEST_PORT:-0}
    path: /${CALLSPAN_TEST_PATH}
    limits:
      body_records_max: ${CALLSPAN_TEST_RECORDS}
transforms:
  calls:
    type: plugin
    options: { service_name: '${CALLSPAN_TEST_EMPTY:-team} $${NAME} $5' }
",
        )
        .variable("CALLSPAN_TEST_PATH", "calls")
        .variable("CALLSPAN_TEST_RECORDS", "2")
        .variable("CALLSPAN_TEST_EMPTY", "")
        .export_to(backend.endpoint(Protocol::Grpc))
        .start();
    let push = |records: usize| {
        let body = vec![records::call("a"); records].join("\n");
        service.send(&Request::new("POST", "/calls").body(body)).status
    };
    assert_eq!((push(2), push(3)), (200, 413));
    assert_eq!(backend.take_export().spans[0].service(), "team ${NAME} $5");
}

/// The same configuration in TOML and in YAML: the same traces, the same limits.
#[test]
fn toml_and_yaml_mean_the_same() {
    let Some(backend) = Decoder::start() else { return };
    let yaml = "
sources:
  tccc: { type: http_server, address: '127.0.0.1:0', path: /calls, limits: { body_records_max: 1 } }
transforms:
  calls:
    type: plugin
    options: { phases: false, errors: none }
    resource: { deployment.environment.name: test }
    privacy: { phone: plain }
";
    let toml = "
[sources.tccc]
type = 'http_server'
address = '127.0.0.1:0'
path = '/calls'
limits.body_records_max = 1
[transforms.calls]
type = 'plugin'
options = { phases = false, errors = 'none' }
resource = { 'deployment.environment.name' = 'test' }
privacy.phone = 'plain'
";
    let behaviour = |name: &str, text: &str| {
        let service = Service::new().config_file(name, text).export_to(backend.endpoint(Protocol::Grpc)).start();
        let push = |body: &str| service.send(&Request::new("POST", "/calls").body(body));
        let answers = [records::TRANSFERRED, "{}{}", "no"].map(|body| push(body).body);
        (answers, backend.take_export().spans)
    };
    let (from_yaml, from_toml) = (behaviour("a.yaml", yaml), behaviour("a.toml", toml));
    assert_eq!(from_yaml, from_toml);
    let root = only(&from_yaml.1, "inbound call");
    assert_eq!(root.resource["deployment.environment.name"], "test");
    assert!(root.attribute("tccc.caller.number").as_str().is_some_and(|number| !number.contains('*')));
}

/// A secret stands in a file or in a variable, and is shown nowhere: not by `validate`, not in a log of everything, not
/// in an error about itself.
#[test]
fn a_secret_is_shown_nowhere() {
    let (password, token, key) = ("Password-of-9-lives", "Token-of-9-lives", "Key-of-9-lives-and-more");
    let folder = tempfile::tempdir().expect("a folder");
    let password_file = file(&folder, "password", &format!("{password}\n"));
    let token_file = file(&folder, "token", &format!("{token}\n"));
    let key_file = file(&folder, "key", key);
    let yaml = |endpoint: &Endpoint| {
        let protocol = if endpoint.protocol == Protocol::Grpc { "grpc" } else { "http/protobuf" };
        format!(
            "sources:
  tccc:
    type: http_server
    address: 127.0.0.1:0
    auth: {{ strategy: basic, username: vendor, password_file: {password_file} }}
transforms:
  calls: {{ type: plugin, privacy: {{ phone: hmac, hmac_key_file: {key_file} }} }}
sinks:
  backend:
    type: opentelemetry
    endpoint: {}
    protocol: {protocol}
    headers: {{ x-api-key: {{ file: {token_file} }}, authorization: 'Bearer ${{CALLSPAN_TEST_TOKEN}}' }}
",
            endpoint.url
        )
    };
    let login = STANDARD.encode(format!("vendor:{password}"));
    let assert_silent = |text: &str| {
        for secret in ["9-lives", &login] {
            let line = text.lines().find(|line| line.contains(secret));
            assert!(line.is_none(), "{secret} is in: {line:?}");
        }
    };

    for protocol in [Protocol::Grpc, Protocol::Http] {
        let Some(backend) = Decoder::start() else { return };
        let yaml = yaml(&backend.endpoint(protocol));
        let path = file(&folder, "callspan.yaml", &yaml);
        let finished = Callspan::new(["validate", &path])
            .variable("CALLSPAN_TEST_TOKEN", token)
            .variable("CALLSPAN_LOG", "trace")
            .run();
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        assert_silent(&format!("{}{}", finished.stdout, finished.stderr));

        let mut service = Service::new()
            .config(&yaml)
            .variable("CALLSPAN_TEST_TOKEN", token)
            .variable("CALLSPAN_LOG", "trace")
            .start();
        let push = Request::push(records::SEED).header("Authorization", &format!("Basic {login}"));
        assert_eq!(service.send(&push).status, 200);
        let headers = backend.take_export().headers;
        assert_eq!(
            (&headers["x-api-key"], &headers["authorization"]),
            (&json!(token), &json!(format!("Bearer {token}")))
        );
        backend.answer(Cue::Refused);
        assert_ne!(service.send(&push).status, 200);
        drop(backend);
        assert_ne!(service.send(&push).status, 200);
        assert_silent(&service.ask("/metrics").body);
        assert_silent(&service.ask("/readyz").body);
        assert!(service.terminate().success());
        assert!(service.log().contains(r#""level":"TRACE""#), "it is a log of everything");
        assert_silent(&service.log());
    }
}

/// Also where a secret stands in a wrong place, or is none that can be used.
#[test]
fn an_error_about_a_secret_does_not_show_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = file(&folder, "broken", "of-9-\u{7}lives");
    let text = format!(
        "sources:
  tccc:
    type: http_server
    address: ${{CALLSPAN_TEST_SECRET}}
    limits: {{ body_records_max: '${{CALLSPAN_TEST_SECRET}}' }}
    auth:
      - {{ strategy: '${{CALLSPAN_TEST_SECRET}}', username: 'a:b' }}
      - {{ strategy: basic, username: 'a:b', password: [ '${{CALLSPAN_TEST_SECRET}}' ] }}
      - {{ strategy: hmac, secret: '${{CALLSPAN_TEST_SECRET}}' }}
transforms:
  calls: {{ type: plugin, privacy: {{ phone: '${{CALLSPAN_TEST_SECRET}}', hmac_key_file: '/no/${{CALLSPAN_TEST_SECRET}}' }} }}
sinks:
  backend: {{ type: opentelemetry, endpoint: '${{CALLSPAN_TEST_SECRET}}', headers: {{ x-api-key: {{ file: {broken} }} }} }}
  other: {{ type: opentelemetry, inputs: ['${{CALLSPAN_TEST_SECRET}}'] }}
"
    );
    let path = file(&folder, "callspan.yaml", &text);
    for command in [["validate", &path].as_slice(), &["serve", "--config", &path]] {
        let start = command.iter().skip(1).fold(Callspan::new([command[0]]), |it, argument| it.arguments([*argument]));
        let finished = start.variable("CALLSPAN_TEST_SECRET", "of-9-lives").variable("CALLSPAN_LOG", "trace").run();
        assert_eq!(finished.code, Some(78));
        assert!(finished.stderr.lines().count() >= 8, "{}", finished.stderr);
        assert!(!finished.stderr.contains("9-"), "{}", finished.stderr);
    }
}

fn validate(text: &str) -> Finished {
    let folder = tempfile::tempdir().expect("a folder");
    Callspan::new(["validate", &file(&folder, "callspan.yaml", text)]).run()
}

fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("it is written");
    path.display().to_string()
}
