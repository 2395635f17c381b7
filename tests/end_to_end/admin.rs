//! Whoever looks after the service sees whether it works, and where every record went, and nothing of what is in one.

use callspan_tests::{Callspan, Cue, Decoder, Protocol, Request, Service, records, wait_until};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

const RECEIVED: &str = "callspan_component_received_events_total";
const SETTLED: &str = "callspan_component_settled_events_total";
const ERRORS: &str = "callspan_component_errors_total";

/// Prometheus reads it: every sample belongs to a metric that was declared above it with a type and a help text, and
/// carries a prefix that no other program has.
#[test]
fn metrics_are_what_prometheus_reads() {
    let Some(Fixture { service, backend: _backend }) = Fixture::start() else { return };
    assert_eq!(service.push(records::SEED).status, 200);
    assert_eq!(service.push("no record").status, 400);
    let reply = service.ask("/metrics");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let (mut types, mut helped, mut samples) = (BTreeMap::new(), BTreeSet::new(), 0);
    for line in reply.body.lines() {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["#", "HELP", name, help, ..] if !help.is_empty() => assert!(helped.insert(*name), "{name} stands twice"),
            ["#", "TYPE", name, kind @ ("counter" | "gauge" | "histogram")] => {
                assert!(types.insert(*name, *kind).is_none(), "{name} stands twice");
            }
            _ => {
                samples += 1;
                let sample = Sample::of(line);
                let parts = ["_bucket", "_sum", "_count"].iter().find_map(|part| sample.name.strip_suffix(part));
                let of_histogram = parts.filter(|name| types.get(name) == Some(&"histogram"));
                let name = of_histogram.unwrap_or(sample.name);
                assert!(types.contains_key(name) && helped.contains(name), "no type or no help for {line}");
                assert!(name.starts_with("callspan_"), "{line}");
                assert!(types[name] != "counter" || name.ends_with("_total"), "{line}");
                assert!(sample.labels.contains_key("component_id"), "whose is {line}");
            }
        }
    }
    assert!(samples > 30 && types.len() > 8, "{}", reply.body);
}

