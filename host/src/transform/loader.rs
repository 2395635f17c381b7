//! Takes a plugin into service: its size, its imports and exports, its description, its options, a trial.

use super::Plugin;
use super::cache::{Cache, KeepError, Kept};
use super::call::Instances;
use super::contract::bindings::TransformPre;
use super::contract::{Contract, EXPORT};
use super::engine::Engine;
use super::error::LoadError;
use super::fingerprint;
use super::hold::PluginHold;
use super::limits::Limits;
use super::privacy::Policy;
use super::wasi::{self, Wasi};
use crate::span::Attribute;
use crate::watched::Stamp;
use bytes::Bytes;
use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::sync::Arc;
use wasmtime::component::{Component, Linker};

/// How the embedded mapping of Tencent Cloud Contact Center is called.
pub const BUILTIN: &str = "builtin:tccc";

/// The component of that mapping, as it was built with this program.
const BUILTIN_COMPONENT: &[u8] = include_bytes!(env!("CALLSPAN_TCCC_WASM"));

/// Where a plugin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The mapping inside this program.
    Builtin,
    /// A component in a file.
    File(PathBuf),
}

/// Where a plugin was loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub source: Source,
    /// How the file was when it was read; none for the mapping inside this program.
    pub stamp: Option<Stamp>,
}

/// How a plugin is to be run.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Options of the plugin: JSON, or empty for none.
    pub options: String,
    pub policy: Policy,
    pub limits: Limits,
    /// Resource attributes of the operator, which win over the plugin's.
    pub resource: Vec<Attribute>,
    /// What the plugin may import.
    pub wasi: Wasi,
}

/// What a plugin is, without being in service.
pub struct Inspected {
    pub contract: Contract,
    /// Of the component.
    pub bytes: usize,
    /// What it asks its host for.
    pub imports: Vec<String>,
}

/// A component that keeps to the contract, before it has options.
struct Described {
    instances: Instances,
    contract: Contract,
    /// What it asks its host for.
    imports: Vec<String>,
}

/// What was compiled ahead of time.
#[derive(Debug)]
pub struct Compiled {
    pub contract: Contract,
    /// Where it is kept.
    pub path: PathBuf,
    /// Whether it was kept there before.
    pub was_there: bool,
}

/// Loads plugins for one engine.
#[derive(Clone)]
pub struct Loader {
    engine: Engine,
    cache: Cache,
}

impl Source {
    /// `builtin:tccc`, or else the path of a file.
    pub fn parse(text: &str) -> Self {
        if text == BUILTIN { Source::Builtin } else { Source::File(PathBuf::from(text)) }
    }

    /// How it is called in messages.
    pub fn name(&self) -> String {
        match self {
            Source::Builtin => BUILTIN.to_owned(),
            Source::File(path) => path.display().to_string(),
        }
    }

    /// How its file is now; none where there is no file.
    #[must_use]
    pub fn stamp(&self) -> Option<Stamp> {
        match self {
            Source::Builtin => None,
            Source::File(path) => Stamp::of(path),
        }
    }

    /// The component's bytes. A file that is larger than this is not read.
    ///
    /// # Errors
    /// When the file cannot be read, or is larger.
    pub fn read(&self, bytes_max: usize) -> Result<Bytes, LoadError> {
        let Source::File(path) = self else { return Ok(Bytes::from_static(BUILTIN_COMPONENT)) };
        let failed = |error| LoadError::Read { path: path.clone(), error };
        let file = File::open(path).map_err(failed)?;
        let limit = u64::try_from(bytes_max).unwrap_or(u64::MAX);
        let size = file.metadata().map_err(failed)?.len();
        let mut bytes = Vec::new();
        if size <= limit {
            // It may have grown meanwhile, or be no file whose size is known.
            file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
        }
        let size = size.max(bytes.len() as u64);
        if size > limit {
            return Err(LoadError::TooLarge { plugin: self.name(), bytes: size, limit: bytes_max });
        }
        Ok(Bytes::from(bytes))
    }
}

impl Loader {
    /// A loader that keeps what it compiles in this cache.
    pub fn new(engine: Engine, cache: Cache) -> Self {
        Loader { engine, cache }
    }

    /// A plugin that is ready to map records.
    ///
    /// # Errors
    /// When the plugin is not a component of the contract, refuses its options, or fails its trial.
    pub fn load(&self, source: &Source, settings: Settings) -> Result<Plugin, LoadError> {
        // Looked at before it is read: what changes in between is seen the next time.
        let stamp = source.stamp();
        let component = source.read(settings.limits.component_bytes_max)?;
        self.load_component(&component, Origin { source: source.clone(), stamp }, settings)
    }

    /// The same, unless the mapping that it would make has this fingerprint: then there is nothing to load.
    ///
    /// # Errors
    /// When the plugin is not a component of the contract, refuses its options, or fails its trial.
    pub fn load_unless(
        &self,
        fingerprint: &str,
        source: &Source,
        settings: Settings,
    ) -> Result<Option<Plugin>, LoadError> {
        let stamp = source.stamp();
        let component = source.read(settings.limits.component_bytes_max)?;
        if fingerprint::of(&component, &settings) == fingerprint {
            return Ok(None);
        }
        self.load_component(&component, Origin { source: source.clone(), stamp }, settings).map(Some)
    }

