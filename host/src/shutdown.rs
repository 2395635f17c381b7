//! When to stop: at SIGTERM, as service managers send it, or SIGINT, as Ctrl-C does. Somebody who sends a second one
//! does not want to wait any longer. SIGHUP, as for daemons that read their files again, stops nothing.

use anyhow::Context as _;
use std::future::Future;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Two futures, to be called for within a tokio runtime: the first is ready at the first signal, the second at the
/// second.
///
/// # Errors
/// When the system does not let this process listen for them.
pub fn signals()
-> anyhow::Result<(impl Future<Output = ()> + Send + 'static, impl Future<Output = ()> + Send + 'static)> {
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let counted = watch::Sender::new(0);
    let (first, second) = (counted.subscribe(), counted.subscribe());
    tokio::spawn(async move {
        loop {
            either(&mut terminate, &mut interrupt).await;
            counted.send_modify(|signals| *signals += 1);
        }
    });
    Ok((reached(first, 1), reached(second, 2)))
}

/// Does something at every SIGHUP, which ends the process no more from then on. To be called within a tokio runtime.
///
/// # Errors
/// When the system does not let this process listen for it.
pub fn on_hangup<F: Future<Output = ()> + Send>(
    mut act: impl FnMut() -> F + Send + 'static,
) -> anyhow::Result<impl Future<Output = ()> + Send + 'static> {
    let mut hangup = signal(SignalKind::hangup()).context("failed to listen for SIGHUP")?;
    Ok(async move {
        while hangup.recv().await.is_some() {
            act().await;
        }
    })
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}

/// The counting goes on for as long as the runtime, so an error only comes when it ends anyway.
async fn reached(mut counted: watch::Receiver<u32>, number: u32) {
    let _counted = counted.wait_for(|signals| *signals >= number).await;
}
