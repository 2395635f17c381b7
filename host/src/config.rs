//! The configuration: a file in the shape of Vector's, with sources, transforms and sinks that are joined by `inputs`.
//!
//! ```text
//! YAML, TOML ─▶ document ─▶ variables ─▶ decode ─▶ wiring, planning ─▶ plan
//!               nodes with   ${…} put     into the types  who takes      what is
//!               places       in           of options      from whom      to be run
//! ```
//!
//! A configuration is wrong as a whole: nothing stops at the first mistake, and each is told with its place in the file,
//! what is wrong and what would be right. What a variable holds is never told.
//!
//! The types of options stand in `source`, `transform` and `sink`, a file for each `type`, and in `queue`. They are what
//! the JSON Schema is made of, and their doc comments are its descriptions.

mod component;
mod decode;
mod document;
mod duration;
mod layout;
mod listeners;
mod number;
mod path;
pub mod plan;
mod planning;
mod privacy;
mod problem;
mod queue;
mod schema;
mod secret_file;
mod sink;
mod source;
mod suggestion;
mod transform;
mod value;
mod variables;
mod wiring;

#[cfg(test)]
mod tests;

pub use document::Format;
pub use problem::{ConfigError, Problem};
pub use queue::DurabilityName;
pub use schema::schema;
pub use transform::WasiName;

use decode::Decode as _;
use document::Node;
use layout::Layout;
use path::At;
use plan::{QueuePlan, TransformPlan};
use planning::Planning;
use problem::Report;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use suggestion::suggestion;

/// Where a source listens unless it is told otherwise: on this machine alone.
pub const ADDRESS_DEFAULT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// A file whose variables are put in, and whose options nobody has looked at yet.
#[derive(Clone)]
pub struct Config {
    file: Option<PathBuf>,
    root: Node,
    /// What is wrong with the variables in it.
    malformed: Vec<Problem>,
    unset: Vec<Problem>,
    checks_environment: bool,
}

/// What a command line says over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The address of the one source of type `http_server`.
    pub address: Option<SocketAddr>,
    /// For every transform.
    pub plugin: Option<String>,
    /// JSON, for every transform.
    pub options: Option<String>,
    /// A choice for every class that can be that, for every transform.
    pub privacy: Option<String>,
    /// For every transform.
    pub wasi: Option<WasiName>,
    pub graceful_shutdown_limit: Option<Duration>,
    /// The folder for what is remembered.
    pub data_dir: Option<PathBuf>,
    pub durability: Option<DurabilityName>,
}

/// A configuration that leaves everything out.
impl Default for Config {
    fn default() -> Self {
        Config {
            file: None,
            root: Node::empty_table(),
            malformed: Vec::new(),
            unset: Vec::new(),
            checks_environment: true,
        }
    }
}

