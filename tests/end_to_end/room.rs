//! A queue takes no more of a disk than it may. What happens then is for each sink to say: nothing more is taken in, or the
//! oldest records are given up for it.

use callspan_tests::{Connection, Decoder, Protocol, Request, Service, wait_until};

const SETTLED: &str = "callspan_consumer_settled_events_total";
const BODY_BYTES: usize = 1_000_000;
/// More than fit.
const PUSHES: usize = 300;

/// The backend is down and the queue is full: senders are told to come again, and so is whoever looks at health. When the
/// backend is back, there is room again, without a restart, and everything that was taken is delivered.
#[test]
fn a_full_queue_takes_nothing_until_there_is_room_again() {
    let Some(gone) = Decoder::start() else { return };
    let (ports, endpoint) = (gone.ports(), gone.endpoint(Protocol::Grpc));
    drop(gone);
    let folder = tempfile::tempdir().expect("a folder");
    let mut service =
        Service::new().config(&small("reject")).export_to(endpoint).durable().data_dir(folder.path()).start();
    let mut connection = Connection::open(service.address());
    let replies = (0..PUSHES).map(|number| connection.send(&large(number)));
    let (mut taken, mut refused) = (0, None);
    for reply in replies {
        if reply.status == 200 {
            taken += 1;
        } else {
            refused = Some(reply);
            break;
        }
    }
    let refused = refused.expect("it is full at some time");
    assert!((200..270).contains(&taken), "{taken} of {BODY_BYTES} bytes");
    // It is the same whether the queue finds out or knows already, and as long as nothing drains, nobody knows when.
    for refused in [refused, connection.send(&large(PUSHES))] {
        assert_eq!((refused.status, refused.code(), refused.header("retry-after")), (429, 429, Some("300")));
    }
    assert_eq!(service.ask("/readyz/queue/queue").status, 503);
    service.wait_for_log(r#""code":"queue_full""#);
    assert!(service.metric("callspan_refused_bodies_total", &["reason=\"queue\""]) >= 1.0);

    let Some(backend) = Decoder::start_on(ports) else { return };
    service.wait_until_drained();
    assert_eq!(backend.taken_sessions().len(), taken);
    service.wait_for_log("the queue takes records in again");
    // The connection may have been idle for too long by now.
    assert_eq!(service.send(&large(PUSHES)).status, 200);
    assert_eq!(service.ask("/readyz/queue/queue").status, 200);
    service.wait_for_metric(SETTLED, &["outcome=\"delivered\""], (taken + 1) as f64);
}

/// For a sink that may lose its oldest records every push is taken; what is given up is counted and logged.
#[test]
fn a_sink_may_lose_its_oldest_records_instead() {
    let Some(gone) = Decoder::start() else { return };
    let endpoint = gone.endpoint(Protocol::Grpc);
    drop(gone);
    let folder = tempfile::tempdir().expect("a folder");
    let config = small("drop_oldest");
    let mut service = Service::new().config(&config).export_to(endpoint).durable().data_dir(folder.path()).start();
    let mut connection = Connection::open(service.address());
    for number in 0..PUSHES {
        let reply = connection.send(&large(number));
        assert_eq!(reply.status, 200, "{number}: {}", reply.body);
    }
    service.wait_for_log(r#""code":"dropped_oldest""#);
    // An answer comes before the numbers do.
    let dropped = || service.metric(SETTLED, &["outcome=\"dropped\""]);
    let waiting = || service.metric("callspan_consumer_waiting_events", &[]);
    wait_until("all of them in numbers", || dropped() + waiting() == PUSHES as f64);
    assert!(dropped() > 0.0 && waiting() > 0.0, "{} {}", dropped(), waiting());
    assert_eq!(service.ask("/readyz/queue/queue").status, 200);
}

/// The least queue there may be.
fn small(when_full: &str) -> String {
    format!(
        "queue: {{ max_size: 268435456, min_free_space: 0 }}
sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0' }} }}
sinks: {{ backend: {{ type: opentelemetry, when_full: {when_full} }} }}
"
    )
}

/// A record that is large by what no mapping looks at.
fn large(number: usize) -> Request {
    let padding = "x".repeat(BODY_BYTES);
    Request::push(format!(
        r#"{{"SdkAppId":1400000000,"SessionId":"session {number}","StartTimestamp":1700000000,"EndedTimestamp":1700000060,"Padding":"{padding}"}}"#
    ))
}
