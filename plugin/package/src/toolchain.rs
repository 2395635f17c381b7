//! Which compiler builds guests: rustup's when it has the standard library for the target, else Debian's.
//!
//! `rustup target add wasm32-unknown-unknown` is the ordinary way. Some networks refuse that download; Debian's
//! `rustc-web` and `rust-web-src` are one version of a compiler and of the sources of its standard library, from which
//! cargo builds the library for the target itself.

use crate::{TARGET, environment};
use anyhow::{Result, bail};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the environment variable that decides for one of them: `rustup` or `debian`.
pub(crate) const OVERRIDE: &str = "CALLSPAN_GUEST_TOOLCHAIN";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";

/// A way to compile for WebAssembly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Toolchain {
    /// The active toolchain, which has the target's standard library.
    Rustup,
    /// Debian's compiler, with the standard library built from Debian's sources.
    Debian,
}

impl Toolchain {
    /// The one `CALLSPAN_GUEST_TOOLCHAIN` names, else the first one this machine has. Warns when it is not the ordinary
    /// one. Fails when there is none, or the variable names something else.
    pub(crate) fn choose() -> Result<Self> {
        let toolchain = match env::var(OVERRIDE).as_deref() {
            Ok("rustup") => Self::Rustup,
            Ok("debian") => Self::Debian,
            Ok(other) if !other.is_empty() => bail!("{OVERRIDE} is `rustup` or `debian`, not `{other}`"),
            _ if Self::Rustup.is_installed() => Self::Rustup,
            _ => Self::Debian,
        };
        if !toolchain.is_installed() {
            bail!("no toolchain here builds for {TARGET}: run `make setup`, or `rustup target add {TARGET}`");
        }
        toolchain.tell();
        Ok(toolchain)
    }

    fn is_installed(self) -> bool {
        match self {
            // The folder exists for targets that were taken out again, so look for what is in it.
            Self::Rustup => print(&outer_rustc(), &["--print", "target-libdir", "--target", TARGET])
                .and_then(|libdir| std::fs::read_dir(libdir.trim()).ok())
                .is_some_and(|mut files| {
                    files.any(|file| file.is_ok_and(|file| file.file_name().to_string_lossy().starts_with("libcore-")))
                }),
            Self::Debian => print(Path::new(DEBIAN_RUSTC), &["--print", "sysroot"]).is_some_and(|sysroot| {
                Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/std/Cargo.toml").is_file()
            }),
        }
    }

    #[expect(clippy::print_stdout, reason = "a build script talks to cargo on its standard output")]
    fn tell(self) {
        if self == Self::Debian {
            println!("cargo::warning=building for {TARGET} with Debian's rustc-web, not with rustup's toolchain");
        }
    }

    /// A cargo that compiles with this toolchain and knows nothing of the cargo around it.
    pub(crate) fn cargo(self) -> Command {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo")));
        environment::clean(&mut cargo);
        match self {
            Self::Rustup => cargo.env("RUSTC", outer_rustc()),
            // Building the standard library is an unstable feature of cargo; the variable opens it to a stable
            // compiler, and nothing in our sources uses another one.
            Self::Debian => {
                if let Some(linker) = linker() {
                    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
                }
                cargo
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("CARGO_UNSTABLE_BUILD_STD", "std,panic_abort")
            }
        };
        cargo
    }
}

fn outer_rustc() -> PathBuf {
    env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from)
}

/// The linker that comes with the outer toolchain: Debian's compiler asks for `rust-lld` too, and no package that it
/// needs brings one.
fn linker() -> Option<PathBuf> {
    let sysroot = print(&outer_rustc(), &["--print", "sysroot"])?;
    let mut hosts = std::fs::read_dir(Path::new(sysroot.trim()).join("lib/rustlib")).ok()?;
    hosts.find_map(|host| Some(host.ok()?.path().join("bin/rust-lld")).filter(|linker| linker.is_file()))
}

fn print(rustc: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new(rustc).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok())?
}
