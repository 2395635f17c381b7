//! What callspan sends passes through a collector that people run, and comes out as it went in: rotel takes it in each
//! protocol and compression, and hands it on to the decoder.

use callspan_tests::documents::{read, root};
use callspan_tests::{Decoder, Endpoint, Protocol, Rotel, Service, wait_until};
use std::fs;

/// What rotel takes; it knows no zstd, which the decoder takes over HTTP.
const TAKEN: [(Protocol, &str); 6] = [
    (Protocol::Grpc, "none"),
    (Protocol::Grpc, "gzip"),
    (Protocol::Http, "none"),
    (Protocol::Http, "gzip"),
    (Protocol::HttpJson, "none"),
    (Protocol::HttpJson, "gzip"),
];

/// Records of every kind go both straight to the decoder and through rotel, which decodes them, may put them together
/// otherwise, and encodes them again. Each span arrives with the same canonical bytes, and so do the resource and the
/// scope that it belongs to: no field is lost, none is added, and none was there that the official messages do not know.
#[test]
fn a_collector_passes_on_the_same_bytes() {
    for passed_on in [Protocol::Grpc, Protocol::Http] {
        for (protocol, compression) in TAKEN {
            let Some(behind) = Decoder::start_canonical() else { return };
            let Some(rotel) = Rotel::passing_on_to(&behind.endpoint(passed_on)) else { return };
            let Some(straight) = Decoder::start_canonical() else { return };
            let config = format!(
                "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}\nsinks:\n{}{}",
                sink("rotel", &rotel.endpoint(protocol), compression),
                sink("straight", &straight.endpoint(Protocol::Grpc), "none")
            );
            let service = Service::new().config(&config).start();
            for record in records() {
                let reply = service.push(record);
                assert_eq!(reply.status, 200, "{protocol:?} {compression}: {}", reply.body);
            }
            let expected = spans(&straight);
            wait_until("every span behind rotel", || spans(&behind).len() >= expected.len());
            assert_eq!(spans(&behind), expected, "{protocol:?} {compression}, passed on over {passed_on:?}");
        }
    }
}

/// The examples, and records with as many keys, transfers and strange characters as there may be.
fn records() -> Vec<String> {
    let folder = fs::read_dir(root().join("examples/records")).expect("it is there").flatten();
    let examples = folder.map(|file| fs::read_to_string(file.path()).expect("it is text"));
    let payloads = ["emoji", "ansi-escapes", "ivr-keys-70", "survey-keys", "participant-types", "transfer-a-b-warm"];
    examples.chain(payloads.map(|name| read(&format!("tests/golden/payloads/{name}.json")))).collect()
}

/// In their canonical bytes, sorted: a collector may group spans by resource in another order.
fn spans(decoder: &Decoder) -> Vec<String> {
    let mut spans: Vec<String> = decoder.exports().into_iter().flat_map(|export| export.canonical).collect();
    spans.sort();
    spans
}

fn sink(name: &str, endpoint: &Endpoint, compression: &str) -> String {
    let (url, protocol) = (&endpoint.url, endpoint.protocol.as_str());
    format!(
        "  {name}: {{ type: opentelemetry, endpoint: '{url}', protocol: {protocol}, compression: {compression} }}\n"
    )
}
