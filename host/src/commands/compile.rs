//! `callspan compile`: plugins are compiled before a service is started, and kept where it looks for them.

use super::listing::{print, print_json};
use super::{Failure, Verdict, cache, read_config, variable};
use crate::args::{Compile, Listing};
use crate::config::Overrides;
use crate::transform::{Cache, Compiled, Engine, Loader, Source};
use serde::Serialize;
use std::iter;

/// A plugin as programs read it.
#[derive(Serialize)]
struct PluginLine<'p> {
    plugin: String,
    name: &'p str,
    version: &'p str,
    /// Where its compiled form is.
    path: String,
    /// Whether it was compiled now, or before.
    compiled: bool,
}

pub(super) fn run(arguments: Compile) -> Result<Verdict, Failure> {
    let cache = arguments.output.clone().map_or_else(cache, Cache::in_folder);
    let sources = sources(&arguments)?;
    let loader = Loader::new(Engine::new()?, cache);
    for (part, source) in sources {
        let compiled = loader.compile(&source).map_err(|error| match part {
            Some(part) => Failure::from(error).about(&part),
            None => error.into(),
        })?;
        tell(&source, &compiled, arguments.format)?;
    }
    Ok(Verdict::Good)
}

/// Each plugin once, candidates too, with the part of the configuration that names it first.
fn sources(arguments: &Compile) -> Result<Vec<(Option<String>, Source)>, Failure> {
    let Some(file) = &arguments.config else {
        return Ok(arguments.plugins.iter().map(|plugin| (None, Source::parse(plugin))).collect());
    };
    let plan = read_config(Some(file))?.plan(&Overrides::default(), &variable)?;
    let mut sources: Vec<(Option<String>, Source)> = Vec::new();
    for transform in plan.transforms {
        for plugin in iter::once(transform.plan.plugin).chain(transform.plan.shadow) {
            if sources.iter().all(|(_, source)| *source != plugin) {
                sources.push((Some(format!("transforms.{}", transform.name)), plugin));
            }
        }
    }
    Ok(sources)
}

fn tell(source: &Source, compiled: &Compiled, format: Listing) -> Result<(), Failure> {
    let Compiled { contract, path, was_there } = compiled;
    let path = path.display().to_string();
    match format {
        Listing::Text => {
            let what = if *was_there { "is compiled already" } else { "compiled" };
            print(&format!("{} ({}) {what}: {path}", source.name(), contract.title()))
        }
        Listing::Json => print_json(&PluginLine {
            plugin: source.name(),
            name: &contract.name,
            version: &contract.version,
            path,
            compiled: !was_there,
        }),
    }
}
