//! Bodies that grow, and bodies that are no text.

use super::{assert_unharmed, encoded_push, held_to};
use callspan_tests::{Request, records};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use std::thread;

/// As many zeros as no service should ever write down.
const BOMB_BYTES: usize = 512 * 1024 * 1024;
const SENDERS: usize = 16;
const STORED: &str = "callspan_consumer_received_events_total";

#[test]
fn a_body_that_grows_beyond_the_limit_is_refused_without_growing() {
    let service = held_to("limits: {}").start();
    for encoding in ["gzip", "deflate", "zstd"] {
        let bomb = bomb(encoding);
        assert!(bomb.len() < 1024 * 1024, "it comes as a small one: {}", bomb.len());
        thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| {
                    let reply = encoded_push(encoding, bomb.clone()).send(service.address());
                    assert_eq!(
                        (reply.status, reply.json()["code"].as_str()),
                        (413, Some("body_too_large")),
                        "{encoding}"
                    );
                });
            }
        });
        assert_unharmed(&service);
    }
}

/// It is kept as a dead letter once, however often it comes, and what stands beside it is stored.
#[test]
fn bytes_that_are_no_text_are_kept_and_their_neighbours_stored() {
    let service = held_to("limits: {}").start();
    let mut body = records::call("before").into_bytes();
    body.extend_from_slice(b"\n{\"SessionId\":\"\xff\xfe\"}\n");
    body.extend_from_slice(records::call("after").as_bytes());
    for _ in 0..2 {
        let reply = Request::push(body.clone()).header("X-TCCC-PUSH-UUID", "one").send(service.address());
        assert_eq!((reply.status, reply.json()["records"][0]["index"].as_u64()), (400, Some(1)), "{}", reply.body);
    }
    service.wait_for_metric("callspan_dead_letters", &[], 1.0);
    service.wait_for_metric(STORED, &[], 2.0);
    let in_a_header = Request::push(records::call("header")).header("X", "\u{fffd}").send(service.address());
    assert_eq!(in_a_header.status, 200, "{}", in_a_header.body);
    assert_unharmed(&service);
}

/// Nothing has to stand between objects.
#[test]
fn records_without_anything_between_them_are_told_apart() {
    let service = held_to("limits: {}").start();
    let body: String = ["one", "two", "three"].map(records::call).concat();
    assert_eq!(service.push(body).status, 200, "{}", service.log());
    service.wait_for_metric(STORED, &[], 3.0);
}

fn bomb(encoding: &str) -> Vec<u8> {
    let zeros = vec![0; 1024 * 1024];
    let write = |writer: &mut dyn std::io::Write| {
        (0..BOMB_BYTES / zeros.len()).for_each(|_| writer.write_all(&zeros).expect("memory"));
    };
    match encoding {
        "gzip" => {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
            write(&mut gzip);
            gzip.finish().expect("memory")
        }
        "deflate" => {
            let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
            write(&mut zlib);
            zlib.finish().expect("memory")
        }
        _ => {
            let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 1).expect("memory");
            write(&mut zstd);
            zstd.finish().expect("memory")
        }
    }
}
