//! Builds the plugin that comes with callspan, as a component, so that the binary can embed it as `builtin:tccc`.

use anyhow::{Context as _, Result};
use callspan_package::Guest;
use std::env;
use std::path::Path;

fn main() -> Result<()> {
    let guest = Guest::new("../plugin", "callspan_tccc")
        .input("../plugin/build.rs")
        .input("../wit")
        .input("../Cargo.toml")
        .input("../Cargo.lock");
    guest.watch();
    let component = guest.build().context("failed to build the embedded plugin")?;

    let out_dir = env::var_os("OUT_DIR").context("cargo sets OUT_DIR for build scripts")?;
    let path = Path::new(&out_dir).join("tccc.wasm");
    std::fs::write(&path, component).with_context(|| format!("failed to write {}", path.display()))?;
    println!("cargo::rustc-env=CALLSPAN_TCCC_WASM={}", path.display());
    Ok(())
}
