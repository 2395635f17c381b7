//! What the inner cargo may know of the environment the outer one made for its build scripts.

use std::env;
use std::process::Command;

/// Where cargo keeps things and how it reaches registries: the inner one must agree with the outer one, or it would
/// download everything again.
const SHARED: [&str; 6] =
    ["CARGO_HOME", "CARGO_HTTP_", "CARGO_MAKEFLAGS", "CARGO_NET_", "CARGO_REGISTRIES_", "CARGO_REGISTRY_"];

/// Takes out whatever would make the inner build a different one from under the outer cargo than from a shell: flags
/// meant for the host's own code, the wrapper by which clippy gets between cargo and rustc, the outer target folder
/// (whose lock is held), and all that describes the crate whose build script this is.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(leaks) {
            command.env_remove(name);
        }
    }
}

fn leaks(name: &str) -> bool {
    let of_cargo = name.starts_with("CARGO") && !SHARED.iter().any(|shared| name.starts_with(shared));
    let of_rustc = name.starts_with("RUSTC") || name == "RUSTFLAGS" || name == "RUSTDOCFLAGS";
    let of_the_build_script = matches!(name, "OUT_DIR" | "TARGET" | "HOST" | "PROFILE" | "OPT_LEVEL" | "DEBUG");
    of_cargo || of_rustc || of_the_build_script
}

#[cfg(test)]
mod tests {
    use super::leaks;

    #[test]
    fn what_would_change_the_guest_is_taken_out() {
        for name in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_TARGET_DIR", "RUSTC_WORKSPACE_WRAPPER", "CARGO_PKG_NAME"]
        {
            assert!(leaks(name), "{name}");
        }
        for name in ["CARGO_BUILD_TARGET", "CARGO_PROFILE_RELEASE_DEBUG", "RUSTC_BOOTSTRAP", "OUT_DIR"] {
            assert!(leaks(name), "{name}");
        }
    }

    #[test]
    fn what_both_must_agree_on_stays() {
        for name in ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_PROXY", "RUSTUP_TOOLCHAIN", "PATH", "HOME"] {
            assert!(!leaks(name), "{name}");
        }
    }
}
