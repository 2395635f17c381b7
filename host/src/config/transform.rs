//! The `transforms` section: what makes traces of records.

use super::component::Kind;
use super::decode::{Options, Table};
use super::path::At;
use super::plan::{Reload, TransformPlan};
use super::planning::Planning;
use super::privacy::Privacy;
use super::value::{Choice, Word};
use crate::span::{Attribute, Value};
use crate::transform::{BUILTIN, Settings, Source, Wasi};
use clap::ValueEnum;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Default)]
pub(super) struct Transform(Plugin);

/// Maps records with a plugin, a WebAssembly component.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Plugin {
    /// `builtin:tccc`, or the path of a component that implements `wit/callspan.wit`.
    plugin: String,
    /// When a component in a file is loaded again: when the file changes, `on_change`, or only at SIGHUP and by `callspan
    /// plugin reload`, `manual`. The one in service stays until another one was loaded and tried.
    reload: Choice<Reload>,
    /// The path of a component that maps the same records beside the plugin, for comparison: what is different is told by
    /// `callspan plugin status`, and nothing that it makes goes anywhere.
    shadow: Option<PathBuf>,
    /// The plugin's own options; `callspan inspect` shows their schema.
    options: Option<serde_json::Value>,
    /// Resource attributes that are added to every span; they win over the plugin's.
    resource: BTreeMap<String, String>,
    /// What becomes of sensitive values.
    privacy: Privacy,
    /// What the plugin may import: nothing, or with `stub` the functions of WASI, for languages that cannot do without
    /// them. There is nothing behind them: no clock, no random numbers, no files, no environment.
    wasi: Choice<WasiName>,
}

/// What a plugin may import, as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum WasiName {
    /// A plugin may import nothing.
    #[default]
    None,
    /// The functions of WASI are there, and nothing is behind them: no clock, no random numbers, no files, no environment.
    Stub,
}

impl Word for WasiName {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("none", WasiName::None), ("stub", WasiName::Stub)]
    }
}

impl Default for Plugin {
    fn default() -> Self {
        Plugin {
            plugin: BUILTIN.to_owned(),
            reload: Choice::default(),
            shadow: None,
            options: None,
            resource: BTreeMap::new(),
            privacy: Privacy::default(),
            wasi: Choice::default(),
        }
    }
}

impl Word for Reload {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("on_change", Reload::OnChange), ("manual", Reload::Manual)]
    }
}

impl Options for Plugin {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Plugin {
            plugin: table.take("plugin", default.plugin),
            reload: table.take("reload", default.reload),
            shadow: table.take("shadow", default.shadow),
            options: table.take("options", default.options),
            resource: table.take("resource", default.resource),
            privacy: table.take("privacy", default.privacy),
            wasi: table.take("wasi", default.wasi),
        }
    }
}

impl Kind for Transform {
    const SECTION: &'static str = "transforms";
    const PURPOSE: &'static str = "makes traces of records";
    const HAS_INPUTS: bool = true;
    const TYPES: &'static [&'static str] = &["plugin"];

    fn read(type_name: &str, table: &mut Table<'_, '_>) -> Option<Self> {
        (type_name == "plugin").then(|| Transform(Plugin::read(table)))
    }

    fn schema(_: &str, generator: &mut SchemaGenerator) -> Schema {
        Plugin::json_schema(generator)
    }
}

impl Transform {
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> TransformPlan {
        let Transform(Plugin { plugin, reload: Choice(reload), shadow, options, resource, privacy, wasi }) = self;
        let overrides = planning.overrides;
        let options = overrides.options.clone().or_else(|| options.map(|options| options.to_string()));
        let plugin_at = at.key("plugin");
        if plugin.is_empty() && planning.report.is_good(plugin_at) && planning.report.checks_environment {
            planning.report.add(plugin_at, format!("expected {BUILTIN} or the path of a component"));
        }
        TransformPlan {
            plugin: Source::parse(overrides.plugin.as_deref().unwrap_or(&plugin)),
            reload,
            shadow: shadow.map(Source::File),
            settings: Settings {
                options: options.unwrap_or_default(),
                policy: privacy.plan(at.key("privacy"), planning),
                resource: resource
                    .into_iter()
                    .map(|(key, value)| Attribute { key: key.into(), value: Value::Text(value) })
                    .collect(),
                wasi: match overrides.wasi.unwrap_or(wasi.0) {
                    WasiName::None => Wasi::None,
                    WasiName::Stub => Wasi::Stub,
                },
                ..Settings::default()
            },
        }
    }
}
