//! What is told of a configuration that is wrong.

use super::*;

#[test]
fn a_configuration_with_ten_mistakes_reports_ten() {
    let text = "
graceful_shutdown_limit_secs: 0
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
    assert_eq!(
        problems(text),
        [
            "2: graceful_shutdown_limit_secs: expected a whole number from 1 to 3600, not the number `0`",
            "6: sources.tccc.adress: unknown key; did you mean `address`?",
            "7: sources.tccc.path: expected a path that begins with a slash and has no query, not `cdr`",
            "8: sources.tccc.limits.connections_max: expected a whole number from 1 to 1000000, not `many`",
            "9: sources.logs.include: missing; expected a list of file names or patterns like [/var/log/calls/*.ndjson]",
            "10: sources.other.type: expected http_server, opentelemetry, file or stdin, not `kafka`",
            "14: transforms.calls.inputs[3]: `tcc` is no source; did you mean `tccc`?",
            "15: transforms.calls.privacy.email: expected mask, hmac, plain or drop, not `hide`",
            "17: sinks.jaeger.endpoint: expected an address that begins with http:// or https://, such as http://localhost:4317",
            "18: sinks.terminal.inputs[0]: `tccc` is a source; a sink takes from transforms",
        ]
    );
}

#[test]
fn a_problem_is_one_line_with_its_place() {
    let config = Config::parse("admin:\n  port: 1\n", Format::Yaml, &variable).expect("it is YAML");
    let config = Config { file: Some("a/b.yaml".into()), ..config };
    let error = config.plan(&Overrides::default(), &variable).expect_err("a key is unknown");
    assert_eq!(error.to_string(), "a/b.yaml:2:3: admin.port: unknown key; there are enabled and address");
}

#[test]
fn wiring_that_does_not_hold_is_told_in_words() {
    let wired = |transforms: &str, sinks: &str| {
        problems(&format!("sources: {{ a: {{ type: stdin }}, b: {{ type: http_server }} }}\n{transforms}\n{sinks}"))
    };
    let (good, good_sink) =
        ("transforms: { t: { type: plugin, inputs: [a, b] } }", "sinks: { s: { type: console, inputs: [t] } }");
    for (transforms, sinks, expected) in [
        (
            "transforms: { t: { type: plugin } }",
            good_sink,
            "2: transforms.t.inputs: missing; name what it takes from: there are a and b",
        ),
        (
            "transforms: { t: { type: plugin, inputs: [a] } }",
            good_sink,
            "1: sources.b: nothing takes from it; name it in the `inputs` of a transform",
        ),
        (
            "transforms: { t: { type: plugin, inputs: [t, a, b] } }",
            good_sink,
            "2: transforms.t.inputs[0]: `t` is this component itself",
        ),
        (
            "transforms: { t: { type: plugin, inputs: [s, a, b] } }",
            good_sink,
            "2: transforms.t.inputs[0]: `s` is a sink; a transform takes from sources",
        ),
        (
            "transforms: { t: { type: plugin, inputs: [a, b, a] } }",
            good_sink,
            "2: transforms.t.inputs[2]: `a` is named twice",
        ),
        (
            "transforms: { t: { type: plugin, inputs: [] } }",
            good_sink,
            "2: transforms.t.inputs: it takes from nothing; there are a and b",
        ),
        (
            "transforms: { t: { type: plugin, inputs: a } }",
            good_sink,
            "2: transforms.t.inputs: expected a list, not a single value",
        ),
        (
            good,
            "sinks: { a: { type: console } }",
            "3: sinks.a: the name is taken by a source; every component has a name of its own",
        ),
        (
            good,
            "sinks: { 'a b': { type: console } }",
            "3: sinks.\"a b\": a name is 1 to 64 letters, digits, dashes and underscores",
        ),
        (good, "sinks: { s: { inputs: [t] } }", "3: sinks.s.type: missing; there are opentelemetry, file and console"),
        (good, "sinks: [s]", "3: sinks: expected a table of sinks, each under a name of its own"),
        (
            "transforms: { t: { type: plugin, inputs: [a, b] }, u: { type: plugin, inputs: [a] } }",
            good_sink,
            "2: transforms.u: nothing takes from it; name it in the `inputs` of a sink",
        ),
    ] {
        assert_eq!(wired(transforms, sinks), [expected], "{transforms} {sinks}");
    }
    let circle = "transforms: { t: { type: plugin, inputs: [u, a] }, u: { type: plugin, inputs: [t, b] } }";
    assert_eq!(wired(circle, "sinks: { s: { type: console, inputs: [t, u] } }").len(), 2);
}

