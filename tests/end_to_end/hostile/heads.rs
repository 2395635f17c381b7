//! Heads of requests that are too much, contradict themselves, or come many at a time.

use super::{answers_to, assert_unharmed, held_to, push};
use callspan_tests::records;

#[test]
fn a_huge_head_is_refused_before_it_is_all_there() {
    let service = held_to("limits: { idle_timeout_secs: 1 }").start();
    let one_header = push(&format!("X: {}\r\n", "x".repeat(10_000_000)), "{}");
    let many_headers = push(&"X: y\r\n".repeat(100_000), "{}");
    let address = format!("POST /{} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{{}}", "x".repeat(5000));
    for (request, status) in [(one_header, 431), (many_headers, 431), (address, 414)] {
        let answer = answers_to(&service, request);
        // Of a connection that is reset while it still sends, the client may not see the answer.
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
    assert_unharmed(&service);
}

/// It is not waited for its end, which never comes.
#[test]
fn a_head_that_is_too_long_already_ends_the_connection() {
    let service = held_to("limits: { header_timeout_secs: 600, idle_timeout_secs: 600 }").start();
    let answer = answers_to(&service, format!("POST / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(100_000)));
    // What it still sends may reset the connection before the answer is seen.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_unharmed(&service);
}

/// Two lengths could be read as one request here and as two elsewhere (RFC 9112, section 6.3). What follows on the same
/// connection is never answered.
#[test]
fn what_contradicts_itself_about_its_length_ends_the_connection() {
    let service = held_to("limits: {}").start();
    let smuggled = push("", &records::call("smuggled"));
    for headers in ["Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: 2, 3\r\n", "Content-Length: -1\r\n"]
    {
        let answer = answers_to(&service, format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{{}}{smuggled}"));
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.matches("HTTP/1.1").count() == 1, "{headers}: {answer}");
    }
    for unknown in ["HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip", "HTTP/1.0\r\nTransfer-Encoding: chunked"] {
        let answer = answers_to(&service, format!("POST / {unknown}\r\n\r\n{{}}{smuggled}"));
        assert!(answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "), "{unknown}: {answer}");
    }
    assert_eq!(service.metric("callspan_component_received_events_total", &[r#"component_kind="source""#]), 0.0);
    assert_unharmed(&service);
}

/// A length beside chunks is read over and the connection is closed with the answer, as the standard has it (RFC 9112,
/// section 6.3): whoever reads the length instead finds a second request there, which nobody answers here.
#[test]
fn chunks_are_believed_before_a_length_and_end_the_connection() {
    let service = held_to("limits: {}").start();
    let smuggled = push("", &records::call("smuggled"));
    let record = records::call("chunked");
    let mut pushed = 0.0;
    for length in [0, 2, record.len(), 10_000] {
        let (length, chunked) = (format!("Content-Length: {length}\r\n"), "Transfer-Encoding: chunked\r\n");
        for headers in
            [format!("{length}{chunked}"), format!("{chunked}{length}"), format!("{length}{chunked}{length}")]
        {
            pushed += 1.0;
            let chunks = format!("{:x}\r\n{record}\r\n0\r\n\r\n", record.len());
            let answer = answers_to(&service, format!("POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n{chunks}{smuggled}"));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{headers}: {answer}");
            assert!(answer.contains("\r\nconnection: close\r\n"), "{headers}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{headers}: {answer}");
        }
    }
    let received = service.metric("callspan_component_received_events_total", &[r#"component_kind="source""#]);
    assert_eq!(received, pushed, "nothing was smuggled");
    assert_unharmed(&service);
}

/// Each is answered, in the order in which they came.
#[test]
fn requests_that_do_not_wait_for_answers_get_them_all() {
    const REQUESTS: usize = 200;
    let service = held_to("limits: {}").start();
    let mut requests: String = (0..REQUESTS).map(|number| push("", &records::call(&number.to_string()))).collect();
    requests.push_str(&push("Connection: close\r\n", "no JSON"));
    let answer = answers_to(&service, requests);
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), REQUESTS, "{answer}");
    assert!(answer.rsplit("HTTP/1.1 ").next().is_some_and(|last| last.starts_with("400 ")), "{answer}");
    assert_unharmed(&service);
}
