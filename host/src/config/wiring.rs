//! Who takes from whom: every transform from sources, every sink from transforms, and nobody for nothing.

use super::component::{Inputs, Kind, Section};
use super::path::At;
use super::problem::Report;
use super::suggestion::{suggestion, there_are};

/// The components of one stage, by their names.
pub(super) struct Stage<'c> {
    section: &'static str,
    one: &'static str,
    components: Vec<(&'c str, &'c Inputs)>,
}

impl<'c> Stage<'c> {
    pub(super) fn new<K: Kind>(one: &'static str, section: &'c Section<K>) -> Self {
        let components =
            section.components.iter().map(|component| (component.name.as_str(), &component.inputs)).collect();
        Stage { section: K::SECTION, one, components }
    }

    fn names(&self) -> Vec<&'c str> {
        self.components.iter().map(|(name, _)| *name).collect()
    }

    fn has(&self, name: &str) -> bool {
        self.components.iter().any(|(known, _)| *known == name)
    }
}

/// The inputs of each transform and of each sink, in their order.
pub(super) struct Wiring {
    pub(super) transforms: Vec<Vec<String>>,
    pub(super) sinks: Vec<Vec<String>>,
}

/// Joins the stages. A stage without components is one that cannot be read, to which nothing is held.
pub(super) fn join(sources: &Stage<'_>, transforms: &Stage<'_>, sinks: &Stage<'_>, report: &mut Report<'_>) -> Wiring {
    let stages = [sources, transforms, sinks];
    check_names(&stages, report);
    Wiring {
        transforms: join_stage(sources, transforms, &stages, report),
        sinks: join_stage(transforms, sinks, &stages, report),
    }
}

/// A name stands for one component: `inputs` could not tell two apart.
fn check_names(stages: &[&Stage<'_>], report: &mut Report<'_>) {
    for (index, stage) in stages.iter().enumerate() {
        for (name, _) in &stage.components {
            if let Some(other) = stages.iter().take(index).find(|before| before.has(name)) {
                let section = At::Root.key(stage.section);
                let message = format!("the name is taken by a {}; every component has a name of its own", other.one);
                report.add_key(section.key(name), message);
            }
        }
    }
}

fn join_stage(
    before: &Stage<'_>,
    stage: &Stage<'_>,
    stages: &[&Stage<'_>],
    report: &mut Report<'_>,
) -> Vec<Vec<String>> {
    let section = At::Root.key(stage.section);
    let mut is_certain = true;
    let mut joined: Vec<Vec<String>> = Vec::new();
    for (name, inputs) in &stage.components {
        let at = section.key(name);
        let inputs_at = at.key("inputs");
        joined.push(match (inputs, before.names().as_slice()) {
            (_, []) => Vec::new(),
            (Inputs::All, names) => names.iter().map(|name| (*name).to_owned()).collect(),
            (Inputs::LeftOut, [only]) => vec![(*only).to_owned()],
            (Inputs::LeftOut, names) => {
                is_certain = false;
                let message = format!("missing; name what it takes from: {}", there_are(names));
                report.add(inputs_at, message);
                Vec::new()
            }
            (Inputs::Unusable, _) => {
                is_certain = false;
                Vec::new()
            }
            (Inputs::Named(inputs), names) => {
                if inputs.is_empty() {
                    report.add(inputs_at, format!("it takes from nothing; {}", there_are(names)));
                }
                for (index, input) in inputs.iter().enumerate() {
                    if let Some(problem) = problem_with(input, name, before, stage, stages) {
                        let shown = report.shown(inputs_at.index(index), input);
                        report.add(inputs_at.index(index), format!("{shown} {problem}"));
                    } else if inputs.iter().take(index).any(|earlier| earlier == input) {
                        let shown = report.shown(inputs_at.index(index), input);
                        report.add(inputs_at.index(index), format!("{shown} is named twice"));
                    }
                }
                is_certain &= report.is_good(inputs_at);
                inputs.clone()
            }
        });
    }
    // Where a name is wrong, it is the one that is missing here.
    if is_certain && !stage.components.is_empty() {
        for (name, _) in &before.components {
            if !joined.iter().flatten().any(|input| input == name) {
                let message = format!("nothing takes from it; name it in the `inputs` of a {}", stage.one);
                report.add_key(At::Root.key(before.section).key(name), message);
            }
        }
    }
    joined
}

/// Why a component cannot take from this.
fn problem_with(
    input: &str,
    name: &str,
    before: &Stage<'_>,
    stage: &Stage<'_>,
    stages: &[&Stage<'_>],
) -> Option<String> {
    if before.has(input) {
        return None;
    }
    if input == name {
        return Some("is this component itself".to_owned());
    }
    Some(match stages.iter().find(|other| other.has(input)) {
        Some(other) => format!("is a {}; a {} takes from {}", other.one, stage.one, before.section),
        None => format!("is no {}{}", before.one, suggestion(input, &before.names())),
    })
}
