//! The program under test: `callspan`, as cargo builds it beside the test that runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The program's path. Cargo builds a binary for the tests of its own package only, so the first call builds it: a test
/// that ran against what happened to lie there would prove nothing about the sources.
pub fn callspan() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let profile_dir = profile_dir();
        build(&profile_dir);
        profile_dir.join("callspan")
    })
}

/// Where compiled plugins are kept between tests, so that each is compiled once.
pub(crate) fn cache_dir() -> PathBuf {
    profile_dir().join("callspan-test-cache")
}

/// Takes the variables of whoever runs the tests away that say where traces go.
pub(crate) fn forget_variables(command: &mut Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
}

/// `target/debug`, from `target/debug/deps/end_to_end-0123456789abcdef`.
fn profile_dir() -> PathBuf {
    let test = env::current_exe().expect("a process knows its own program");
    test.parent().and_then(Path::parent).expect("cargo puts tests in a folder of the profile's").to_owned()
}

fn build(profile_dir: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    // The whole workspace, as the tests were built: the features of shared dependencies are then the same ones.
    cargo.args(["build", "--quiet", "--workspace", "--bin", "callspan"]);
    cargo.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"));
    cargo.arg("--target-dir").arg(profile_dir.parent().expect("a profile's folder is in the target folder"));
    if profile_dir.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo starts, it started this test");
    assert!(status.success(), "callspan does not build");
}
