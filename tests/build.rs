//! Builds the guests that tests load; the harness names them in `guests.rs`.

use anyhow::{Context as _, Result};
use callspan_package::Guest;
use std::env;
use std::path::{Path, PathBuf};

const CRATES: [&str; 2] = ["obedient", "connect-sketch"];
const TEXTS: [&str; 5] =
    ["asks-for-a-clock", "asks-for-something-else", "another-version", "exports-an-empty-plugin", "core-module"];

fn main() -> Result<()> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets OUT_DIR for build scripts")?);
    for name in CRATES {
        let guest = Guest::new(Path::new("guests").join(name), &name.replace('-', "_"))
            .input("../wit")
            .input("guests/Cargo.toml")
            .input("guests/Cargo.lock");
        guest.watch();
        let component = guest.build().with_context(|| format!("failed to build the guest {name}"))?;
        keep(&out_dir, name, &component)?;
    }
    println!("cargo::rerun-if-changed=guests/wat");
    for name in TEXTS {
        let text = Path::new("guests/wat").join(name).with_extension("wat");
        keep(&out_dir, name, &wat::parse_file(text)?)?;
    }
    Ok(())
}

/// Writes `<name>.wasm`, and tells the harness where, as `CALLSPAN_GUEST_<NAME>`.
fn keep(out_dir: &Path, name: &str, wasm: &[u8]) -> Result<()> {
    let path = out_dir.join(name).with_extension("wasm");
    std::fs::write(&path, wasm).with_context(|| format!("failed to write {}", path.display()))?;
    println!("cargo::rustc-env=CALLSPAN_GUEST_{}={}", name.replace('-', "_").to_uppercase(), path.display());
    Ok(())
}
