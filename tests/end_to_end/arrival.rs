//! A record that was pushed arrives in the backend as its trace: same ids, same parents, same values, over every protocol.

use callspan_tests::{Decoder, Protocol, Request, Rotel, Service, Span, mapped, only, records, sorted};
use serde_json::json;

/// The ids that are published for the vendor's sample.
const SEED_SESSION: &str = "81dfc56499f61a80";
const SEED_PARTICIPANT: &str = "2862e526f9b8d1b2";

/// The vendor pushes its sample; a collector that shares no code with callspan has decoded the trace by the time the
/// vendor reads the answer.
#[test]
fn a_collector_decodes_the_trace_over_grpc() {
    a_collector_decodes_the_trace(Protocol::Grpc);
}

#[test]
fn a_collector_decodes_the_trace_over_http() {
    a_collector_decodes_the_trace(Protocol::Http);
}

fn a_collector_decodes_the_trace(protocol: Protocol) {
    let Some(collector) = Rotel::start() else { return };
    let service = Service::new().export_to(collector.endpoint(protocol)).start();
    for record in [records::SEED, records::TRANSFERRED] {
        let reply = service.push(record);
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ErrCode":0,"ErrMsg":"ok"}"#));
    }
    // The collector prints in order: once this one is there, the others are there to the end.
    assert_eq!(service.push(records::call("closing")).status, 200);

    let arrived = collector.spans_before(&trace_id_of(&records::call("closing")));
    let (seed, transferred): (Vec<Span>, Vec<Span>) =
        arrived.into_iter().partition(|span| span.trace_id == records::SEED_TRACE);
    assert_is_seed(&seed);
    assert_eq!(sorted(transferred), mapped(records::TRANSFERRED), "the collector and `transform` agree");
}

/// The same, on OpenTelemetry's own generated messages, which also show what a collector does not print.
#[test]
fn the_official_messages_decode_the_trace_over_grpc() {
    the_official_messages_decode_the_trace(Protocol::Grpc);
}

#[test]
fn the_official_messages_decode_the_trace_over_http() {
    the_official_messages_decode_the_trace(Protocol::Http);
}

fn the_official_messages_decode_the_trace(protocol: Protocol) {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().export_to(backend.endpoint(protocol)).start();
    assert_eq!(service.push(records::SEED).status, 200);
    assert_is_seed(&backend.take_export().spans);

    assert_eq!(service.push(records::TRANSFERRED).status, 200);
    let export = backend.take_export();
    assert_eq!(sorted(export.spans), mapped(records::TRANSFERRED), "the wire and `transform` agree");
}

/// All spans of a session leave in one request, so that no backend shows half a call.
#[test]
fn a_session_travels_in_one_request() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().export_to(backend.endpoint(Protocol::Grpc)).start();
    assert_eq!(service.push(records::TRANSFERRED).status, 200);

    let spans = backend.take_export().spans;
    let root = only(&spans, "inbound call");
    assert_eq!(spans.len(), 6, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_id == root.trace_id), "one trace");
    assert!(spans.iter().filter(|span| *span != root).all(|span| span.parent_span_id == root.span_id), "one root");
    assert_eq!(backend.exports().len(), 1);
}

/// A transfer leads from the one who took the call over to the one who gave it away.
#[test]
fn a_transfer_is_a_link() {
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().export_to(backend.endpoint(Protocol::Http)).start();
    assert_eq!(service.push(records::TRANSFERRED).status, 200);

    let spans = backend.take_export().spans;
    let taker = only(&spans, "serve outboundSeat");
    let giver =
        spans.iter().find(|span| span.attribute("tccc.participant.sequence") == 1).expect("the second participant");
    assert_eq!(taker.links.len(), 1);
    assert_eq!((&taker.links[0].trace_id, &taker.links[0].span_id), (&giver.trace_id, &giver.span_id));
    assert_eq!(taker.links[0].attributes["tccc.link.type"], "transfer");
    assert_eq!(taker.attribute("tccc.transfer.from.sequence"), 1);
    assert_eq!((giver.service(), taker.service()), ("tccc/Sales", "tccc/Billing"));
}