#[test]
fn what_can_be_had_once_is_not_given_twice() {
    assert_eq!(
        problems("sources: { a: { type: stdin }, b: { type: stdin } }"),
        ["1: sources.b: there is one standard input, and another source reads it already"]
    );
    assert_eq!(
        problems(
            "sources:\n  a: { type: http_server }\n  b: { type: opentelemetry, http: { address: '0.0.0.0:8080' } }"
        ),
        ["3: sources.b.http.address: `0.0.0.0:8080` is taken by sources.a.address; listen on another port"]
    );
    assert_eq!(
        problems("admin: { address: '127.0.0.1:8080' }"),
        ["1: admin.address: `127.0.0.1:8080` is taken by sources.tccc.address; listen on another port"]
    );
}

#[test]
fn each_kind_of_mistake_has_words_of_its_own() {
    for (text, expected) in [
        ("[]", "1: : expected a table of options, not a list"),
        ("admin: { enabled: 'true' }", "1: admin.enabled: expected true or false, not `true`"),
        ("admin: { enabled: yes }", "1: admin.enabled: expected true or false, not `yes`"),
        (
            "data_dir: 5",
            "1: data_dir: expected the path of a file, not the number `5`; put it in quotes to make it a text",
        ),
        (
            "sources: { a: { type: opentelemetry } }",
            "1: sources.a: nothing to listen on; set `grpc.address`, `http.address` or both",
        ),
        (
            "sources: { a: { type: opentelemetry, grpc: {} } }",
            "1: sources.a.grpc.address: missing; expected an address and a port like 127.0.0.1:4327",
        ),
        (
            "sources: { a: { type: file, include: [] } }",
            "1: sources.a.include: expected at least one file name or pattern",
        ),
        (
            "sources: { a: { type: file, include: ['a***'] } }",
            "1: sources.a.include[0]: this is no pattern of file names: wildcards are either regular `*` or recursive `**`",
        ),
        (
            "sources: { a: { type: http_server, method: post } }",
            "1: sources.a.method: expected HEAD, GET, POST, PUT, PATCH or DELETE, not `post`",
        ),
        (
            "sources: { a: { type: http_server, auth: { strategy: basic, username: u } } }",
            "1: sources.a.auth.password: missing; expected `password` or `password_file`",
        ),
        (
            "sources: { a: { type: http_server, auth: { strategy: basic, username: 'a:b', password: w } } }",
            "1: sources.a.auth.username: a user's name has no colon, which is what divides it from the password",
        ),
        (
            "sources: { a: { type: http_server, auth: { strategy: basic, username: u, password: w, password_file: /f } } }",
            "1: sources.a.auth.password_file: there is `password` too; leave one of the two out",
        ),
        (
            "transforms: { a: { type: plugin, privacy: { phone: hmac } } }",
            "1: transforms.a.privacy: class phone is `hmac`, but there is no key; set privacy.hmac_key_file or the variable CALLSPAN_HMAC_KEY",
        ),
        (
            "transforms: { a: { type: plugin, privacy: { default_country: china } } }",
            "1: transforms.a.privacy.default_country: a default country is a calling code of 1 to 3 digits, like 86",
        ),
        (
            "transforms: { a: { type: plugin, resource: { a.b: [x] } } }",
            "1: transforms.a.resource.\"a.b\": expected a text, not a list",
        ),
        ("sinks: { a: { type: file } }", "1: sinks.a.path: missing; expected the path of a file"),
        (
            "sinks: { a: { type: opentelemetry, headers: { 'a b': c } } }",
            "1: sinks.a.headers: the name of a header is not one that HTTP allows",
        ),
        (
            "sinks: { a: { type: opentelemetry, request: { timeout_secs: 601 } } }",
            "1: sinks.a.request.timeout_secs: expected a whole number from 1 to 600, not the number `601`",
        ),
        ("queue: { durability: disk }", "1: queue.durability: expected fsync, interval or memory, not `disk`"),
        (
            "queue: { sync_interval_ms: 100 }",
            "1: queue.sync_interval_ms: it is only for `durability: interval`; leave it out",
        ),
        (
            "queue: { durability: memory, sync_interval_ms: 100 }",
            "1: queue.sync_interval_ms: it is only for `durability: interval`; leave it out",
        ),
        (
            "queue: { keep: soon }",
            "1: queue.keep: expected a time like 7d, 12h or 90s, of at most 10 years, not `soon`",
        ),
        (
            "queue: { dedupe: { window: 90 } }",
            "1: queue.dedupe.window: expected a time like 7d, 12h or 90s, of at most 10 years, not the number `90`",
        ),
        (
            "queue: { dead_letters: { max_size: 8589934592 } }",
            "1: queue.dead_letters.max_size: expected less than queue.max_size, which is `8589934592`",
        ),
        (
            "queue: { dedupe: { same_session: last } }",
            "1: queue.dedupe.same_session: expected first or latest, not `last`",
        ),
        (
            "sinks: { a: { type: console, start_from: begin } }",
            "1: sinks.a.start_from: expected now or earliest, not `begin`",
        ),
        (
            "sinks: { a: { type: console, when_full: block } }",
            "1: sinks.a.when_full: expected reject or drop_oldest, not `block`",
        ),
        (
            "sinks: { a: { type: console, batch: { timeout_secs: 5ms } } }",
            "1: sinks.a.batch.timeout_secs: expected a number of seconds from 0 to 60, not `5ms`",
        ),
        ("data_dir: ${NOT_SET}", "1: data_dir: the variable NOT_SET is not set; set it, or write ${NOT_SET:-default}"),
    ] {
        assert_eq!(problems(text), [expected], "{text}");
    }
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    for (text, line) in [("a: [", 1), ("sources: {}\nsinks: {}\nsources: {}\n", 3), ("a: 1\n---\nb: 1\n", 2)] {
        let error = plan(text).expect_err("it is refused");
        let lines: Vec<_> = error.problems().iter().map(|problem| problem.line).collect();
        assert!(lines.first().copied().flatten().is_some_and(|found| found >= line), "{error}");
    }
}

