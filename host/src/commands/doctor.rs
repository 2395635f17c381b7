//! `callspan doctor`: what would keep a service from working, with its configuration, on this machine, now.
//!
//! It looks and does not touch: nothing is written to the disk, what is compiled is not kept, an address that is tried is
//! given back at once. Findings name no secret, and no record is read.

mod addresses;
mod backends;
mod clock;
mod finding;
mod folder;
mod senders;
mod sockets;

use super::{Failure, Verdict, read_config, variable};
use crate::args::Doctor;
use crate::config::plan::{Part, Plan, TransformPlan};
use crate::config::{Config, ConfigError};
use crate::transform::{Cache, Engine, Loader};
use anyhow::Context as _;
use finding::{Finding, Report};

pub(super) fn run(arguments: Doctor) -> Result<Verdict, Failure> {
    let mut report = Report::new(arguments.format);
    report.add(clock::check())?;
    if let Some(plan) = plan(&arguments, &mut report)? {
        look(plan, arguments.send_test_trace, &mut report)?;
    }
    report.end()
}

/// Everything that needs to know what is to be run.
fn look(plan: Plan, sends_test_trace: bool, report: &mut Report) -> Result<(), Failure> {
    let loader = Loader::new(Engine::new()?, Cache::none());
    for transform in &plan.transforms {
        report.add(plugin(&loader, transform))?;
    }
    let service = folder::check(&plan, report)?;
    addresses::check(&plan, service, report)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    senders::check(&plan, &runtime, report)?;
    for sink in plan.sinks {
        report.add(runtime.block_on(backends::check(&sink, sends_test_trace)))?;
    }
    Ok(())
}

/// What is to be run, if the configuration holds.
fn plan(arguments: &Doctor, report: &mut Report) -> Result<Option<Plan>, Failure> {
    const CHECK: &str = "configuration";
    let serving = &arguments.serving;
    let planned = match read_config(serving.mapping.config.as_deref()) {
        Ok(config) => Config::plan(config, &serving.overrides(), &variable),
        Err(Failure::Configuration(error)) => match error.downcast::<ConfigError>() {
            Ok(error) => Err(error),
            Err(error) => return Err(Failure::Configuration(error)),
        },
        Err(failure) => return Err(failure),
    };
    match planned {
        Ok(mut plan) => {
            plan.admin = serving.admin_address.or(plan.admin);
            let counts = [plan.sources.len(), plan.transforms.len(), plan.sinks.len()];
            let [sources, transforms, sinks] = counts;
            let found = format!("it holds; sources: {sources}, transforms: {transforms}, sinks: {sinks}");
            report.add(Finding::ok(CHECK, found))?;
            Ok(Some(plan))
        }
        Err(error) => {
            for problem in error.problems() {
                let remedy = "correct it; the other checks wait for a configuration that holds";
                report.add(Finding::error(CHECK, problem.to_string(), remedy))?;
            }
            Ok(None)
        }
    }
}

/// Takes a plugin into service, as serving would, and lets it go again.
fn plugin(loader: &Loader, transform: &Part<TransformPlan>) -> Finding {
    let check = format!("transforms.{}.plugin", transform.name);
    match loader.load(&transform.plan.plugin, transform.plan.settings.clone()) {
        Ok(plugin) => {
            let contract = plugin.contract();
            Finding::ok(check, format!("{} {} loads, and passes its trial", contract.name, contract.version))
        }
        Err(error) => {
            let remedy = "give a component that exports wit/callspan.wit, with options that it takes";
            Finding::error(check, format!("failed to {error}"), remedy)
        }
    }
}
