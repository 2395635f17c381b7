//! What decides which bytes a record becomes: the plugin, its options, the privacy policy and its key, the resource.

use super::loader::Settings;
use super::wasi::Wasi;
use sha2::{Digest as _, Sha256};

/// As many hexadecimal digits as tell mappings apart at a glance.
const DIGITS: usize = 16;

/// A name for the mapping that this component and these settings make. It tells nothing of a key but that it is the same.
pub(super) fn of(component: &[u8], settings: &Settings) -> String {
    let Settings { options, policy, limits: _, resource, wasi } = settings;
    let mut hash = Sha256::new();
    let parts = [Sha256::digest(component).to_vec(), options.clone().into_bytes(), policy.fingerprint()];
    for part in &parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(format!("{resource:?}"));
    if *wasi != Wasi::None {
        hash.update(format!("{wasi:?}"));
    }
    let digits: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    digits.chars().take(DIGITS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::{Attribute, Value};
    use crate::transform::{HmacKey, Policy};

    #[test]
    fn whatever_changes_the_bytes_changes_the_name() {
        let policy = |set: &dyn Fn(&mut Policy)| {
            let mut policy = Policy::default();
            set(&mut policy);
            Settings { policy, ..Settings::default() }
        };
        let key = |byte: u8| HmacKey::new(&[byte; 32]).expect("long enough");
        let resource = vec![Attribute { key: "region".into(), value: Value::Text("south".into()) }];
        let all = [
            of(b"one", &Settings::default()),
            of(b"other", &Settings::default()),
            of(b"one", &Settings { options: "{}".to_owned(), ..Settings::default() }),
            of(b"one", &Settings { resource, ..Settings::default() }),
            of(b"one", &Settings { wasi: Wasi::Stub, ..Settings::default() }),
            of(b"one", &policy(&|policy| policy.set("name", "plain").expect("it can be"))),
            of(b"one", &policy(&|policy| policy.set_keys(Some(key(1)), None))),
            of(b"one", &policy(&|policy| policy.set_keys(Some(key(2)), None))),
            of(b"one", &policy(&|policy| policy.set_keys(Some(key(1)), Some(key(2))))),
            of(b"one", &policy(&|policy| policy.set_default_country("86").expect("a country"))),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert!(all.iter().all(|name| name.len() == DIGITS));
        assert_eq!(of(b"one", &Settings::default()), of(b"one", &Settings::default()));
    }
}