#[test]
fn no_message_shows_what_a_variable_holds() {
    let text = "
graceful_shutdown_limit_secs: ${SECRET}
data_dir: ['${SECRET}']
admin: { enabled: '${SECRET}', address: '${SECRET}' }
sources:
  a: { type: '${SECRET}' }
  b: { type: http_server, path: '${SECRET}', method: '${SECRET}', auth: '${SECRET}' }
  c: { type: http_server, address: '127.0.0.1:0', auth: { strategy: '${SECRET}', username: 'u:${SECRET}', password_file: '${SECRET}' } }
  d: { type: file, include: ['[${SECRET}'] }
transforms:
  t: { type: plugin, inputs: ['${SECRET}', '${SECRET}'], privacy: { phone: '${SECRET}', default_country: '${SECRET}', hmac_key_file: '/${SECRET}' } }
sinks:
  s: { type: opentelemetry, endpoint: '${SECRET}', protocol: '${SECRET}', headers: '${SECRET}' }
  u: { type: opentelemetry, headers: { 'a b': '${SECRET}' }, start_from: '${SECRET}', batch: { timeout_secs: '${SECRET}' } }
queue: { durability: '${SECRET}', keep: '${SECRET}', encryption_key_file: '/${SECRET}' }
";
    let found = problems(text);
    assert!(found.len() >= 21, "{found:#?}");
    assert!(!found.iter().any(|problem| problem.contains(SECRET)), "{found:#?}");
    assert!(found.iter().any(|problem| problem.contains("the value of ${SECRET}")), "{found:#?}");
}

#[test]
fn what_is_wrong_with_the_environment_is_told_by_its_name() {
    let variable = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_COMPRESSION" => Some("brotli".to_owned()),
        name => variable(name),
    };
    let config =
        Config::parse("sinks: { a: { type: opentelemetry }, b: { type: opentelemetry } }", Format::Yaml, &variable);
    let error = config.expect("it is YAML").plan(&Overrides::default(), &variable).expect_err("there is no brotli");
    assert_eq!(error.to_string(), "OTEL_EXPORTER_OTLP_COMPRESSION: no such compression; there are none, gzip and zstd");
}

#[test]
fn a_message_is_one_line_and_there_are_not_too_many() {
    let found = problems("data_dir: { a: 1 }\nadmin: { enabled: \"a\\nb\\e[1m\" }\n");
    assert_eq!(
        found.last().map(String::as_str),
        Some("2: admin.enabled: expected true or false, not `a\\nb\\u{1b}[1m`")
    );
    let unknown: String = (0..2000).map(|number| format!("key{number}: 1\n")).collect();
    assert_eq!(problems(&unknown).len(), 1000);
}

#[test]
fn a_variable_that_yaml_takes_for_a_table_is_told_to_be_quoted() {
    let told = problems("admin: { address: ${ADDRESS} }");
    assert!(told.iter().all(|problem| problem.contains("put quotes around \"${…}\"")), "{told:?}");
    assert!(!problems("admin: { address: } }").concat().contains("quotes"));
}
