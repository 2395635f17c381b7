//! Every answer tells the sender what to do, in the vendor's words: `ErrCode` and `ErrMsg`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use callspan_tests::{
    Callspan, Connection, Cue, Decoder, Endpoint, Protocol, Reply, Request, Service, program, records, wait_until,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::Command;
use std::thread;

/// The vendor's page prints its sample without a comma: whoever tries callspan with it learns where.
#[test]
fn what_is_not_json_is_answered_with_line_and_column() {
    let Some(fixture) = Fixture::start() else { return };
    let reply = fixture.service.push(records::SEED_RAW);
    assert_refused(&reply, 400);
    // The place at which Python's json finds it too.
    assert!(reply.message().contains("line 10 column 1"), "{}", reply.message());
    assert_eq!(reply.json()["code"], "records_refused");
    assert_eq!(verdicts(&reply), json!([[0, "not_json", 10, 1]]));
}

/// Of many records the sender learns which were not taken, and where in its own body they are wrong.
#[test]
fn each_record_that_is_not_taken_has_a_verdict() {
    let Some(fixture) = Fixture::start() else { return };
    let whole = records::call("whole");
    let torn = format!("{}!", records::call("torn"));
    let reply = fixture.service.push(format!("{whole}\n {torn}\n{{}}\n"));
    assert_refused(&reply, 422);
    // The exclamation mark follows a blank and the record.
    assert_eq!(verdicts(&reply), json!([[1, "not_json", 2, torn.len() + 1], [2, "incomplete", 3, 1]]));
}

/// A body of many records is taken but for the broken ones, and each of those is told by its place in the body, whichever
/// shape the body has. Columns count bytes.
#[test]
fn a_broken_record_among_others_is_told_by_index_line_and_column() {
    let Some(fixture) = Fixture::start() else { return };
    let [first, last] = ["first", "last"].map(records::call);
    for body in [
        format!("[\n  {first},\n  {{\"Remark\": \"\u{e9}\", oops}},\n  {last}\n]"),
        format!("{first}\n\n  {{\"Remark\": \"\u{e9}\", oops}}\n{last}\n"),
    ] {
        let reply = fixture.service.push(body.as_str());
        assert_refused(&reply, 400);
        assert_eq!(reply.message(), "1 of 3 records are refused, the others are stored");
        assert_eq!(verdicts(&reply), json!([[1, "not_json", 3, 20]]), "{body}");
    }
    assert_eq!(fixture.arrived(), BTreeSet::from(["first", "last"].map(trace_id)));
}

/// A push that is refused has one line in the log, also where its records are stored but for some: how many, and nothing of
/// what is in them. It is the same whether the queue is in memory or on disk.
#[test]
fn a_push_that_is_refused_has_one_line_in_the_log() {
    for is_durable in [false, true] {
        let Some(backend) = Decoder::start() else { return };
        let builder = Service::new().export_to(backend.endpoint(Protocol::Grpc));
        let service = if is_durable { builder.durable() } else { builder }.start();
        let mixed = format!("{}\n{{\"Caller\":\"0085200000017\",\n{{0085200000017\n", records::call("good"));
        for (body, records) in [(mixed.as_str(), Some(2)), ("{", Some(1)), ("", None)] {
            let code = if records.is_some() { "records_refused" } else { "no_record" };
            let before = refusals(&service).len();
            assert_refused(&service.push(body), 400);
            wait_until("a line of it", || refusals(&service).len() > before);
            let lines = refusals(&service).split_off(before);
            let [line] = lines.as_slice() else { panic!("not one line: {lines:?}") };
            assert_eq!((&line["code"], &line["status"], &line["source"]), (&code.into(), &400.into(), &"tccc".into()));
            assert_eq!((&line["address"], line["records"].as_u64()), (&"127.0.0.1".into(), records), "{line}");
        }
        assert_eq!(refusals(&service).len(), 3);
        assert!(!service.log().contains("0085200000017"), "{}", service.log());
    }
}

