//! What is told of a backend before anything is sent to it.

use crate::delivery::{Healthcheck, Hold};
use crate::export::{BackoffSettings, Endpoint, Protocol};
use crate::telemetry::{Health, Reporter};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::yield_now;

struct Fixture {
    health: Health,
    sink: Reporter,
    hold: Hold,
    healthcheck: Healthcheck,
}

impl Fixture {
    fn of(address: SocketAddr) -> Self {
        let (health, hold) = (Health::default(), Hold::default());
        let sink = health.part("sink", "backend");
        let healthcheck = Healthcheck {
            sink_name: "backend".to_owned(),
            endpoint: Endpoint::new(Protocol::HttpProtobuf, &format!("http://{address}")).expect("an endpoint"),
            hold: hold.clone(),
            health: sink.clone(),
            delays: BackoffSettings { initial_delay: Duration::from_millis(1), ..BackoffSettings::default() },
        };
        Fixture { health, sink, hold, healthcheck }
    }
}

fn trouble(health: &Health) -> Option<String> {
    health.states().remove(0).trouble
}

async fn some_trouble(health: &Health) -> String {
    loop {
        if let Some(trouble) = trouble(health) {
            return trouble;
        }
        yield_now().await;
    }
}

async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    listener.local_addr().expect("an address")
}

#[tokio::test]
async fn a_backend_that_is_there_is_looked_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let Fixture { health, healthcheck, .. } = Fixture::of(listener.local_addr().expect("an address"));
    healthcheck.run().await;
    assert_eq!(trouble(&health), None);
}

#[tokio::test]
async fn a_sink_whose_backend_is_out_of_reach_is_in_trouble_until_it_is_there() {
    let address = free_address().await;
    let Fixture { health, healthcheck, .. } = Fixture::of(address);
    let running = tokio::spawn(healthcheck.run());
    let told = some_trouble(&health).await;
    assert!(told.contains("could not be reached"), "{told}");
    let _listener = TcpListener::bind(address).await.expect("it is free again");
    running.await.expect("no panic");
    assert_eq!(trouble(&health), None);
}

/// By another way than this one sees, or since it has just come.
#[tokio::test]
async fn a_request_that_was_taken_says_more() {
    let Fixture { health, hold, healthcheck, .. } = Fixture::of(free_address().await);
    let running = tokio::spawn(healthcheck.run());
    some_trouble(&health).await;
    hold.taken();
    running.await.expect("no panic");
    assert_eq!(trouble(&health), None);
}

#[tokio::test]
async fn what_the_sink_says_of_itself_stays() {
    let address = free_address().await;
    let Fixture { health, sink, healthcheck, .. } = Fixture::of(address);
    let running = tokio::spawn(healthcheck.run());
    some_trouble(&health).await;
    sink.trouble_is("it refuses the token");
    let _listener = TcpListener::bind(address).await.expect("it is free again");
    running.await.expect("no panic");
    assert_eq!(trouble(&health).as_deref(), Some("it refuses the token"));
}
