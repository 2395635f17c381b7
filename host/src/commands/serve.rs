//! `callspan serve`: the service, until it is told to stop.

use super::{Failure, Verdict, loader, read_config, variable};
use crate::args::Serve;
use crate::service::Service;
use crate::{shutdown, telemetry};
use anyhow::Context as _;

pub(super) fn run(arguments: Serve) -> Result<Verdict, Failure> {
    telemetry::init_logs(arguments.log.log_format);
    let config = read_config(arguments.mapping.config.as_deref())?;
    let plan = config.plan(&arguments.mapping.overrides(arguments.address), variable)?;
    let plugin = loader()?.load(&plan.source, plan.settings.clone())?;
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let mut plan = plan.adapted();
        plan.admin = arguments.admin_address.or(plan.admin);
        let service = Service::start(plan, vec![plugin]).await?;
        let (stop, stop_now) = shutdown::signals()?;
        service.run(stop, stop_now).await
    })?;
    Ok(Verdict::Good)
}
