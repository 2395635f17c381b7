//! Several sources, transforms and sinks in one service: what goes where is what the `inputs` say, and each part has
//! numbers of its own.

use callspan_tests::{Cue, Decoder, Export, Protocol, Reply, Request, Service, Span, attribute, records};
use std::fs;
use std::thread;

/// Two intakes, two mappings and two backends, wired crosswise:
///
/// ```text
/// first  ──▶ narrow ──▶ north
///    └─────┐    └─────┐
/// second ──▶ wide  ───▶ south
/// ```
const CROSSWISE: &str = "
sources:
  first: { type: http_server, address: 127.0.0.1:0, path: /first }
  second: { type: http_server, address: 127.0.0.1:0, path: /second/calls }
transforms:
  narrow: { type: plugin, inputs: [first], options: { service_name: narrow, phases: false } }
  wide: { type: plugin, inputs: [first, second], options: { service_name: wide }, resource: { region: south } }
sinks:
  north: { type: opentelemetry, inputs: [narrow], endpoint: 'NORTH', protocol: grpc }
  south: { type: opentelemetry, inputs: [narrow, wide], endpoint: 'SOUTH', protocol: http/json }
";

/// A source whose only sink takes nothing is full at some time. That is no matter of a source with another sink.
#[test]
fn a_source_that_is_full_does_not_fill_another() {
    // Half of what a service holds, since there are two sources.
    const ROOM: usize = 16_384 / 2;
    let Some(backend) = Decoder::start() else { return };
    backend.answer(Cue::Held);
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "
sources:
  stuck: {{ type: http_server, address: 127.0.0.1:0, limits: {{ body_bytes_max: 16000000, answer_timeout_secs: 300 }} }}
  free: {{ type: http_server, address: 127.0.0.1:0 }}
transforms:
  of_stuck: {{ type: plugin, inputs: [stuck] }}
  of_free: {{ type: plugin, inputs: [free] }}
sinks:
  held: {{ type: opentelemetry, inputs: [of_stuck], endpoint: '{}', request: {{ timeout_secs: 300 }} }}
  lines: {{ type: file, inputs: [of_free], path: '{}' }}
",
        backend.endpoint(Protocol::Grpc).url,
        folder.path().join("lines.jsonl").display()
    );
    let service = Service::new().config(&config).start();
    let [stuck, free] = ["stuck", "free"].map(|source| service.addresses_of(source).remove(0));
    let body = vec![records::call("stuck"); ROOM].join("\n");
    let address = stuck.clone();
    let waiting = thread::spawn(move || Request::push(body).send(&address));
    service.wait_for_metric("callspan_buffer_size_events", &["stuck"], ROOM as f64);
    assert_eq!(Request::push(records::call("one too many")).send(&stuck).status, 429);
    assert_eq!(Request::push(records::call("free")).send(&free).status, 200);
    backend.answer(Cue::Accept);
    assert_eq!(waiting.join().expect("a push does not panic").status, 200);
}

#[test]
fn each_sink_gets_what_its_inputs_say() {
    let Some(fixture) = Fixture::start() else { return };
    assert_eq!(fixture.push("first", "/first", "one").status, 200, "{}", fixture.service.log());
    assert_eq!(fixture.arrived(), ["north narrow one", "south narrow one", "south wide one"]);
    assert_eq!(fixture.push("second", "/second/calls", "two").status, 200, "{}", fixture.service.log());
    let expected = ["north narrow one", "south narrow one", "south wide one", "south wide two"];
    assert_eq!(fixture.arrived(), expected);

    // A path belongs to one of them alone.
    assert_eq!(fixture.push("first", "/second/calls", "three").status, 404);
    assert_eq!(fixture.push("second", "/first", "three").status, 404);
    assert_eq!(fixture.arrived(), expected);
}

/// Transforms have options and resources of their own, though they run the same plugin: one draws phases of the call,
/// the other does not.
#[test]
fn each_transform_has_its_own_options() {
    let Some(fixture) = Fixture::start() else { return };
    let reply = fixture.send("first", "/first", records::TRANSFERRED);
    assert_eq!(reply.status, 200, "{}", fixture.service.log());
    let north: Vec<Export> = fixture.north.exports();
    let is_phase = |name: &str| ["ivr", "queue"].contains(&name);
    let spans = || north.iter().flat_map(|export| &export.spans);
    assert!(spans().count() > 0 && !spans().any(|span| is_phase(&span.name)), "{north:#?}");
    for export in fixture.south.exports() {
        let is_wide = export.spans.iter().any(|span| span.service() == "wide");
        assert_eq!(export.spans.iter().filter(|span| is_phase(&span.name)).count(), if is_wide { 2 } else { 0 });
        for span in &export.spans {
            assert_eq!(attribute(&span.resource, "region") == "south", is_wide, "{span:#?}");
        }
    }
}

