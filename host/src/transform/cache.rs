//! Compiled plugins, kept between starts: compiling takes half a second, loading what was compiled takes under one
//! millisecond.
//!
//! # What is trusted
//!
//! Compiled code is native code: whoever can write it can do whatever this process may do. So it is only taken from
//!
//! - a folder that belongs to this process's user and that nobody else may enter (mode 0700), or that belongs to root
//!   and that nobody else may write: an image's, in which this program belongs to root too;
//! - a regular file in it, of one of the same two owners, that nobody else may write;
//! - neither of them a symbolic link.
//!
//! The folder is held open while its file is read, so that it cannot be exchanged in between. The file is read once; its
//! digest is checked, which finds torn and damaged files, not forged ones; and the very bytes that were checked are what
//! is loaded. Whoever can already act as this user, or as root, could as well replace this program: against them the
//! cache defends nothing. A process of root takes nothing from other users.
//!
//! Any doubt means to compile anew. A file is named after the digest of the component and all that its compilation
//! depends on (version, settings and the features of the processor): what another version or another kind of processor
//! compiled is not even looked at. Should it stand under the name all the same, the engine compares what it was compiled
//! for with what is here, and refuses it. It consists of:
//!
//! ```text
//! "callspan compiled plugin 1\n"   27 bytes
//! SHA-256 of what follows          32 bytes
//! what the engine serialised       the rest
//! ```

mod folder;

use super::engine::Engine;
use folder::{Folder, Readers};
use sha2::{Digest, Sha256};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use wasmtime::component::Component;

const HEADER: &[u8; 27] = b"callspan compiled plugin 1\n";
/// No plugin within the limit of a component's size compiles to more.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A folder of compiled plugins, or none.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
    /// Whether somebody was told that nothing is kept.
    was_told: Arc<AtomicBool>,
}

/// A compiled plugin that is kept.
pub(super) struct Kept {
    pub(super) component: Component,
    pub(super) path: PathBuf,
    /// Whether it was there before.
    pub(super) was_there: bool,
}

/// Why a compiled plugin is not kept.
#[derive(Debug)]
pub(super) enum KeepError {
    Compile(wasmtime::Error),
    /// There is no folder to keep it in.
    NoFolder,
    Folder {
        path: PathBuf,
        error: io::Error,
    },
}

impl Cache {
    /// Keeps compiled plugins in this folder, which is made when it is needed.
    pub fn in_folder(folder: PathBuf) -> Self {
        Cache::of(Some(folder))
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Cache::of(None)
    }

    /// Where the environment wants it: `CALLSPAN_CACHE_DIR` (empty for none), else `callspan` in the user's cache
    /// folder.
    pub fn from_environment(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Cache::of(match variable("CALLSPAN_CACHE_DIR") {
            Some(folder) => (!folder.is_empty()).then(|| PathBuf::from(folder)),
            None => set("XDG_CACHE_HOME")
                .or_else(|| set("HOME").map(|home| home.join(".cache")))
                .map(|caches| caches.join("callspan")),
        })
    }

    fn of(folder: Option<PathBuf>) -> Self {
        Cache { folder, was_told: Arc::default() }
    }

    /// The compiled form of a component: from the cache, or compiled now and kept for the next time.
    ///
    /// # Errors
    /// When the component does not compile. A cache that cannot be used is no error: it is logged, once.
    pub(super) fn compile(&self, engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
        let Some(path) = &self.folder else { return compile(engine, component) };
        let name = file_name(engine, component);
        let found = Folder::open(path).map(|folder| folder.map(|folder| load(engine, &folder, &name)));
        match found {
            Ok(Some(Ok(Some(compiled)))) => return Ok(compiled),
            Ok(None | Some(Ok(None))) => {}
            Ok(Some(Err(error))) => {
                let path = path.join(&name);
                tracing::warn!(path = %path.display(), %error, "compiling the plugin anew, its compiled form cannot be used");
            }
            Err(error) => {
                self.tell(&error);
                return compile(engine, component);
            }
        }
        let compiled = compile(engine, component)?;
        let store = |folder: Folder| store(&folder, &name, &compiled, Readers::Own);
        if let Err(error) = Folder::make(path, Readers::Own).and_then(store) {
            self.tell(&error);
        }
        Ok(compiled)
    }

    /// The same for a service that is started later: what is compiled has to be kept. What root keeps can be read by
    /// every user.
    ///
    /// # Errors
    /// When the component does not compile, and when it cannot be kept.
    pub(super) fn keep(&self, engine: &Engine, component: &[u8]) -> Result<Kept, KeepError> {
        let path = self.folder.as_ref().ok_or(KeepError::NoFolder)?;
        let failed = |error| KeepError::Folder { path: path.clone(), error };
        let readers = if rustix::process::geteuid().is_root() { Readers::All } else { Readers::Own };
        let folder = Folder::make(path, readers).map_err(failed)?;
        let name = file_name(engine, component);
        let path = path.join(&name);
        // What cannot be used is replaced.
        if let Ok(Some(component)) = load(engine, &folder, &name) {
            return Ok(Kept { component, path, was_there: true });
        }
        let component = compile(engine, component).map_err(KeepError::Compile)?;
        store(&folder, &name, &component, readers).map_err(failed)?;
        Ok(Kept { component, path, was_there: false })
    }

    fn tell(&self, error: &io::Error) {
        if let Some(folder) = &self.folder
            && !self.was_told.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(folder = %folder.display(), %error, "compiled plugins are not kept, so every start compiles them");
        }
    }
}

fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
    let started = Instant::now();
    let compiled = Component::new(engine.wasmtime(), component)?;
    tracing::info!(bytes = component.len(), milliseconds = started.elapsed().as_millis(), "plugin compiled");
    Ok(compiled)
}

fn file_name(engine: &Engine, component: &[u8]) -> String {
    let mut compatibility = Fingerprint(Sha256::new());
    engine.wasmtime().precompile_compatibility_hash().hash(&mut compatibility);
    let digest =
        Sha256::new().chain_update(Sha256::digest(component)).chain_update(compatibility.0.finalize()).finalize();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.cwasm")
}

/// What is kept under this name; none when nothing is.
fn load(engine: &Engine, folder: &Folder, name: &str) -> io::Result<Option<Component>> {
    let Some(bytes) = folder.read(name, FILE_BYTES_MAX)? else { return Ok(None) };
    let sealed = bytes.strip_prefix(HEADER).and_then(|rest| rest.split_first_chunk::<32>());
    let (digest, compiled) =
        sealed.ok_or_else(|| io::Error::other("the file is no compiled plugin of this version"))?;
    if Sha256::digest(compiled)[..] != digest[..] {
        return Err(io::Error::other("the file is damaged"));
    }
    deserialize(engine, compiled).map(Some).map_err(|error| io::Error::other(format!("{error:#}")))
}

fn store(folder: &Folder, name: &str, component: &Component, readers: Readers) -> io::Result<()> {
    let compiled = component.serialize().map_err(io::Error::other)?;
    folder.write(name, &[HEADER, &Sha256::digest(&compiled), &compiled], readers)
}

#[expect(
    unsafe_code,
    reason = "compiled code can only be taken on trust; the module says what makes these bytes trustworthy"
)]
fn deserialize(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were written by `store` of a process of this user or of root, into a folder that nobody else may
    // write, and are those whose digest was checked.
    unsafe { Component::deserialize(engine.wasmtime(), compiled) }
}

/// Hashes with SHA-256, so that names are the same in every process.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.clone().finalize().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests;
