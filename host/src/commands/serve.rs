//! `callspan serve`: the service, until it is told to stop or its sources come to their end.

use super::{Failure, Verdict, load_all, loader, read_config, variable};
use crate::args::Serve;
use crate::config::Overrides;
use crate::service::Service;
use crate::{shutdown, telemetry};
use anyhow::Context as _;
use std::time::Duration;

pub(super) fn run(arguments: Serve) -> Result<Verdict, Failure> {
    telemetry::init_logs(arguments.log.log_format);
    let config = read_config(arguments.mapping.config.as_deref())?;
    let overrides = Overrides {
        graceful_shutdown_limit: arguments.graceful_shutdown_limit_secs.map(Duration::from_secs),
        ..arguments.mapping.overrides(arguments.address)
    };
    let mut plan = config.plan(&overrides, &variable)?;
    plan.admin = arguments.admin_address.or(plan.admin);
    let plugins = load_all(&loader()?, &plan)?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let service = Service::start(plan, plugins).await?;
        let (stop, stop_now) = shutdown::signals()?;
        service.run(stop, stop_now).await
    })?;
    Ok(Verdict::Good)
}
