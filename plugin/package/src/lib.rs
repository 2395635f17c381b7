//! Builds a guest crate for WebAssembly and wraps it as a component that imports nothing: what build scripts call.
//!
//! It has no opinion on what the guest exports; whether that is a contract the host speaks is the host's question.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let guest = callspan_package::Guest::new("../plugin", "callspan_tccc").input("../wit");
//! guest.watch();
//! let component: Vec<u8> = guest.build()?;
//! # Ok(())
//! # }
//! ```

mod component;
mod environment;
mod toolchain;

use anyhow::{Context as _, Result, ensure};
use std::env;
use std::path::{Path, PathBuf};
use toolchain::Toolchain;

const TARGET: &str = "wasm32-unknown-unknown";

/// How every guest is compiled, whatever profile the outer cargo builds: a guest is code that runs once for each
/// record, and a slow one would make tests test something else. `strip` takes names and debug sections; the section
/// that describes the world stays.
const PROFILE: [&str; 6] = [
    "profile.release.opt-level=3",
    "profile.release.lto='fat'",
    "profile.release.codegen-units=1",
    "profile.release.panic='abort'",
    "profile.release.strip='symbols'",
    "profile.release.debug=false",
];

/// A crate whose library is to become a component.
#[derive(Clone, Debug)]
pub struct Guest {
    manifest_dir: PathBuf,
    /// The library's name as rustc writes it: it names the artefact.
    library: String,
    /// What the guest is made of besides its own folder.
    inputs: Vec<PathBuf>,
}

impl Guest {
    /// The crate in `manifest_dir`, whose library target is called `library` (`callspan_tccc`, with underscores).
    pub fn new(manifest_dir: impl Into<PathBuf>, library: &str) -> Self {
        Self { manifest_dir: manifest_dir.into(), library: library.to_owned(), inputs: Vec::new() }
    }

    /// Names a file or folder outside the crate that the guest is made of, so that a change to it builds the guest
    /// again.
    #[must_use]
    pub fn input(mut self, path: impl Into<PathBuf>) -> Self {
        self.inputs.push(path.into());
        self
    }

    /// Tells the cargo that runs this build script when to run it again.
    #[expect(clippy::print_stdout, reason = "a build script talks to cargo on its standard output")]
    pub fn watch(&self) {
        println!("cargo::rerun-if-env-changed={}", toolchain::OVERRIDE);
        let own = [self.manifest_dir.join("src"), self.manifest_dir.join("Cargo.toml")];
        for path in own.iter().chain(&self.inputs) {
            println!("cargo::rerun-if-changed={}", path.display());
        }
    }

    /// Compiles the guest and wraps it. Costs a fraction of a second when nothing has changed.
    ///
    /// # Errors
    /// When no toolchain can build for WebAssembly (the message says what to run), when the guest does not compile, and
    /// when it imports anything.
    pub fn build(&self) -> Result<Vec<u8>> {
        let toolchain = Toolchain::choose()?;
        let module = self.compile(toolchain, &target_dir()?)?;
        let module = std::fs::read(&module).with_context(|| format!("failed to read {}", module.display()))?;
        component::wrap(&module).with_context(|| format!("failed to make a component of {}", self.library))
    }

    fn compile(&self, toolchain: Toolchain, target_dir: &Path) -> Result<PathBuf> {
        let mut cargo = toolchain.cargo();
        // `--crate-type` rather than the manifest's word: a library that is also an rlib is left out of link-time
        // optimisation.
        cargo.args(["rustc", "--lib", "--crate-type", "cdylib", "--release", "--target", TARGET]);
        cargo.arg("--manifest-path").arg(self.manifest_dir.join("Cargo.toml"));
        cargo.arg("--target-dir").arg(target_dir);
        for setting in PROFILE {
            cargo.args(["--config", setting]);
        }
        let status = cargo.status().context("failed to start cargo")?;
        ensure!(
            status.success(),
            "{} does not compile for {TARGET}: its compiler's messages stand above",
            self.library
        );
        let module = target_dir.join(TARGET).join("release").join(format!("{}.wasm", self.library));
        ensure!(module.is_file(), "cargo built no {}: is that the library's name?", module.display());
        Ok(module)
    }
}

/// A target folder that all guests share, inside the outer cargo's: the outer cargo holds the lock of its own folder
/// while this runs, and a guest's dependencies (the bindings' generator above all) need building once, not once for
/// each profile and package.
fn target_dir() -> Result<PathBuf> {
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("OUT_DIR is not set: this runs in build scripts")?);
    // Cargo marks the root of each target folder it creates with this file.
    let outer = out_dir.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(outer.unwrap_or(&out_dir).join("guests"))
}