/// `OTEL_EXPORTER_OTLP_HEADERS` carries what a hosted backend wants to see, values percent-encoded.
#[test]
fn the_configured_headers_go_with_every_request() {
    for protocol in [Protocol::Grpc, Protocol::Http] {
        let Some(backend) = Decoder::start() else { return };
        let service = Service::new()
            .export_to(backend.endpoint(protocol))
            .variable("OTEL_EXPORTER_OTLP_HEADERS", "x-scope-orgid=team%20a,api-key=s3cret")
            .start();
        assert_eq!(service.push(records::SEED).status, 200);

        let headers = backend.take_export().headers;
        assert_eq!(
            (&headers["x-scope-orgid"], &headers["api-key"]),
            (&json!("team a"), &json!("s3cret")),
            "{protocol:?}"
        );
        assert!(!service.log().contains("s3cret"), "a credential is never logged");
    }
}

/// Many calls end in the same second; none is lost, none comes twice, whatever requests they travel in.
#[test]
fn what_is_pushed_at_once_arrives_once_each() {
    const SENDERS: usize = 8;
    const PUSHES: usize = 25;
    let Some(backend) = Decoder::start() else { return };
    let service = Service::new().export_to(backend.endpoint(Protocol::Grpc)).start();
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            let address = service.address();
            scope.spawn(move || {
                for push in 0..PUSHES {
                    let reply = Request::push(records::call(&format!("{sender}-{push}"))).send(address);
                    assert_eq!(reply.status, 200, "{}", reply.body);
                }
            });
        }
    });

    let mut arrived: Vec<String> = backend
        .exports()
        .iter()
        .flat_map(|export| &export.spans)
        .map(|span| span.attribute("tccc.session.id").as_str().unwrap_or_default().to_owned())
        .collect();
    arrived.sort();
    let mut pushed: Vec<String> = (0..SENDERS).flat_map(|s| (0..PUSHES).map(move |p| format!("{s}-{p}"))).collect();
    pushed.sort();
    assert_eq!(arrived, pushed);
}

fn assert_is_seed(spans: &[Span]) {
    assert_eq!(spans.len(), 2, "{spans:#?}");
    let (root, participant) = (only(spans, "outbound call"), only(spans, "serve miniProgramSeat"));
    assert_eq!((root.trace_id.as_str(), root.span_id.as_str()), (records::SEED_TRACE, SEED_SESSION));
    assert_eq!((participant.trace_id.as_str(), participant.span_id.as_str()), (records::SEED_TRACE, SEED_PARTICIPANT));
    assert_eq!((root.parent_span_id.as_str(), participant.parent_span_id.as_str()), ("", SEED_SESSION));
    assert_eq!((root.kind, participant.kind), (3, 1), "client, internal");
    assert_eq!((root.status, participant.status), (0, 0), "a number that does not exist is no fault of the system");
    assert_eq!((root.start_unix_nano, root.end_unix_nano), (1_677_140_068_000_000_000, 1_677_140_081_000_000_000));
    assert_eq!((root.service(), participant.service()), ("tccc", "tccc/consultant outbound call"));
    assert_eq!(root.resource["cloud.provider"], "tencent_cloud");
    assert_eq!(root.resource["tccc.app.id"], "1400482256");

    assert_eq!(root.attribute("tccc.session.id"), "99a1c8f8-eb3d-4xxx-8401-5f6aa8761232");
    assert_eq!(root.attribute("tccc.session.end_status"), "numberNotExist");
    assert_eq!(root.attribute("tccc.session.outcome"), "unreachable");
    assert_eq!(root.attribute("tccc.session.answered"), false);
    assert_eq!(root.attribute("tccc.session.talk.duration"), 0);
    assert_eq!(root.attribute("tccc.skill_group.id"), "2734");
    assert_eq!(participant.attribute("tccc.participant.outcome"), "completed");
    assert_eq!(participant.attribute("tccc.participant.ring.duration"), 1);
    assert_eq!(participant.attribute("tccc.participant.talk.duration"), 12);
    assert_eq!(root.events.len(), 1, "rung, never answered");
    assert_eq!(
        (root.events[0].name.as_str(), &root.events[0].attributes["tccc.leg"]),
        ("tccc.ring", &json!("customer"))
    );
}

fn trace_id_of(record: &str) -> String {
    mapped(record)[0].trace_id.clone()
}