/// Good records, records that are refused by the mapping and by the backend, records that are to come again: each source
/// can say of every record it received what became of it, and what went wrong is counted by its code.
#[test]
fn every_record_is_accounted_for() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new()
        .config(
            "sources:
  one: { type: http_server, address: '127.0.0.1:0' }
  two: { type: http_server, address: '127.0.0.1:0' }
transforms: { calls: { type: plugin, inputs: [one, two] } }
",
        )
        .export_to(backend.endpoint(Protocol::Grpc))
        .start();
    let two = service.addresses_of("two").remove(0);
    let push = |body: &str| service.push(body).status;
    assert_eq!(push(&[records::call("a"), records::call("b"), records::call("c")].join("\n")), 200);
    assert_eq!(push(&[records::call("d"), "{torn".to_owned()].join("\n")), 400);
    assert_eq!(push("{}"), 422);
    assert_eq!(push(r#"{"SessionId":"no time"}"#), 422);
    backend.answer_next(1, Cue::Refused);
    assert_eq!(push(&records::call("refused by the backend")), 422);
    // For longer than the service tries by itself. Whoever comes again before is told to wait.
    backend.answer_next(1, Cue::Throttled(3));
    assert_eq!(push(&records::call("to come again")), 503);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(push(&records::call("to come again")), 200);
    assert_eq!(Request::push(records::call("e")).send(&two).status, 200);
    assert_eq!(Request::push("nonsense").send(&two).status, 400);
    assert_eq!(Request::new("GET", "/").send(&two).status, 405);

    let settled = |source: &str| {
        ["acknowledged", "rejected", "to_be_retried", "abandoned"].map(|settlement| {
            let labels = [&format!(r#"component_id="{source}""#)[..], &format!(r#"settlement="{settlement}""#)];
            service.metric(SETTLED, &labels)
        })
    };
    assert_eq!((settled("one"), settled("two")), ([5.0, 4.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]));
    for source in ["one", "two"] {
        let received = service.metric(RECEIVED, &[&format!(r#"component_id="{source}""#)]);
        assert_eq!(received, settled(source).iter().sum::<f64>(), "{source}");
    }
    assert_eq!(service.metric("callspan_buffer_size_events", &[]), 0.0, "nothing is left");
    // What the stages behind received, they passed on, or discarded, or gave back.
    let total = |kind: &str, metric: &str| service.metric(metric, &[&format!(r#"component_kind="{kind}""#)]);
    let (sent, discarded) = ("callspan_component_sent_events_total", "callspan_component_discarded_events_total");
    assert_eq!(total("transform", RECEIVED), total("transform", sent) + total("transform", discarded));
    let given_back = service.metric("callspan_given_back_events_total", &[]);
    assert_eq!(total("sink", RECEIVED), total("sink", sent) + total("sink", discarded) + given_back);
    assert_eq!((total("sink", sent), total("sink", discarded), given_back), (6.0, 1.0, 1.0));

    for (code, kind, number) in [
        ("not_json", "source", 2.0),
        ("incomplete", "source", 1.0),
        ("no_time", "source", 1.0),
        ("method_not_allowed", "source", 1.0),
        ("not_stored", "source", 1.0),
        ("not_json", "transform", 2.0),
        ("backend_refused", "sink", 1.0),
        ("backend_unavailable", "sink", 1.0),
    ] {
        let labels = [&format!(r#"error_code="{code}""#)[..], &format!(r#"component_kind="{kind}""#)];
        assert_eq!(service.metric(ERRORS, &labels), number, "{code} of the {kind}");
    }
}

/// The part that cannot do its work is named with the reason, by itself and in the whole; when it can again, nobody has to
/// tell it so. That the process lives is another question.
#[test]
fn readiness_follows_the_backend() {
    let Some(Fixture { service, backend }) = Fixture::start() else { return };
    let ports = backend.ports();
    assert_eq!(service.push(records::SEED).status, 200);
    assert_eq!((service.ask("/readyz").status, service.ask("/readyz/sink/backend").status), (200, 200));

    drop(backend);
    assert_eq!(service.push(records::SEED).status, 503);
    let whole = service.ask("/readyz");
    assert_eq!((whole.status, &whole.json()["ready"]), (503, &Value::Bool(false)));
    let parts = whole.json()["parts"].as_array().cloned().unwrap_or_default();
    let (ready, troubled): (Vec<_>, Vec<_>) = parts.iter().partition(|part| part["ready"] == true);
    assert!(!ready.is_empty() && troubled.len() == 1, "{}", whole.body);
    assert_eq!(troubled[0]["part"], "sink/backend");
    assert!(troubled[0]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{}", whole.body);
    assert_eq!(service.ask("/readyz/sink/backend").status, 503);
    assert_eq!(service.ask("/readyz/service/callspan").status, 200);
    assert_eq!(service.ask("/livez").status, 200);

    let Some(_backend) = Decoder::start_on(ports) else { return };
    wait_until("a push that is taken again", || service.push(records::SEED).status == 200);
    assert_eq!((service.ask("/readyz").status, service.ask("/readyz/sink/backend").status), (200, 200));
}

#[test]
fn the_admin_listener_only_shows() {
    let service = Service::new().start();
    for path in ["/metrics", "/readyz", "/livez", "/readyz/sink/backend", "/"] {
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let reply = Request::new(method, path).body("x").send(service.admin());
            assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, HEAD")), "{method} {path}");
        }
    }
    for path in ["/", "/readyz/sink/nobody", "/debug", "/metrics/x"] {
        assert_eq!(service.ask(path).status, 404, "{path}");
    }
    assert_eq!(Request::push(records::SEED).send(service.admin()).status, 405, "and takes no records");
}

/// Numbers, mail addresses, names and free text of what was pushed stand neither in the metrics nor in the readiness nor
/// in a log of everything, whether the record was taken, refused, or is to come again.
#[test]
fn nothing_personal_is_shown() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let Some(backend) = Decoder::start() else { return };
        let mut service =
            Service::new().export_to(backend.endpoint(protocol)).variable("CALLSPAN_LOG", "trace").start();
        let mut personal = BTreeSet::new();
        for record in [records::SEED, records::TRANSFERRED] {
            let value: Value = serde_json::from_str(record).expect("it is JSON");
            collect_personal(&value, &mut personal);
            assert_eq!(service.push(record).status, 200);
            let torn = record.trim_end().trim_end_matches('}');
            assert_eq!(service.push(torn).status, 400);
            assert_eq!(service.push(record.replace("SessionId", "NoSession")).status, 422);
            backend.answer_next(1, Cue::Refused);
            assert_eq!(service.push(record).status, 422);
        }
        drop(backend);
        assert_eq!(service.push(records::TRANSFERRED).status, 503);
        assert!(personal.len() > 10, "{personal:?}");
        let shown = [service.ask("/metrics").body, service.ask("/readyz").body];
        assert!(service.terminate().success());
        assert!(service.log().contains(r#""level":"TRACE""#), "it is a log of everything");
        for text in shown.iter().chain([&service.log()]) {
            for secret in &personal {
                let line = text.lines().find(|line| line.contains(secret.as_str()));
                assert!(line.is_none(), "`{secret}` is in: {line:?}");
            }
        }
    }
}

/// Who does not want it, has none; who wants it elsewhere, has it there.
#[test]
fn the_configuration_says_whether_and_where_it_listens() {
    for (admin, is_there) in [("{ enabled: false }", false), ("{ address: '127.0.0.1:0' }", true)] {
        let Some(backend) = Decoder::start() else { return };
        let service = Service::new()
            .config(&format!("admin: {admin}\nsources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}\n"))
            .admin_as_configured()
            .export_to(backend.endpoint(Protocol::Grpc))
            .start();
        assert_eq!(!service.admin().is_empty(), is_there, "{admin}");
        assert_eq!(service.log().contains("admin listening"), is_there, "{admin}");
        assert!(!is_there || service.ask("/livez").status == 200);
        assert_eq!(service.push(records::SEED).status, 200, "{admin}");
    }
}

/// Two services on one machine are in each other's way: the second says so, and which option would help. It ends before
/// it has taken anything in.
#[test]
fn an_address_that_is_taken_is_told_with_the_option_to_change() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = listener.local_addr().expect("it is bound").to_string();
    for (arguments, options) in [
        (["--address", "127.0.0.1:0", "--admin-address", &taken], ["admin.address", "--admin-address"]),
        (["--admin-address", "127.0.0.1:0", "--address", &taken], ["sources.tccc.address", "--address"]),
    ] {
        let finished = Callspan::new(["serve"]).arguments(arguments).run();
        assert_eq!(finished.code, Some(1), "{}", finished.stderr);
        for expected in [&taken[..], options[0], options[1]] {
            assert!(finished.stderr.contains(expected), "no {expected} in {}", finished.stderr);
        }
        assert!(!finished.stderr.contains("listening"), "{}", finished.stderr);
    }
}

struct Fixture {
    service: Service,
    backend: Decoder,
}

impl Fixture {
    fn start() -> Option<Self> {
        let backend = Decoder::start()?;
        let service = Service::new().export_to(backend.endpoint(Protocol::Grpc)).start();
        Some(Self { service, backend })
    }
}

/// A line of Prometheus' text format.
struct Sample<'a> {
    name: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
}

impl<'a> Sample<'a> {
    /// No label that callspan writes has a quote or a comma in its value.
    fn of(line: &'a str) -> Self {
        let (series, value) = line.rsplit_once(' ').expect("a series and a value");
        assert!(value.parse::<f64>().is_ok(), "{line}");
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let labels = labels.strip_suffix('}').expect("labels end").split(',').filter(|label| !label.is_empty());
        let labels = labels.map(|label| {
            let (key, value) = label.split_once('=').expect("a label has a value");
            assert!(is_name(key) && value.len() >= 2 && value.starts_with('"') && value.ends_with('"'), "{line}");
            (key, value)
        });
        assert!(is_name(name), "{line}");
        Self { name, labels: labels.collect() }
    }
}

/// The values of all fields that are about a person.
fn collect_personal(value: &Value, found: &mut BTreeSet<String>) {
    const FIELDS: [&str; 14] = [
        "Caller",
        "Callee",
        "Mail",
        "Phone",
        "PhoneNum",
        "TelNumber",
        "Name",
        "Nick",
        "UserId",
        "TransferFrom",
        "TransferTo",
        "UserRemark",
        "Remark",
        "CallerLocation",
    ];
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let Some(text) = value.as_str().filter(|text| FIELDS.contains(&name.as_str()) && text.len() > 3) {
                    found.insert(text.to_owned());
                }
                collect_personal(value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_personal(item, found)),
        _ => {}
    }
}
