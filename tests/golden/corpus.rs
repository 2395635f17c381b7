//! The records in payloads, and the plugin that maps them.

use callspan::intake::split::{Records, open};
use callspan::record::Record;
use callspan::transform::{Cache, Engine, Loader, Plugin, Policy, Settings, Source};
use std::fs::File;
use std::path::Path;

/// Larger than any record of the corpus, so that it is the mapping that refuses what is too large.
const RECORD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The records that a payload holds, found as `callspan transform` finds them.
pub(crate) fn records(payload: &Path) -> Vec<Record> {
    let input = open(File::open(payload).expect("a payload can be opened")).expect("its beginning can be read");
    let body = |found: std::io::Result<callspan::intake::split::Found>| {
        found.expect("a payload can be read").body.expect("no record is larger than the limit")
    };
    Records::new(input, RECORD_BYTES_MAX).map(|found| Record { body: body(found), metadata: Vec::new() }).collect()
}

/// The built-in plugin under a policy that hides nothing.
pub(crate) fn plain_plugin() -> Plugin {
    let mut policy = Policy::default();
    policy.set_all("plain").expect("classes can be plain");
    let loader = Loader::new(Engine::new().expect("an engine starts"), Cache::none());
    loader.load(&Source::Builtin, Settings { policy, ..Settings::default() }).expect("the built-in plugin loads")
}
