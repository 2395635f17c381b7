//! Where the preloaded library is.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The path of the preloaded library. Cargo builds no dynamic library for the tests of another package, so the first call
/// builds it, into the target folder and with the profile of the program that asks.
///
/// # Panics
///
/// When the program was not built by cargo, or the library does not build.
pub fn library() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let profile_dir = profile_dir();
        build(&profile_dir);
        profile_dir.join("libcallspan_power_cut_preload.so")
    })
}

/// `target/debug`, from `target/debug/deps/end_to_end-0123456789abcdef` or `target/debug/callspan`.
fn profile_dir() -> PathBuf {
    let program = env::current_exe().expect("a process knows its own program");
    let folder = program.parent().expect("a program lies in a folder");
    let is_inner = folder.ends_with("deps") || folder.ends_with("examples");
    let profile_dir = if is_inner { folder.parent() } else { Some(folder) };
    profile_dir.expect("cargo puts tests in a folder of the profile's").to_owned()
}

fn build(profile_dir: &Path) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "callspan-power-cut-preload"]);
    cargo.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("preload/Cargo.toml"));
    cargo.arg("--target-dir").arg(profile_dir.parent().expect("a profile's folder is in the target folder"));
    if profile_dir.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().expect("cargo starts, it built this program");
    assert!(status.success(), "the preloaded library does not build");
}
