//! Whole configurations: what they plan, and what is told of those that are wrong.

mod auth;
mod example;
mod limits;
mod mistakes;
mod queue;
mod requests;

use super::plan::{ConsoleCodec, Plan, SinkKind, SourcePlan};
use super::privacy::HMAC_KEY;
use super::*;
use crate::intake::http_server::auth::{AuthSettings, Way};
use crate::transform::{Settings, Source};
use proptest::prelude::*;

/// A value that no message may show.
const SECRET: &str = "s3cr3t-w0rd";

fn variable(name: &str) -> Option<String> {
    match name {
        "SECRET" => Some(SECRET.to_owned()),
        "PORT" => Some("9000".to_owned()),
        "HOME" => Some("/home/somebody".to_owned()),
        _ => None,
    }
}

fn plan(text: &str) -> Result<Plan, ConfigError> {
    Config::parse(text, Format::Yaml, &variable)?.plan(&Overrides::default(), &variable)
}

fn planned(text: &str) -> Plan {
    plan(text).unwrap_or_else(|error| panic!("{error}"))
}

/// How an option stands in a file, its name, values that it may have, and values that it may not.
type Bounds<'b> = (&'b dyn Fn(&str, &str) -> String, &'b str, &'b [&'b str], &'b [&'b str]);

fn assert_bounds_hold(rows: &[Bounds<'_>]) {
    for (in_file, option, good, bad) in rows {
        for value in *good {
            let text = in_file(option, value);
            assert!(plan(&text).is_ok(), "{text}: {:?}", plan(&text).err());
        }
        for value in *bad {
            let found = problems(&in_file(option, value));
            assert!(found.len() == 1 && found[0].contains(&format!("{option}: expected ")), "{value}: {found:?}");
        }
    }
}

/// The problems, as `LINE: path: message`.
fn problems(text: &str) -> Vec<String> {
    let error = plan(text).expect_err("something is wrong with it");
    let line = |problem: &Problem| problem.line.map_or("-".to_owned(), |line| line.to_string());
    error.problems().iter().map(|problem| format!("{}: {}: {}", line(problem), problem.path, problem.message)).collect()
}

/// Of the one user.
fn password(auth: &AuthSettings) -> Option<String> {
    let [Way::Basic(user)] = auth.ways.as_slice() else { return None };
    user.password.current.read().ok().map(|password| password.expose().to_owned())
}

#[test]
fn an_empty_file_serves() {
    for text in ["", "{}", "# nothing\n", "---\n", "sources:\ntransforms:\nsinks: {}\n"] {
        let plan = planned(text);
        let [source] = plan.sources.as_slice() else { panic!("one source") };
        let [transform] = plan.transforms.as_slice() else { panic!("one transform") };
        let [sink] = plan.sinks.as_slice() else { panic!("one sink") };
        assert_eq!((source.name.as_str(), transform.name.as_str(), sink.name.as_str()), ("tccc", "calls", "backend"));
        assert_eq!((&transform.inputs, &sink.inputs), (&vec!["tccc".to_owned()], &vec!["calls".to_owned()]));
        let SourcePlan::HttpServer { address, settings, .. } = &source.plan else { panic!("an http_server") };
        assert_eq!((*address, settings.as_ref()), (ADDRESS_DEFAULT, &crate::intake::http_server::Settings::default()));
        assert_eq!(plan.graceful_shutdown_limit, Duration::from_secs(25));
        assert_eq!(plan.admin, "127.0.0.1:9464".parse().ok());
    }
}

#[test]
fn every_part_can_be_configured() {
    let plan = planned(
        "
data_dir: /data
graceful_shutdown_limit_secs: 5
admin: { enabled: false }
sources:
  tccc:
    type: http_server
    address: 127.0.0.1:${PORT}
    path: /cdr
    method: PUT
    auth: { strategy: basic, username: tccc, password: '${SECRET}' }
    limits: { body_bytes_max: 7 }
  otlp: { type: opentelemetry, grpc: { address: '[::1]:4327' }, limits: { connections_max: 3 } }
  logs: { type: file, include: ['/logs/*.json'], read_from: end }
  input: { type: stdin }
transforms:
  calls:
    type: plugin
    inputs: [tccc, otlp]
    plugin: /a/plugin.wasm
    options:
      phases: false
      depth: ${PORT}
      text: '${PORT}'
    resource: { deployment.environment.name: test }
  more: { type: plugin, inputs: [logs, input], privacy: { phone: drop, default_country: '86' } }
sinks:
  jaeger:
    type: opentelemetry
    inputs: [calls, more]
    endpoint: http://jaeger:4318
    protocol: http/protobuf
    compression: gzip
    headers: { authorization: 'Bearer ${SECRET}' }
    request: { timeout_secs: 3 }
  archive: { type: file, inputs: [more], path: /data/traces.jsonl }
  terminal: { type: console, inputs: [calls], encoding: { codec: json } }
",
    );
    assert_eq!((plan.admin, plan.graceful_shutdown_limit), (None, Duration::from_secs(5)));
    let types: Vec<_> = plan.sources.iter().map(|source| source.plan.type_name()).collect();
    assert_eq!(types, ["http_server", "opentelemetry", "file", "stdin"]);
    let SourcePlan::HttpServer { address, settings, .. } = &plan.sources[0].plan else { panic!("an http_server") };
    assert_eq!((address.port(), settings.path.as_str(), settings.body_bytes_max), (9000, "/cdr", 7));
    assert_eq!(password(&settings.auth).as_deref(), Some(SECRET));
    let SourcePlan::Opentelemetry { grpc, http, settings, connections } = &plan.sources[1].plan else {
        panic!("an opentelemetry")
    };
    assert_eq!(
        (grpc.as_ref().map(|grpc| grpc.address.port()), http.is_some(), connections.connections_max),
        (Some(4327), false, 3)
    );
    assert_eq!(*settings, crate::intake::opentelemetry::Settings::default());
    let SourcePlan::File(settings) = &plan.sources[2].plan else { panic!("a file") };
    assert_eq!(settings.checkpoints, Path::new("/data/logs/checkpoints.json"));
    assert_eq!(plan.transforms[0].plan.plugin, Source::File("/a/plugin.wasm".into()));
    assert_eq!(plan.transforms[0].plan.settings.options, r#"{"depth":9000,"phases":false,"text":"9000"}"#);
    assert_eq!(plan.transforms[0].plan.settings.resource.len(), 1);
    assert_eq!(plan.transforms[1].inputs, ["logs", "input"]);
    let SinkKind::Opentelemetry(backend) = &plan.sinks[0].plan.kind else { panic!("an opentelemetry") };
    assert_eq!(backend.endpoint.to_string(), "http://jaeger:4318/v1/traces");
    assert!(matches!(plan.sinks[2].plan.kind, SinkKind::Console { codec: ConsoleCodec::Json, .. }));
    assert!(!format!("{plan:?}").contains(SECRET), "{plan:?}");
}

#[test]
fn toml_says_the_same_as_yaml() {
    let toml = "
graceful_shutdown_limit_secs = '${PORT_NOT_SET:-7}'
[sources.tccc]
type = 'http_server'
address = '127.0.0.1:${PORT}'
[sinks.terminal]
type = 'console'
";
    let yaml = "
graceful_shutdown_limit_secs: 7
sources: { tccc: { type: http_server, address: '127.0.0.1:9000' } }
sinks: { terminal: { type: console } }
";
    let config = Config::parse(toml, Format::Toml, &variable).expect("it is TOML");
    let from_toml = config.plan(&Overrides::default(), &variable).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(format!("{from_toml:?}"), format!("{:?}", planned(yaml)));
}

#[test]
fn a_name_of_toml_ends_in_toml() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("a.toml", "[sources]"), ("a.yaml", "sources: {}"), ("a.json", "{\"sources\": {}}")] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        assert!(Config::read(&path, &variable).is_ok(), "{name}");
    }
    let error = Config::read(&folder.path().join("none.yaml"), &variable).expect_err("there is none");
    assert!(error.to_string().contains("none.yaml: failed to read it"), "{error}");
}

#[test]
fn the_one_component_before_is_taken_from_where_inputs_are_left_out() {
    let plan = planned("sources: { a: { type: stdin } }\nsinks: { b: { type: console } }\n");
    assert_eq!(
        (plan.transforms[0].inputs.as_slice(), plan.sinks[0].inputs.as_slice()),
        (&["a".to_owned()][..], &["calls".to_owned()][..])
    );
    let plan = planned("sources: { a: { type: stdin }, b: { type: http_server } }");
    assert_eq!(plan.transforms[0].inputs, ["a", "b"]);
    let found =
        problems("sources: { a: { type: stdin }, b: { type: http_server } }\ntransforms: { t: { type: plugin } }");
    assert_eq!(found, ["2: transforms.t.inputs: missing; name what it takes from: there are a and b"]);
}

#[test]
fn a_default_component_can_be_named_and_keeps_out_of_the_way() {
    let plan = planned("transforms: { t: { type: plugin, inputs: [tccc] } }");
    assert_eq!(
        (plan.sources[0].name.as_str(), plan.transforms[0].inputs.as_slice()),
        ("tccc", &["tccc".to_owned()][..])
    );
    let plan = planned("transforms: { tccc: { type: plugin } }");
    assert_eq!(
        (plan.sources[0].name.as_str(), plan.transforms[0].inputs.as_slice()),
        ("tccc_", &["tccc_".to_owned()][..])
    );
}

#[test]
fn the_command_line_wins() {
    let overrides = Overrides {
        address: "127.0.0.1:1".parse().ok(),
        plugin: Some("/b.wasm".to_owned()),
        options: Some("{}".to_owned()),
        privacy: Some("drop".to_owned()),
        graceful_shutdown_limit: Some(Duration::from_secs(1)),
        ..Overrides::default()
    };
    let plan =
        |text: &str| Config::parse(text, Format::Yaml, &variable).and_then(|config| config.plan(&overrides, &variable));
    let planned = plan("transforms: { a: { type: plugin, plugin: /a.wasm, options: { a: 1 } } }").expect("it is right");
    assert!(matches!(planned.sources[0].plan, SourcePlan::HttpServer { address, .. } if address.port() == 1));
    assert_eq!(planned.transforms[0].plan.plugin, Source::File("/b.wasm".into()));
    assert_eq!(planned.transforms[0].plan.settings.options, "{}");
    assert_eq!(planned.graceful_shutdown_limit, Duration::from_secs(1));
    let two = "sources: { a: { type: http_server }, b: { type: http_server, address: '127.0.0.1:81' } }";
    for text in [two, "sources: { a: { type: stdin } }"] {
        let error = plan(text).expect_err("it is not clear whose address it is");
        assert!(error.to_string().contains("--address: "), "{error}");
    }
}

#[test]
fn one_transform_can_be_planned_alone() {
    let transform = |text: &str, name: Option<&str>| {
        let config = Config::parse(text, Format::Yaml, &variable)?;
        config.plan_transform(name, &Overrides::default(), &variable)
    };
    assert_eq!(transform("", None).expect("the default").plugin, Source::Builtin);
    // What is wrong elsewhere is in nobody's way.
    let two = "
transforms: { a: { type: plugin, plugin: /a.wasm }, b: { type: plugin, plugin: /b.wasm } }
sinks: { x: { type: opentelemetry, headers: { key: '${NOT_SET}' }, protocol: thrift } }
data_dir: '${NOT_SET}'
";
    assert_eq!(transform(two, Some("b")).expect("it is there").plugin, Source::File("/b.wasm".into()));
    assert!(transform(two, None).expect_err("there are two").to_string().contains("a and b"));
    assert!(transform(two, Some("c")).expect_err("there is none").to_string().contains("--transform"));
    for wrong in [
        "transforms: { a: { type: plugin, privacy: { phone: hide } } }",
        "transforms: { a: { type: plugin, plugin: '${NOT_SET}' } }",
        "transfroms: {}",
    ] {
        assert!(transform(wrong, None).is_err(), "{wrong}");
    }
}

#[test]
fn without_the_environment_only_the_file_is_looked_at() {
    let text = "
sources:
  a: { type: http_server, address: '${ADDRESS}', path: '${PATH_}', auth: { strategy: basic, username: '${USER_}', password: '${WORD}' } }
  b: { type: file, include: ['${LOGS}'] }
  c: { type: http_server, address: '127.0.0.1:81', auth: { strategy: basic, username: u, password_file: /none } }
transforms: { t: { type: plugin, inputs: [a, b, c], privacy: { phone: hmac, hmac_key_file: /none } } }
sinks: { x: { type: opentelemetry, endpoint: '${BACKEND}', headers: { key: { file: /none } } } }
";
    let parse = || Config::parse(text, Format::Yaml, &|_| None).expect("it is YAML");
    assert!(parse().plan(&Overrides::default(), &|_| None).is_err());
    let plan = parse().without_environment().plan(&Overrides::default(), &|_| None);
    assert_eq!(plan.map(|plan| plan.sources.len()).map_err(|error| error.to_string()), Ok(3));
    let wrong = Config::parse("admin: { enabled: '${ON}', port: 1 }", Format::Yaml, &|_| None).expect("it is YAML");
    let error = wrong.without_environment().plan(&Overrides::default(), &|_| None).expect_err("a key is unknown");
    assert_eq!(error.problems().len(), 1, "{error}");
}

#[test]
fn secrets_are_read_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("it is written");
        path.display().to_string()
    };
    let (good, empty, binary) = (file("good", b"word\n"), file("empty", b"\n"), file("binary", b"\xff\xfe"));
    let with = |path: &str| {
        plan(&format!(
            "sources: {{ a: {{ type: http_server, auth: {{ strategy: basic, username: u, password_file: '{path}' }} }} }}"
        ))
    };
    let SourcePlan::HttpServer { settings, .. } = &with(&good).expect("it is right").sources[0].plan else {
        panic!("an http_server")
    };
    assert_eq!(password(&settings.auth).as_deref(), Some("word"));
    for path in [empty.as_str(), binary.as_str(), "/none", "${SECRET}"] {
        let error = with(path).expect_err(path);
        assert!(error.to_string().contains("password_file: ") && !error.to_string().contains(SECRET), "{error}");
    }
    let key = |name: &str| if name == HMAC_KEY { Some("sixteen bytes or more".to_owned()) } else { variable(name) };
    let config = Config::parse("transforms: { a: { type: plugin, privacy: { phone: hmac } } }", Format::Yaml, &key);
    assert!(config.expect("it is YAML").plan(&Overrides::default(), &key).is_ok());
}

