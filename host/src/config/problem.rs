//! What is wrong with a configuration: all of it, each with its place.

use super::document::{Node, Place, Value};
use super::path::{At, Step};
use std::collections::HashSet;
use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, if there is one.
    pub file: Option<PathBuf>,
    /// Counted from 1. None where the problem stands in no file, but in the environment or on the command line.
    pub line: Option<usize>,
    /// Counted from 1, in characters.
    pub column: Option<usize>,
    /// The keys that lead to it, or the variable or argument.
    pub path: String,
    /// What is wrong, and what would be right. Never holds what a variable holds.
    pub message: String,
}

/// Everything that is wrong with a configuration; at least one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Vec<Problem>);

/// More is nothing that a person would read.
const PROBLEMS_MAX: usize = 1000;

/// Collects what is wrong with one document.
pub(super) struct Report<'d> {
    root: &'d Node,
    /// Whether variables, secret files and what else a machine holds are looked at.
    pub(super) checks_environment: bool,
    problems: Vec<Problem>,
}

impl Problem {
    pub(super) fn new(path: &str, message: impl Into<String>) -> Self {
        // What others say of an error may have several lines.
        let message = message.into().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        Problem { file: None, line: None, column: None, path: path.to_owned(), message }
    }

    pub(super) fn at(self, place: Option<Place>) -> Self {
        Problem { line: place.map(|place| place.line), column: place.map(|place| place.column), ..self }
    }

    /// Whether it is about what a path leads to, or about a part of that.
    pub(super) fn is_below(&self, path: &str) -> bool {
        self.path
            .strip_prefix(path)
            .is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

impl Problem {
    /// Whether somebody who only wants what a path leads to is concerned: also by what stands in no file, and by a key
    /// at the top, which may be the path mistyped.
    pub(super) fn concerns(&self, path: &str) -> bool {
        self.is_below(path) || self.line.is_none() || !self.path.contains(['.', '['])
    }
}

impl ConfigError {
    /// Puts the problems into the order of the file.
    pub(super) fn new(mut problems: Vec<Problem>, file: Option<&Path>) -> Self {
        problems.sort_by_key(|problem| (problem.line.is_none(), problem.line, problem.column));
        // Two sinks read the same variables.
        let mut told = HashSet::new();
        problems.retain(|problem| told.insert((problem.line, problem.path.clone(), problem.message.clone())));
        for problem in &mut problems {
            problem.file = file.map(Path::to_path_buf);
        }
        ConfigError(problems)
    }

    /// Each thing that is wrong, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

/// `FILE:LINE:COLUMN: key.path: what is wrong`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(f, "{line}:{column}:")?;
        }
        if self.file.is_some() || self.line.is_some() {
            f.write_str(" ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
}

/// One line for each problem.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { "" } else { "\n" })?;
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl<'d> Report<'d> {
    pub(super) fn new(root: &'d Node, checks_environment: bool) -> Self {
        Report { root, checks_environment, problems: Vec::new() }
    }

    /// Another one of the same document, for what is not to be told.
    pub(super) fn silenced(&self) -> Self {
        Report::new(self.root, false)
    }

    /// Notes that the value at a path is wrong, or that there is none.
    pub(super) fn add(&mut self, at: At<'_>, message: impl Into<String>) {
        self.extend([self.problem(at, message)]);
    }

    /// That the value at a path is wrong, or that there is none.
    pub(super) fn problem(&self, at: At<'_>, message: impl Into<String>) -> Problem {
        Problem::new(&at.to_string(), message).at(self.walk(at).value)
    }

    /// Notes that the key at a path is wrong.
    pub(super) fn add_key(&mut self, at: At<'_>, message: impl Into<String>) {
        let place = self.walk(at).key;
        self.extend([Problem::new(&at.to_string(), message).at(place)]);
    }

    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        let room = PROBLEMS_MAX.saturating_sub(self.problems.len());
        self.problems.extend(problems.into_iter().take(room));
    }

    /// Nothing is known to be wrong with what a path leads to.
    pub(super) fn is_good(&self, at: At<'_>) -> bool {
        let path = at.to_string();
        !self.problems.iter().any(|problem| problem.is_below(&path))
    }

    /// A text that was read at a path, for a message; the variable's name where it came from one.
    pub(super) fn shown(&self, at: At<'_>, text: &str) -> String {
        match self.walk(at).node {
            Some(Node { value: Value::Scalar(scalar), .. }) if !scalar.variables.is_empty() => scalar.shown(),
            _ => format!("`{text}`"),
        }
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// As far as there is something on the way.
    fn walk(&self, at: At<'_>) -> Found<'d> {
        if self.problems.len() >= PROBLEMS_MAX {
            return Found { key: None, value: None, node: None };
        }
        // A file that is no table is wrong where it begins.
        let begin = (!matches!(self.root.value, Value::Table(_))).then_some(self.root.place);
        let mut found = Found { key: begin, value: begin, node: Some(self.root) };
        let mut node = self.root;
        for step in at.steps() {
            match (step, &node.value) {
                (Step::Key(key), _) => match node.entry(key) {
                    Some(entry) => {
                        node = &entry.node;
                        // A table begins somewhere below its key, if it is not written in braces.
                        let is_table = matches!(node.value, Value::Table(_));
                        let value = if is_table || node.is_null() { entry.place } else { node.place };
                        found = Found { key: Some(entry.place), value: Some(value), node: Some(node) };
                    }
                    None => return Found { node: None, value: found.key, ..found },
                },
                (Step::Index(index), Value::List(items)) => match items.get(index) {
                    Some(item) => {
                        node = item;
                        found = Found { key: Some(item.place), value: Some(item.place), node: Some(item) };
                    }
                    None => return Found { node: None, ..found },
                },
                (Step::Index(_), _) => return Found { node: None, ..found },
            }
        }
        found
    }
}

/// Where a path ends, or where it ceases to lead on.
struct Found<'d> {
    key: Option<Place>,
    value: Option<Place>,
    node: Option<&'d Node>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::{Format, parse};

    #[test]
    fn problems_stand_in_the_order_of_the_file_and_the_rest_behind() {
        let root = parse("a:\n  b: 1\nc: 2\n", Format::Yaml).expect("a document");
        let mut report = Report::new(&root, true);
        let (a, c) = (At::Root.key("a"), At::Root.key("c"));
        report.extend([Problem::new("SOME_VARIABLE", "bad")]);
        report.add(c, "wrong");
        report.add(a.key("missing"), "missing");
        report.add_key(a.key("b"), "unknown");
        assert!(report.is_good(a.key("other")) && !report.is_good(a) && !report.is_good(At::Root));
        let error = ConfigError::new(report.into_problems(), Some(Path::new("f.yaml")));
        assert_eq!(
            error.to_string(),
            "f.yaml:1:1: a.missing: missing\nf.yaml:2:3: a.b: unknown\nf.yaml:3:4: c: wrong\n\
             f.yaml: SOME_VARIABLE: bad"
        );
        assert!(!error.problems().iter().any(|problem| problem.is_below("SOME")));
    }
}
