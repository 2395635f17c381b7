//! `callspan validate`: whether configuration files would serve, without serving.

use super::{Failure, Verdict, loader, or_reader_gone, variable};
use crate::args::Validate;
use crate::config::plan::Plan;
use crate::config::{Config, Overrides, Problem};
use crate::transform::{LoadError, Loader};
use std::io::{self, Write as _};
use std::path::Path;

pub(super) fn run(arguments: Validate) -> Result<Verdict, Failure> {
    // Plugins are part of the environment.
    let loader = if arguments.no_environment { None } else { Some(loader()?) };
    let mut verdict = Verdict::Good;
    for file in &arguments.files {
        match check(file, loader.as_ref())? {
            Ok(plan) => or_reader_gone(writeln!(io::stdout(), "{}: ok, {}", file.display(), summary(&plan)))?,
            Err(problems) => {
                verdict = Verdict::Misconfigured;
                let mut stderr = io::stderr().lock();
                for problem in problems {
                    // If nobody can be told, the exit code still says it.
                    let _told = writeln!(stderr, "{problem}");
                }
            }
        }
    }
    Ok(verdict)
}

/// Everything that is wrong with a file, if anything is.
fn check(file: &Path, loader: Option<&Loader>) -> Result<Result<Plan, Vec<Problem>>, Failure> {
    let config = match Config::read(file, &variable) {
        Ok(config) if loader.is_none() => config.without_environment(),
        Ok(config) => config,
        Err(error) => return Ok(Err(error.problems().to_vec())),
    };
    let plan = match config.clone().plan(&Overrides::default(), &variable) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error.problems().to_vec())),
    };
    match loader {
        Some(loader) => load(plan, &config, loader),
        None => Ok(Ok(plan)),
    }
}

/// Takes every plugin into service, as serving would, and lets it go again.
fn load(plan: Plan, config: &Config, loader: &Loader) -> Result<Result<Plan, Vec<Problem>>, Failure> {
    let mut problems = Vec::new();
    for transform in &plan.transforms {
        let plan = &transform.plan;
        let candidate = plan.shadow.iter().map(|source| ("shadow", "shadow", source));
        for (source_key, options_key, source) in [("plugin", "options", &plan.plugin)].into_iter().chain(candidate) {
            let (key, error) = match loader.load(source, plan.settings.clone()) {
                Ok(_) => continue,
                Err(error @ (LoadError::Engine(_) | LoadError::Ticker(_))) => return Err(error.into()),
                Err(error @ LoadError::Options { .. }) => (options_key, error),
                Err(error) => (source_key, error),
            };
            problems.push(config.problem_at(["transforms", &transform.name, key], format!("failed to {error}")));
        }
    }
    Ok(if problems.is_empty() { Ok(plan) } else { Err(problems) })
}

/// `2 sources, 1 transform, 1 sink`.
fn summary(plan: &Plan) -> String {
    let count = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    [count(plan.sources.len(), "source"), count(plan.transforms.len(), "transform"), count(plan.sinks.len(), "sink")]
        .join(", ")
}
