//! `callspan demo`: the service with a console for a backend, fed with example calls through its own front door. It
//! stays up for the reader's own.

use super::{Failure, Verdict, load_all, loader, variable};
use crate::args::Demo;
use crate::config::{ADDRESS_DEFAULT, Config, Format, Overrides};
use crate::service::Service;
use crate::{shutdown, telemetry};
use anyhow::{Context as _, ensure};
use std::io::{self, ErrorKind, Write as _};
use std::net::{SocketAddr, TcpListener};

/// Every default, but a console for a backend, no admin listener, and nothing left on disk.
const CONFIGURATION: &str =
    "{admin: {enabled: false}, queue: {durability: memory}, sinks: {terminal: {type: console}}}";

/// The records that lie in `examples/records`, in the order of a little story.
const EXAMPLES: [(&str, &str); 6] = [
    (
        "a call that waited in the queue, was missed by one agent and transferred by the next",
        include_str!("../../../examples/records/01-transferred.json"),
    ),
    (
        "an outbound call to a number that does not exist",
        include_str!("../../../examples/records/02-number-not-exist.json"),
    ),
    ("a predictive call that was answered", include_str!("../../../examples/records/03-predictive-answered.json")),
    ("a caller who gave up in the queue", include_str!("../../../examples/records/04-abandoned-in-queue.json")),
    ("a caller who was served by the IVR alone", include_str!("../../../examples/records/05-self-service.json")),
    ("a call taken by an AI agent", include_str!("../../../examples/records/06-ai-agent.json")),
];

pub(super) fn run(arguments: Demo) -> Result<Verdict, Failure> {
    telemetry::init_logs_above(arguments.log.log_format, "warn");
    let overrides = Overrides { address: Some(free_address(arguments.address)), ..Overrides::default() };
    let plan = Config::parse(CONFIGURATION, Format::Yaml, &variable)?.plan(&overrides, &variable)?;
    let loader = loader()?;
    let plugins = load_all(&loader, &plan)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let served = runtime.block_on(async {
        let service = Service::start(plan, plugins, &loader).await?;
        let address = service.address().context("the demo has a source that listens")?;
        let (stop, stop_now) = shutdown::signals()?;
        let pushes = tokio::spawn(async move {
            push_examples(address).await?;
            invite(address)
        });
        let served = service.run(stop, stop_now).await;
        if pushes.is_finished() {
            pushes.await.context("push the examples")??;
        }
        served
    });
    // A write that blocks, to a pipe that nobody reads or a disk that is gone, must not hold up the end.
    runtime.shutdown_background();
    served.map(|()| Verdict::Good).map_err(Failure::Runtime)
}

/// Where nobody asked for a certain address, any free port does.
fn free_address(asked_for: Option<SocketAddr>) -> SocketAddr {
    asked_for.unwrap_or_else(|| {
        let is_taken = TcpListener::bind(ADDRESS_DEFAULT).is_err_and(|error| error.kind() == ErrorKind::AddrInUse);
        if is_taken { SocketAddr::new(ADDRESS_DEFAULT.ip(), 0) } else { ADDRESS_DEFAULT }
    })
}

async fn push_examples(address: SocketAddr) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build().context("make an HTTP client")?;
    for (story, record) in EXAMPLES {
        say(&format!("\nPOST http://{address}/?action=cdr&version=1   {story}\n"))?;
        let push = client
            .post(format!("http://{address}/?action=cdr&version=1"))
            .header("Content-Type", "application/json;charset=utf8")
            .body(record);
        let response = push.send().await.context("push an example")?;
        let status = response.status();
        let answer = response.text().await.context("read the answer")?;
        ensure!(status.is_success(), "push an example: the service answered {status}: {answer}");
        say(&format!("{} {answer}", status.as_u16()))?;
    }
    Ok(())
}

fn invite(address: SocketAddr) -> anyhow::Result<()> {
    say(&format!(
        "
The service stays up. In another terminal, push a record of your own:

  curl -X POST 'http://{address}/?action=cdr&version=1' -H 'Content-Type: application/json;charset=utf8' \\
       --data-binary @examples/records/01-transferred.json

Numbers, mail addresses and names above are masked or left out by the default privacy policy. Ctrl-C ends the demo."
    ))
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}").and_then(|()| stdout.flush()).context("write to the terminal")
}
