//! `callspan serve`: the service, until it is told to stop or its sources come to their end.

use super::{Failure, Verdict, load_all, loader, read_config, variable};
use crate::args::Serve;
use crate::service::Service;
use crate::{shutdown, telemetry};
use anyhow::Context as _;
use rustix::fs::Mode;
use rustix::process::umask;

/// Standard variables that this version does not act on: somebody who sets one counts on it.
const UNSUPPORTED_SUFFIXES: [&str; 4] = ["CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "INSECURE"];

pub(super) fn run(arguments: Serve) -> Result<Verdict, Failure> {
    telemetry::init_logs(arguments.log.log_format);
    let Serve { serving, .. } = arguments;
    let config = read_config(serving.mapping.config.as_deref())?;
    warn_of_unsupported_variables();
    let mut plan = config.plan(&serving.overrides(), &variable)?;
    plan.admin = serving.admin_address.or(plan.admin);
    let loader = loader()?;
    let plugins = load_all(&loader, &plan)?;
    // Whatever is written from here on tells of calls, and belongs to this user alone.
    umask(Mode::RWXG | Mode::RWXO);
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    let served = runtime.block_on(async {
        let service = Service::start(plan, plugins, &loader).await?;
        let (stop, stop_now) = shutdown::signals()?;
        let plugins = service.plugins();
        // It goes on for as long as the runtime.
        tokio::spawn(shutdown::on_hangup(move || {
            let plugins = plugins.clone();
            async move { plugins.reload_all().await }
        })?);
        service.run(stop, stop_now).await
    });
    // A write that blocks, to a pipe that nobody reads or a disk that is gone, must not hold up the end.
    runtime.shutdown_background();
    served.map(|()| Verdict::Good).map_err(Failure::Runtime)
}

fn warn_of_unsupported_variables() {
    for suffix in UNSUPPORTED_SUFFIXES {
        for prefix in ["OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"] {
            let name = format!("{prefix}{suffix}");
            if variable(&name).is_some_and(|value| !value.trim().is_empty()) {
                tracing::warn!(variable = name, "the variable is set and this version does not act on it");
            }
        }
    }
}
