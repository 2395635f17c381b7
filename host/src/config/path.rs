//! Where something stands in a configuration: the keys that lead to it.

use std::fmt;

/// Built step by step on the way down, without a copy.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    Root,
    Key(&'a At<'a>, &'a str),
    Index(&'a At<'a>, usize),
}

/// One step of the way.
#[derive(Clone, Copy)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> At<'a> {
    pub(super) fn key(&'a self, key: &'a str) -> At<'a> {
        At::Key(self, key)
    }

    pub(super) fn index(&'a self, index: usize) -> At<'a> {
        At::Index(self, index)
    }

    /// The last key.
    pub(super) fn name(&self) -> &'a str {
        match self {
            At::Root => "",
            At::Key(_, key) => key,
            At::Index(above, _) => above.name(),
        }
    }

    /// The steps, from the top.
    pub(super) fn steps(&self) -> Vec<Step<'a>> {
        let mut steps = Vec::new();
        let mut at = *self;
        loop {
            at = match at {
                At::Root => break,
                At::Key(above, key) => {
                    steps.push(Step::Key(key));
                    *above
                }
                At::Index(above, index) => {
                    steps.push(Step::Index(index));
                    *above
                }
            };
        }
        steps.reverse();
        steps
    }
}

/// `sinks.backend.inputs[0]`; a key with dots in it stands in quotes.
impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps().into_iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    f.write_str(if index == 0 { "" } else { "." })?;
                    let is_bare = !key.is_empty()
                        && key.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '-'));
                    if is_bare { f.write_str(key)? } else { write!(f, "{key:?}")? }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_people_write_it() {
        let (sinks, a) = (At::Root.key("sinks"), At::Root.key("a"));
        let resource = sinks.key("resource");
        assert_eq!(resource.key("a.b").to_string(), "sinks.resource.\"a.b\"");
        assert_eq!(a.index(0).key("b").to_string(), "a[0].b");
        assert_eq!(At::Root.to_string(), "");
    }
}