/// The lines of its log that tell of requests that were refused.
fn refusals(service: &Service) -> Vec<Value> {
    let lines = service.log();
    let lines = lines.lines().filter(|line| line.contains("request refused"));
    lines.map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// An array that was cut off may have held more: whoever sent it hears so, and what came whole is taken.
#[test]
fn an_array_that_was_cut_off_is_not_answered_with_200() {
    let Some(fixture) = Fixture::start() else { return };
    let whole = records::call("whole");
    for (end, column) in [(",", whole.len() + 3), ("", whole.len() + 2)] {
        let reply = fixture.service.push(format!("[{whole}{end}"));
        assert_refused(&reply, 400);
        assert_eq!(verdicts(&reply), json!([[1, "not_json", 1, column]]), "{end:?}");
    }
    assert_eq!(fixture.arrived(), BTreeSet::from([trace_id("whole")]));
}

#[test]
fn an_empty_body_is_answered_400() {
    let Some(fixture) = Fixture::start() else { return };
    for body in ["", " \r\n"] {
        let reply = fixture.service.push(body);
        assert_refused(&reply, 400);
        assert_eq!(reply.json()["code"], "no_record");
    }
}

/// Readable, but no call: the vendor cannot mend it by pushing again, the operator sees why.
#[test]
fn a_record_that_cannot_be_mapped_is_answered_422() {
    let Some(fixture) = Fixture::start() else { return };
    let no_session = r#"{"SdkAppId":1400000000,"StartTimestamp":1700000000}"#;
    let reply = fixture.service.push(no_session);
    assert_refused(&reply, 422);
    assert!(reply.message().contains("session id"), "{}", reply.message());
    assert_refused(&fixture.service.push(r#"{"SessionId":"a"}"#), 422);
    assert!(fixture.backend.exports().is_empty());
}

#[test]
fn another_path_method_or_encoding_is_answered_as_http_has_it() {
    let Some(fixture) = Fixture::start() else { return };
    let push = Request::push(records::SEED);
    let cases = [
        (404, "unknown_path", Request::new("POST", "/elsewhere?action=cdr&version=1").body(records::SEED)),
        (405, "method_not_allowed", Request::new("GET", "/?action=cdr&version=1")),
        (405, "method_not_allowed", Request::new("PUT", "/?action=cdr&version=1").body(records::SEED)),
        (413, "body_too_large", push.clone().claim_length(1 << 30)),
        (415, "unknown_encoding", push.header("Content-Encoding", "br")),
    ];
    for (status, code, request) in cases {
        let reply = fixture.service.send(&request);
        assert_refused(&reply, status);
        assert_eq!(reply.json()["code"], code);
    }
    assert!(fixture.backend.exports().is_empty());
}

/// `custom_url` may have a query of its own, the header of the vendor has a spelling of its own, and senders compress.
#[test]
fn a_push_is_taken_in_every_dress() {
    let Some(fixture) = Fixture::start() else { return };
    let gzipped = include_bytes!("../golden/payloads/gzip.json.gz");
    let cases = [
        Request::new("POST", "/?tenant=a&action=cdr&version=1").body(records::SEED),
        Request::new("POST", "/?action=cdr&version=1").body(records::SEED).header("Content-Type", "text/plain"),
        Request::new("POST", "/?version=1&action=cdr").body(records::SEED).header("Expect", "100-continue"),
        Request::push(gzipped).header("Content-Encoding", "gzip"),
        // The vendor adds its query to an address that has one already.
        Request::new("POST", "/?tenant=a?action=cdr&version=1").body(records::SEED),
        Request::push(records::SEED).header("X-TCCC-PUSH-UUID", "11111111-2222-3333-4444-555555555555"),
    ];
    for request in cases {
        let reply = fixture.service.send(&request);
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ErrCode":0,"ErrMsg":"ok"}"#), "{}", reply.body);
    }
}

/// The vendor sends recordings and voicemails to the same address: not ours, and no reason for it to push them again.
#[test]
fn what_is_known_and_not_ours_is_taken_and_dropped() {
    let Some(fixture) = Fixture::start() else { return };
    for target in ["/?action=record", "/?action=voicemail"] {
        let reply = fixture.service.send(&Request::new("POST", target).body(records::SEED));
        assert_eq!((reply.status, reply.code()), (200, 0), "{target}: {}", reply.body);
    }
    assert_eq!(fixture.service.metric("callspan_other_actions_total", &[]), 2.0);
    assert!(fixture.backend.exports().is_empty());
}

/// A later action, or a query that was mistyped, may well bring call records: nothing is thrown away for its name.
#[test]
fn an_unknown_action_is_taken() {
    let Some(fixture) = Fixture::start() else { return };
    for (target, session) in [("/?action=a-future-one", "first"), ("/?action=&version=1", "last")] {
        let reply = fixture.service.send(&Request::new("POST", target).body(records::call(session)));
        assert_eq!((reply.status, reply.code()), (200, 0), "{target}: {}", reply.body);
    }
    assert_eq!(fixture.arrived(), BTreeSet::from(["first", "last"].map(trace_id)));
    assert_eq!(fixture.service.metric("callspan_unknown_actions_total", &[]), 2.0);
}

/// A later version of the push may well be one that can still be mapped.
#[test]
fn an_unknown_version_is_taken() {
    let Some(fixture) = Fixture::start() else { return };
    let reply = fixture.service.send(&Request::new("POST", "/?action=cdr&version=2").body(records::SEED));
    assert_eq!((reply.status, reply.code()), (200, 0), "{}", reply.body);
    assert_eq!(fixture.backend.take_export().spans.len(), 2);
    assert_eq!(fixture.service.metric("callspan_unknown_versions_total", &[]), 1.0);
}

/// Whoever pushes a record again is told that all is well again, and the backend sees the same trace.
#[test]
fn a_duplicate_is_answered_like_the_first() {
    let Some(fixture) = Fixture::start() else { return };
    for _ in 0..2 {
        let reply = fixture.service.push(records::SEED);
        assert_eq!((reply.status, reply.body.as_str()), (200, OK));
    }
    assert_eq!(fixture.arrived().len(), 1);
}

/// Whoever is not admitted learns nothing of what was wrong with what it showed, and nobody learns a secret from the log.
#[test]
fn without_the_right_credentials_the_answer_is_401() {
    let Some(backend) = Decoder::start() else { return };
    let auth = "auth: { strategy: basic, username: vendor, password: the-Password-7 }";
    let service = Service::new()
        .config(&http_server(auth))
        .export_to(backend.endpoint(Protocol::Grpc))
        .variable("CALLSPAN_LOG", "trace")
        .start();
    let basic = |text: &str| format!("Basic {}", STANDARD.encode(text));
    let right = basic("vendor:the-Password-7");
    let push = |authorization: &str| Request::push(records::SEED).header("Authorization", authorization);
    let mut refused = vec![service.send(&Request::push(records::SEED))];
    for authorization in [
        basic("Vendor:the-Password-7"),
        basic("vendor:the-Password-8"),
        basic("vendor:"),
        format!("Bearer {}", STANDARD.encode("vendor:the-Password-7")),
        "Basic no-base64!".to_owned(),
    ] {
        refused.push(service.send(&push(&authorization)));
    }
    for reply in &refused {
        assert_refused(reply, 401);
        assert_eq!(reply.body, refused[0].body);
        assert!(reply.header("www-authenticate").is_some_and(|asked| asked.starts_with("Basic realm=")));
    }
    assert!(backend.exports().is_empty());
    assert_eq!(service.send(&push(&right)).status, 200);
    let log = service.log();
    for secret in ["the-Password", &right[6..], &basic("vendor:the-Password-8")[6..]] {
        assert!(!log.contains(secret), "{secret} is in the log");
    }
}

/// With `strict_path` the one path is served; without it also what lies below, and still nothing that is only spelled
/// alike.
#[test]
fn the_configured_path_decides_what_is_found() {
    let Some(backend) = Decoder::start() else { return };
    for (is_strict, expected) in [(true, [200, 404, 404, 404, 404]), (false, [200, 200, 200, 404, 404])] {
        let options = format!("path: /calls, strict_path: {is_strict}");
        let service = Service::new().config(&http_server(&options)).export_to(backend.endpoint(Protocol::Grpc)).start();
        let statuses = ["/calls", "/calls/", "/calls/tccc", "/callsign", "/"].map(|path| {
            let reply =
                service.send(&Request::new("POST", &format!("{path}?action=cdr&version=1")).body(records::SEED));
            assert!(reply.status == 200 || reply.message().contains("/calls"), "{}", reply.body);
            reply.status
        });
        assert_eq!(statuses, expected, "strict_path: {is_strict}");
    }
}

/// Another method is told the right one, in the header that HTTP has for it.
#[test]
fn the_configured_method_is_the_one_that_is_allowed() {
    let Some(backend) = Decoder::start() else { return };
    for (method, other) in [("POST", "PUT"), ("PUT", "POST")] {
        let options = format!("method: {method}");
        let service = Service::new().config(&http_server(&options)).export_to(backend.endpoint(Protocol::Grpc)).start();
        let send = |method: &str| service.send(&Request::new(method, "/?action=cdr&version=1").body(records::SEED));
        assert_eq!(send(method).status, 200);
        let reply = send(other);
        assert_refused(&reply, 405);
        assert_eq!(reply.header("allow"), Some(method));
    }
}

/// A sender that does not go on with its body is told so, and does not hold the connection for ever.
#[test]
fn a_body_that_does_not_arrive_is_answered_408() {
    let Some(backend) = Decoder::start() else { return };
    let options = http_server("limits: { body_timeout_secs: 1 }");
    let service = Service::new().config(&options).export_to(backend.endpoint(Protocol::Grpc)).start();
    assert_refused(&service.send(&Request::push(r#"{"SessionId":"a","#).claim_length(1000)), 408);
    assert_eq!(service.push(records::SEED).status, 200);
}

/// The limit counts what is sent and what it inflates to, and so many records are enough. Up to the limit all is well.
#[test]
fn what_is_too_much_is_answered_413() {
    let Some(backend) = Decoder::start() else { return };
    let options = http_server("limits: { body_bytes_max: 4096, body_records_max: 3 }");
    let service = Service::new().config(&options).export_to(backend.endpoint(Protocol::Grpc)).start();
    let padded = |length: usize| format!("{:length$}", records::call("a"));
    let zipped = |length| Request::push(gzip(padded(length).as_bytes())).header("Content-Encoding", "gzip");
    let lines = |count: usize| Request::push(vec![records::call("a"); count].join("\n"));
    for good in [Request::push(padded(4096)), zipped(4096), lines(3)] {
        assert_eq!(service.send(&good).status, 200);
    }
    for (request, limit) in [(Request::push(padded(4097)), "4096"), (zipped(4097), "4096"), (lines(4), "3")] {
        let reply = service.send(&request);
        assert_refused(&reply, 413);
        assert!(reply.message().contains(limit), "{}", reply.body);
    }
    // Of a body that is too much as a whole, nothing is stored.
    assert_eq!(service.metric("callspan_component_received_events_total", &[SOURCE]), 5.0);
}

/// When as many records wait as may, one more is not taken, and its sender is told when to come again, before its body is
/// read. Of a body for which there is room in part, it is told which records were left out. What was taken is delivered
/// all the same.
#[test]
fn when_the_queue_is_full_the_answer_is_429_and_nothing_that_was_taken_is_lost() {
    const ROOM: usize = 16_384;
    let Some(backend) = Decoder::start() else { return };
    let limits = "body_bytes_max: 16000000, body_records_max: 20000, answer_timeout_secs: 300";
    let service = Service::new()
        .config(&http_server(&format!("limits: {{ {limits} }}")))
        .export_to(backend.endpoint(Protocol::Grpc))
        .variable("OTEL_EXPORTER_OTLP_TIMEOUT", "300000")
        .start();
    backend.answer(Cue::Held);
    let push = |sessions: &[String]| {
        let body: Vec<String> = sessions.iter().map(|session| records::call(session)).collect();
        let (request, address) = (Request::push(body.join("\n")), service.address().to_owned());
        thread::spawn(move || request.send(&address))
    };
    let sessions: Vec<String> = (0..=ROOM).map(|number| format!("session {number}")).collect();
    let (most, rest) = sessions.split_at(ROOM - 1);
    let most = push(most);
    service.wait_for_metric("callspan_buffer_size_events", &[], (ROOM - 1) as f64);
    let rest = push(rest);
    service.wait_for_metric("callspan_buffer_size_events", &[], ROOM as f64);

    let reply = service.push(records::call("one more"));
    assert_refused(&reply, 429);
    assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|it| it > 0)));
    assert!(reply.json()["records"].is_null(), "its body was not even read: {}", reply.body);

    backend.answer(Cue::Accept);
    let (most, rest) = (most.join().expect("it is answered"), rest.join().expect("it is answered"));
    assert_eq!(most.status, 200, "{}", most.body);
    assert_refused(&rest, 429);
    assert_eq!(verdicts(&rest), json!([[1, "not_stored", 2, 1]]), "one of the two was taken");
    let exports = backend.exports();
    let arrived: BTreeSet<&str> =
        exports.iter().flat_map(|it| &it.spans).filter_map(|it| it.attribute("tccc.session.id").as_str()).collect();
    assert_eq!(arrived, sessions[..ROOM].iter().map(String::as_str).collect());
    assert_eq!(service.push(records::call("one more")).status, 200, "there is room again");
}

/// The backend takes nothing: nothing is lost, and the sender knows when to come again.
#[test]
fn while_the_backend_takes_nothing_the_answer_is_503() {
    let service = Service::new().export_to(Endpoint::nobody(Protocol::Http)).start();
    let reply = service.push(records::SEED);
    assert_refused(&reply, 503);
    assert!(reply.header("retry-after").is_some_and(|seconds| seconds.parse::<u64>().is_ok_and(|it| it > 0)));
    assert_eq!(verdicts(&reply), json!([[0, "not_stored", 1, 1]]));
}

/// The vendor may keep its connection: each request on it gets its own answer, refusals in between included.
#[test]
fn a_connection_takes_several_requests() {
    let Some(fixture) = Fixture::start() else { return };
    let mut connection = Connection::open(fixture.service.address());
    for round in 0..3 {
        assert_eq!(connection.send(&Request::push(records::SEED)).status, 200, "{round}");
        assert_refused(&connection.send(&Request::push("not json")), 400);
        assert_refused(&connection.send(&Request::new("PUT", "/?action=cdr&version=1")), 405);
        assert_eq!(connection.send(&Request::new("POST", "/?action=record")).status, 200, "{round}");
    }
    assert_eq!(fixture.backend.exports().len(), 3);
}

/// A proxy in front may speak HTTP/2 without asking first.
#[test]
fn http_2_is_spoken_with_prior_knowledge() {
    let (Some(curl), Some(fixture)) = (program("curl"), Fixture::start()) else { return };
    let url = format!("http://{}/?action=cdr&version=1", fixture.service.address());
    for (body, expected) in [(records::SEED, "2 200"), ("not json", "2 400")] {
        let mut push = Command::new(&curl);
        push.args(["--silent", "--http2-prior-knowledge", "--data-binary", body]);
        let output = push.args(["--write-out", "\n%{http_version} %{http_code}", &url]).output().expect("curl starts");
        let output = String::from_utf8(output.stdout).expect("answers are text");
        let (answer, spoken) = output.split_once('\n').unwrap_or_default();
        assert!(spoken == expected && answer.starts_with(r#"{"ErrCode":"#), "{output}");
    }
    assert_eq!(fixture.backend.exports().len(), 1);
}

const OK: &str = r#"{"ErrCode":0,"ErrMsg":"ok"}"#;
const SOURCE: &str = r#"component_kind="source""#;

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

    /// The ids of all traces so far.
    fn arrived(&self) -> BTreeSet<String> {
        self.backend.exports().into_iter().flat_map(|export| export.spans).map(|span| span.trace_id).collect()
    }
}

/// A configuration whose one source has these options.
fn http_server(options: &str) -> String {
    format!("sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', {options} }} }}\n")
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).expect("memory can be written");
    encoder.finish().expect("memory can be written")
}

/// The trace of [`records::call`].
fn trace_id(session: &str) -> String {
    Callspan::new(["trace-id", "1400000000", session]).run().stdout.trim_end().to_owned()
}

/// Index, code, line and column of each verdict.
fn verdicts(reply: &Reply) -> Value {
    let reply = reply.json();
    let verdicts = reply["records"].as_array().into_iter().flatten();
    verdicts.map(|it| json!([it["index"], it["code"], it["line"], it["column"]])).collect()
}

#[track_caller]
fn assert_refused(reply: &Reply, status: u16) {
    assert_eq!(reply.status, status, "{}", reply.body);
    assert_ne!(reply.code(), 0, "{}", reply.body);
    assert!(!reply.message().is_empty() && reply.message() != "ok", "{}", reply.body);
    assert_eq!(reply.header("content-type"), Some("application/json"));
}
