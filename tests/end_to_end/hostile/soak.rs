//! As many pushes as the machine takes, beside clients that misbehave: nothing is lost or counted twice, and the memory
//! does not grow.

use super::{MEMORY_MAX, connect, memory};
use callspan_tests::{Load, Service};
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const SENDERS: usize = 16;
/// What allocators and caches may gain in the second half.
const GROWTH_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// For 30 seconds, or as many as `CALLSPAN_SOAK_SECONDS` says.
#[test]
fn under_load_for_a_while_the_books_are_exact_and_memory_is_flat() {
    let seconds = std::env::var("CALLSPAN_SOAK_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let half = Duration::from_secs(seconds) / 2;
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "sources: {{ tccc: {{ type: http_server, address: '127.0.0.1:0', limits: {{ header_timeout_secs: 1 }} }} }}\n\
         sinks: {{ lines: {{ type: file, path: '{}' }} }}",
        folder.path().join("traces.jsonl").display()
    );
    let service = Service::new().durable().config(&config).start();
    let is_over = AtomicBool::new(false);
    let (acknowledged, middle, end) = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // One of them is always on its way, until it is closed.
                let mut client = connect(&service);
                let _sent =
                    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n{\"SessionId\":");
            }
        });
        let load = Load::start(service.address(), SENDERS, "soak");
        after(half);
        let middle = memory(&service, "VmRSS");
        after(half);
        let end = memory(&service, "VmRSS");
        is_over.store(true, Ordering::Relaxed);
        (load.end().len(), middle, end)
    });
    let count = f64::from(u32::try_from(acknowledged).expect("not that many in a while"));
    service.wait_for_metric("callspan_consumer_settled_events_total", &["outcome=\"delivered\""], count);
    service.wait_for_metric("callspan_consumer_waiting_events", &[], 0.0);
    service.wait_for_metric("callspan_consumer_received_events_total", &[], count);
    eprintln!("{acknowledged} pushes in {seconds} s; {middle} bytes in the middle, {end} at the end");
    assert!(end <= middle + GROWTH_BYTES_MAX, "{middle} bytes in the middle, {end} at the end");
    assert!(memory(&service, "VmHWM") <= MEMORY_MAX);
}

fn after(time: Duration) {
    let begun = Instant::now();
    while begun.elapsed() < time {
        thread::sleep(Duration::from_millis(100));
    }
}