/// What was taken in, mapped and delivered is counted by component, and adds up along the wires.
#[test]
fn each_component_has_its_own_metrics() {
    let Some(fixture) = Fixture::start() else { return };
    for (source, path, session) in
        [("first", "/first", "a"), ("first", "/first", "b"), ("second", "/second/calls", "c")]
    {
        assert_eq!(fixture.push(source, path, session).status, 200, "{}", fixture.service.log());
    }
    let reply = fixture.send("second", "/second/calls", "{}");
    assert_eq!(reply.status, 422, "{}", reply.body);

    let count = |name: &str, kind: &str, id: &str| {
        let labels = [format!("component_kind=\"{kind}\""), format!("component_id=\"{id}\"")];
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        fixture.service.metric(&format!("callspan_component_{name}_total"), &labels)
    };
    for (id, received) in [("first", 2.0), ("second", 2.0)] {
        assert_eq!(count("received_events", "source", id), received, "{id}");
        assert_eq!(count("settled_events", "source", id), received, "{id}");
    }
    // A record is mapped once for each sink that it goes to: `narrow` leads to two.
    for (id, received, sent, discarded) in [("narrow", 4.0, 4.0, 0.0), ("wide", 4.0, 3.0, 1.0)] {
        assert_eq!(count("received_events", "transform", id), received, "{id}");
        assert_eq!(count("sent_events", "transform", id), sent, "{id}");
        assert_eq!(count("discarded_events", "transform", id), discarded, "{id}");
    }
    for (id, sent) in [("north", 2.0), ("south", 5.0)] {
        assert_eq!(count("received_events", "sink", id), sent, "{id}");
        assert_eq!(count("sent_events", "sink", id), sent, "{id}");
    }
    fixture.service.wait_for_metric("callspan_buffer_size_events", &[], 0.0);
}

/// A backend that is down holds up the sources that lead to it, and no other: pushes that it has no part in go through.
#[test]
fn a_sink_that_is_down_costs_only_what_leads_to_it() {
    let Some(fixture) = Fixture::start() else { return };
    let Fixture { service, north, south } = fixture;
    drop(north);
    assert_eq!(push(&service, "second", "/second/calls", "two").status, 200, "{}", service.log());
    assert_eq!(push(&service, "first", "/first", "one").status, 503, "{}", service.log());
    let ready = |part: &str| service.ask(&format!("/readyz/{part}")).status;
    assert_eq!((ready("sink/north"), ready("sink/south")), (503, 200));
    assert_eq!(arrived("south", &south), ["south narrow one", "south wide one", "south wide two"]);
}

/// Two transforms lead to one file, and pushes come at once: every line is whole, and each trace is there once.
#[test]
fn transforms_share_a_file_line_by_line() {
    const PUSHES: usize = 20;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("traces.jsonl");
    let sources_and_transforms = CROSSWISE.split("sinks:").next().unwrap_or_default();
    let sinks = format!("sinks: {{ archive: {{ type: file, inputs: [narrow, wide], path: {} }} }}\n", path.display());
    let service = Service::new().config(&format!("{sources_and_transforms}{sinks}")).start();
    std::thread::scope(|scope| {
        for (source, path) in [("first", "/first"), ("second", "/second/calls")] {
            let service = &service;
            scope.spawn(move || {
                for number in 0..PUSHES {
                    assert_eq!(push(service, source, path, &format!("{source}{number}")).status, 200);
                }
            });
        }
    });
    let lines = fs::read_to_string(&path).expect("it is written");
    let mut written: Vec<String> = lines.lines().flat_map(Span::of_line).map(|span| told(&span)).collect();
    written.sort();
    let mut expected: Vec<String> = (0..PUSHES)
        .flat_map(|number| [("narrow", "first"), ("wide", "first"), ("wide", "second")].map(|it| (it, number)))
        .map(|((service, source), number)| format!("{service} {source}{number}"))
        .collect();
    expected.sort();
    assert_eq!(written, expected);
}

struct Fixture {
    service: Service,
    north: Decoder,
    south: Decoder,
}

impl Fixture {
    fn start() -> Option<Self> {
        let (north, south) = (Decoder::start()?, Decoder::start()?);
        let yaml = CROSSWISE
            .replace("NORTH", &north.endpoint(Protocol::Grpc).url)
            .replace("SOUTH", &south.endpoint(Protocol::HttpJson).url);
        let service = Service::new().config(&yaml).start();
        Some(Self { service, north, south })
    }

    fn push(&self, source: &str, path: &str, session: &str) -> Reply {
        push(&self.service, source, path, session)
    }

    fn send(&self, source: &str, path: &str, record: &str) -> Reply {
        send(&self.service, source, path, record)
    }

    fn arrived(&self) -> Vec<String> {
        [arrived("north", &self.north), arrived("south", &self.south)].concat()
    }
}

fn push(service: &Service, source: &str, path: &str, session: &str) -> Reply {
    send(service, source, path, &records::call(session))
}

fn send(service: &Service, source: &str, path: &str, record: &str) -> Reply {
    let addresses = service.addresses_of(source);
    assert_eq!(addresses.len(), 1, "{addresses:?}");
    Request::new("POST", &format!("{path}?action=cdr&version=1")).body(record).send(&addresses[0])
}

/// Sink, service and session of every span, sorted.
fn arrived(sink: &str, backend: &Decoder) -> Vec<String> {
    let exports = backend.exports();
    let spans = exports.iter().flat_map(|export| &export.spans);
    let mut arrived: Vec<String> = spans.map(|span| format!("{sink} {}", told(span))).collect();
    arrived.sort();
    arrived
}

fn told(span: &Span) -> String {
    format!("{} {}", span.service(), span.attribute("tccc.session.id").as_str().unwrap_or_default())
}
