//! Keys of attributes, and names of spans and events.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

/// A text that occurs in trace after trace. Clones are cheap, and those of a declared name touch no memory that threads
/// share: a counter of references that every attribute of every trace went through would be fought over.
#[derive(Clone)]
pub struct Name(Kind);

#[derive(Clone)]
enum Kind {
    Declared(&'static str),
    Free(Arc<str>),
}

static DECLARED: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);

impl Name {
    /// A name that a plugin declares. It is kept for as long as the process lives, once: the names of a plugin are few
    /// and limited, and most stay the same when it is replaced.
    pub fn declared(text: &str) -> Self {
        let mut declared = DECLARED.lock().unwrap_or_else(PoisonError::into_inner);
        let declared = declared.get_or_insert_default();
        let known = declared.get(text).copied();
        Name(Kind::Declared(known.unwrap_or_else(|| {
            let kept: &'static str = Box::leak(text.into());
            declared.insert(kept);
            kept
        })))
    }
}

/// A name that nobody has declared, such as a sender's own key.
impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Name(Kind::Free(text.into()))
    }
}

/// The same.
impl From<String> for Name {
    fn from(text: String) -> Self {
        Name(Kind::Free(text.into()))
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Kind::Declared(text) => text,
            Kind::Free(text) => text,
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_its_text_however_it_came_about() {
        let names = [Name::declared("tccc.session.id"), "tccc.session.id".into(), "tccc.session.id".to_owned().into()];
        assert!(names.iter().all(|name| *name == names[0] && &**name == "tccc.session.id"));
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), 1);
        assert_eq!(format!("{} {:?}", names[0], names[1]), "tccc.session.id \"tccc.session.id\"");
    }

    #[test]
    fn a_declared_name_is_kept_once() {
        let [one, other] = [Name::declared("once"), Name::declared("once")];
        assert!(std::ptr::eq(&raw const *one, &raw const *other));
    }
}