#[test]
fn what_serves_by_default_is_what_types_say_they_default_to() {
    let settings = &planned("").transforms[0].plan.settings.clone();
    let default = Settings::default();
    assert_eq!(
        format!("{:?} {:?}", settings.policy, settings.limits),
        format!("{:?} {:?}", default.policy, default.limits)
    );
}

proptest! {
    #[test]
    fn no_text_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        for format in [Format::Yaml, Format::Toml] {
            if let Ok(config) = Config::parse(&text, format, &variable) {
                let _planned = config.plan(&Overrides::default(), &variable);
            }
        }
    }

    #[test]
    fn no_change_of_the_example_panics(at in 0..example::EXAMPLE.len(), length in 0_usize..40, new in "[ \n:{}\\[\\]#&*$'a1-]{0,3}") {
        let kept = |range: std::ops::Range<usize>| String::from_utf8_lossy(&example::EXAMPLE.as_bytes()[range]);
        let end = (at + length).min(example::EXAMPLE.len());
        let text = format!("{}{new}{}", kept(0..at), kept(end..example::EXAMPLE.len()));
        if let Ok(config) = Config::parse(&text, Format::Yaml, &variable) {
            let _planned = config.plan(&Overrides::default(), &variable);
        }
    }

    #[test]
    fn no_text_of_the_right_characters_panics(text in "([a-c:\\-?&*!|>'\"\\[\\]{},$\n =.#%@~0-9]|\\$\\{|sources|type|: |\n  |- ){0,60}") {
        for format in [Format::Yaml, Format::Toml] {
            if let Ok(config) = Config::parse(&text, format, &variable) {
                let _planned = config.plan(&Overrides::default(), &variable);
            }
        }
    }
}