/// Without what stands in it, which may be secret.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads a file: TOML if its name ends in `.toml`, otherwise YAML or JSON.
    ///
    /// # Errors
    /// When it cannot be read or is neither. What its options are is only looked at by [`Config::plan`].
    pub fn read(path: &Path, variable: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let of_file = |problem: Problem| ConfigError::new(vec![problem], Some(path));
        let bytes =
            read_bytes(path).map_err(|error| of_file(Problem::new("", format!("failed to read it: {error}"))))?;
        let text = String::from_utf8(bytes).map_err(|_| of_file(Problem::new("", "it is no text in UTF-8")))?;
        let is_toml = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
        let format = if is_toml { Format::Toml } else { Format::Yaml };
        match Config::parse(&text, format, variable) {
            Ok(config) => Ok(Config { file: Some(path.to_path_buf()), ..config }),
            Err(error) => Err(ConfigError::new(error.problems().to_vec(), Some(path))),
        }
    }

    /// Reads a text; an empty one stands for a file that leaves everything out.
    ///
    /// # Errors
    /// When the text is not in this format.
    pub fn parse(text: &str, format: Format, variable: &dyn Fn(&str) -> Option<String>) -> Result<Config, ConfigError> {
        let mut root = document::parse(text, format)
            .map_err(|error| ConfigError::new(vec![Problem::new("", error.message).at(error.place)], None))?;
        let (mut malformed, mut unset) = (Vec::new(), Vec::new());
        variables::expand(&mut root, At::Root, format, variable, &mut |node, at, fault| {
            let problem = Problem::new(&at.to_string(), fault.message).at(Some(node.place));
            if fault.is_unset { unset.push(problem) } else { malformed.push(problem) }
        });
        Ok(Config { root, malformed, unset, ..Config::default() })
    }

    /// The same, without a look at the machine: variables may be unset, and files of secrets need not be there. What is
    /// planned then is not for running.
    #[must_use]
    pub fn without_environment(self) -> Self {
        Config { checks_environment: false, ..self }
    }

    /// What this configuration wants to be run, under what the command line and the environment say.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn plan(
        self,
        overrides: &Overrides,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<plan::Plan, ConfigError> {
        self.planned(overrides, variable, "", |layout, planning| layout.map(|layout| layout.plan(planning)))
    }

    /// One transform alone, for commands that have no source and no sink. It needs a name where there are several.
    ///
    /// # Errors
    /// Everything that is wrong with the transforms, at once.
    pub fn plan_transform(
        self,
        name: Option<&str>,
        overrides: &Overrides,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<TransformPlan, ConfigError> {
        self.planned(overrides, variable, "transforms", |layout, planning| choose(layout?, name, planning))
    }

    /// The queue alone, for commands that look into it.
    ///
    /// # Errors
    /// Everything that is wrong with the queue's options, at once.
    pub fn plan_queue(
        self,
        overrides: &Overrides,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<QueuePlan, ConfigError> {
        self.planned(overrides, variable, "queue", |layout, planning| layout?.plan_queue(planning))
    }

    /// A problem that was found elsewhere with what stands below these keys.
    #[must_use]
    pub fn problem_at(&self, keys: [&str; 3], message: impl Into<String>) -> Problem {
        let report = Report::new(&self.root, true);
        let [section, name, key] = keys;
        let section = At::Root.key(section);
        let component = section.key(name);
        let path = component.key(key);
        Problem { file: self.file.clone(), ..report.problem(path, message) }
    }

    /// Reads everything, and gives what was made of it if nothing below a path is wrong.
    fn planned<T>(
        self,
        overrides: &Overrides,
        variable: &dyn Fn(&str) -> Option<String>,
        path: &str,
        plan: impl FnOnce(Option<Layout>, &mut Planning<'_, '_>) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let mut report = Report::new(&self.root, self.checks_environment);
        report.extend(self.malformed);
        let nothing_set = |_: &str| None;
        let variable = if self.checks_environment {
            report.extend(self.unset.into_iter().filter(|problem| problem.is_below(path)));
            variable
        } else {
            &nothing_set
        };
        let layout = Layout::decode(&self.root, At::Root, &mut report);
        let planned = plan(layout, &mut Planning { report: &mut report, overrides, variable, data_dir: None });
        let problems: Vec<Problem> =
            report.into_problems().into_iter().filter(|problem| problem.concerns(path)).collect();
        match planned {
            Some(planned) if problems.is_empty() => Ok(planned),
            _ => Err(ConfigError::new(problems, self.file.as_deref())),
        }
    }
}

/// The transform of this name, or the only one.
fn choose(mut layout: Layout, name: Option<&str>, planning: &mut Planning<'_, '_>) -> Option<TransformPlan> {
    layout.fill(planning);
    let transforms = layout.transforms.components;
    let names: Vec<&str> = transforms.iter().map(|transform| transform.name.as_str()).collect();
    let index = match (name, names.as_slice()) {
        (Some(name), names) => names.iter().position(|known| *known == name),
        (None, names) => (names.len() == 1).then_some(0),
    };
    if index.is_none() && planning.report.is_good(At::Root.key("transforms")) {
        let message = match name {
            Some(name) => format!("there is no transform `{name}`{}", suggestion(name, &names)),
            None => format!("there are several transforms, of which one must be chosen{}", suggestion("", &names)),
        };
        planning.add_argument("--transform", &message);
    }
    let chosen = transforms.into_iter().nth(index?)?;
    let section = At::Root.key("transforms");
    Some(chosen.kind?.plan(section.key(&chosen.name), planning))
}

/// Not more than a configuration may have, and one byte to tell that it has more.
fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read as _;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(document::BYTES_MAX as u64 + 4).read_to_end(&mut bytes)?;
    Ok(bytes)
}
