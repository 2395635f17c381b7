//! Whether the backend of a sink can be reached, looked at when a service starts: a wrong address, a certificate that
//! nobody trusts, show before the first call is to be delivered. It only tells: nothing waits for it, and whether traces
//! are taken their requests show.

use super::Hold;
use crate::export::{Backoff, BackoffSettings, Endpoint, Reach, Unreachable, reach};
use crate::telemetry::Reporter;

/// Of one sink.
pub struct Healthcheck {
    /// Of the sink, as in the configuration.
    pub sink_name: String,
    /// What is looked for.
    pub endpoint: Endpoint,
    /// Knows whether a request was taken.
    pub hold: Hold,
    /// Of the sink.
    pub health: Reporter,
    /// Between one look and the next.
    pub delays: BackoffSettings,
}

impl Healthcheck {
    /// Looks until the backend is reached, or has answered a request in a way that tells more.
    pub async fn run(self) {
        tokio::select! {
            () = self.look() => {}
            () = self.hold.more_is_known(0) => {}
        }
        // What the sink says of itself stays.
        self.health.seems(None);
    }

    async fn look(&self) {
        let Self { sink_name: sink, endpoint, health, .. } = self;
        let mut backoff = Backoff::new(self.delays, fastrand::u64(..));
        loop {
            match reach(endpoint).await {
                Ok(Reach::Reached) => return tracing::info!(sink, %endpoint, "the backend can be reached"),
                Ok(Reach::ByProxy) => return tracing::info!(sink, %endpoint, "the backend is reached by a proxy"),
                Err(Unreachable { reason }) => {
                    if health.seems(Some(&reason)) {
                        let (code, advice) = ("healthcheck_failed", endpoint.advice());
                        tracing::warn!(sink, code, %endpoint, reason, advice, "the backend cannot be reached");
                    }
                }
            }
            tokio::time::sleep(backoff.next_delay(None)).await;
        }
    }
}