    fn load_component(&self, component: &[u8], origin: Origin, settings: Settings) -> Result<Plugin, LoadError> {
        let plugin = origin.source.name();
        let Described { instances, contract, .. } =
            self.describe(&plugin, component, &settings.limits, settings.wasi)?;
        let plugin = format!("{plugin} ({})", contract.title());
        match instances.configure(&self.engine, &settings.limits, &settings.options) {
            Ok(Ok(())) => {}
            Ok(Err(problems)) => return Err(LoadError::Options { plugin, problems }),
            Err(error) => return Err(LoadError::Configure { plugin, error: error.to_string() }),
        }
        let fingerprint = fingerprint::of(component, &settings);
        let Settings { options, policy, limits, resource, wasi: _ } = settings;
        let loaded = Plugin {
            engine: self.engine.clone(),
            instances,
            title: contract.title().into(),
            contract: Arc::new(contract),
            origin,
            options,
            policy,
            limits,
            resource,
            fingerprint,
            hold: PluginHold::default(),
        };
        match loaded.try_out() {
            Ok(()) => Ok(loaded),
            Err(error) => Err(LoadError::Trial { plugin, error: error.to_string() }),
        }
    }

    /// What a plugin says of itself, without taking it into service. It may import WASI: there is only the stub of it.
    ///
    /// # Errors
    /// When it is not a component of the contract.
    pub fn inspect(&self, source: &Source) -> Result<Inspected, LoadError> {
        let limits = Limits::default();
        let component = source.read(limits.component_bytes_max)?;
        let Described { contract, imports, .. } = self.describe(&source.name(), &component, &limits, Wasi::Stub)?;
        Ok(Inspected { contract, bytes: component.len(), imports })
    }

    /// Keeps the compiled form of a plugin for services that are started later. Whether it may import WASI is for them to say.
    ///
    /// # Errors
    /// When it is not a component of the contract, or cannot be kept.
    pub fn compile(&self, source: &Source) -> Result<Compiled, LoadError> {
        let limits = Limits::default();
        let plugin = source.name();
        let component = source.read(limits.component_bytes_max)?;
        check_magic(&plugin, &component)?;
        let Kept { component, path, was_there } =
            self.cache.keep(&self.engine, &component).map_err(|error| match error {
                KeepError::Compile(error) => LoadError::NotAComponent { plugin: plugin.clone(), error },
                KeepError::NoFolder => LoadError::NoFolder { plugin: plugin.clone() },
                KeepError::Folder { path, error } => LoadError::Keep { plugin: plugin.clone(), path, error },
            })?;
        let Described { contract, .. } = self.introduce(&plugin, &component, &limits, Wasi::Stub)?;
        Ok(Compiled { contract, path, was_there })
    }

    fn describe(&self, plugin: &str, component: &[u8], limits: &Limits, granted: Wasi) -> Result<Described, LoadError> {
        let component = self.compiled(plugin, component)?;
        self.introduce(plugin, &component, limits, granted)
    }

    fn compiled(&self, plugin: &str, component: &[u8]) -> Result<Component, LoadError> {
        check_magic(plugin, component)?;
        let compiled = self.cache.compile(&self.engine, component);
        compiled.map_err(|error| LoadError::NotAComponent { plugin: plugin.to_owned(), error })
    }

    /// Has a component say what it is.
    fn introduce(
        &self,
        plugin: &str,
        component: &Component,
        limits: &Limits,
        granted: Wasi,
    ) -> Result<Described, LoadError> {
        let named = || plugin.to_owned();
        let imports = self.check_exterior(plugin, component, granted)?;
        let mut linker = Linker::new(self.engine.wasmtime());
        wasi::define(&mut linker, component).map_err(|error| LoadError::Wasi { plugin: named(), error })?;
        let types = |error| LoadError::Types { plugin: named(), error };
        let prepared = linker.instantiate_pre(component).and_then(TransformPre::new).map_err(types)?;
        let instances = Instances::new(prepared);
        let description = instances
            .describe(&self.engine, limits)
            .map_err(|error| LoadError::Describe { plugin: named(), error: error.to_string() })?;
        let contract =
            Contract::check(description).map_err(|problem| LoadError::Description { plugin: named(), problem })?;
        Ok(Described { instances, contract, imports })
    }

    /// Imports nothing but what is granted, and exports the contract in a version that this host speaks. What it imports.
    fn check_exterior(&self, plugin: &str, component: &Component, granted: Wasi) -> Result<Vec<String>, LoadError> {
        let engine = self.engine.wasmtime();
        let exterior = component.component_type();
        let imports: Vec<String> = exterior.imports(engine).map(|(name, _)| name.to_owned()).collect();
        let is_granted = |import: &String| granted == Wasi::Stub && wasi::is_wasi(import);
        if !imports.iter().all(is_granted) {
            return Err(LoadError::Imports { plugin: plugin.to_owned(), imports });
        }
        let found: Vec<String> = exterior.exports(engine).map(|(name, _)| name.to_owned()).collect();
        if !found.iter().any(|name| name == EXPORT) {
            return Err(LoadError::Exports { plugin: plugin.to_owned(), expected: EXPORT, found });
        }
        Ok(imports)
    }
}

/// What the first bytes say: a component, or something that is often taken for one.
fn check_magic(plugin: &str, component: &[u8]) -> Result<(), LoadError> {
    let plugin = plugin.to_owned();
    match component {
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => Err(LoadError::CoreModule { plugin }),
        [0, b'a', b's', b'm', ..] => Ok(()),
        [] => Err(LoadError::NotWebAssembly { plugin, beginning: "is empty".to_owned() }),
        _ => {
            let bytes: Vec<String> = component.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            Err(LoadError::NotWebAssembly { plugin, beginning: format!("begins with {}", bytes.join(" ")) })
        }
    }
}
