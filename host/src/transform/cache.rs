//! Compiled plugins, kept between starts: compiling takes half a second, loading what was compiled takes under one
//! millisecond.
//!
//! # What is trusted
//!
//! Compiled code is native code: whoever can write it can do whatever this process may do. So it is only taken from a
//! folder that belongs to this process's user and that nobody else may enter (mode 0700), from a regular file of the
//! same owner that nobody else may write, neither of them a symbolic link. The file is read once; its digest is
//! checked, which finds torn and damaged files, not forged ones; and the very bytes that were checked are what is
//! loaded, so that nothing can be exchanged in between. Whoever can already act as this user, or as root, could as
//! well replace this program: against them the cache defends nothing.
//!
//! Any doubt means to compile anew. A file is named after the digest of the component and all that its compilation
//! depends on (version, settings and the features of the processor), and consists of:
//!
//! ```text
//! "callspan compiled plugin 1\n"   27 bytes
//! SHA-256 of what follows          32 bytes
//! what the engine serialised       the rest
//! ```

use super::engine::Engine;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use std::fs::{DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use wasmtime::component::Component;

const HEADER: &[u8; 27] = b"callspan compiled plugin 1\n";
/// No plugin within the limit of a component's size compiles to more.
const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// A folder of compiled plugins, or none.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// Keeps compiled plugins in this folder, which is made when it is needed.
    pub fn in_folder(folder: PathBuf) -> Self {
        Cache { folder: Some(folder) }
    }

    /// Keeps nothing.
    pub fn none() -> Self {
        Cache { folder: None }
    }

    /// Where the environment wants it: `CALLSPAN_CACHE_DIR` (empty for none), else `callspan` in the user's cache
    /// folder.
    pub fn from_environment(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = match variable("CALLSPAN_CACHE_DIR") {
            Some(folder) => (!folder.is_empty()).then(|| PathBuf::from(folder)),
            None => set("XDG_CACHE_HOME")
                .or_else(|| set("HOME").map(|home| home.join(".cache")))
                .map(|caches| caches.join("callspan")),
        };
        Cache { folder }
    }

    /// The compiled form of a component: from the cache, or compiled now and kept for the next time.
    ///
    /// # Errors
    /// When the component does not compile. A cache that cannot be used is no error: it is logged.
    pub(super) fn compile(&self, engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
        let Some(folder) = &self.folder else { return Component::new(engine.wasmtime(), component) };
        let path = folder.join(file_name(engine, component));
        match load(engine, folder, &path) {
            Ok(Some(compiled)) => return Ok(compiled),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiling the plugin anew, its compiled form cannot be used")
            }
        }
        let compiled = Component::new(engine.wasmtime(), component)?;
        if let Err(error) =
            compiled.serialize().map_err(io::Error::other).and_then(|bytes| store(folder, &path, &bytes))
        {
            tracing::warn!(path = %path.display(), %error, "the compiled plugin is not kept, so the next start compiles it again");
        }
        Ok(compiled)
    }
}

fn file_name(engine: &Engine, component: &[u8]) -> String {
    let mut compatibility = Fingerprint(Sha256::new());
    engine.wasmtime().precompile_compatibility_hash().hash(&mut compatibility);
    let digest =
        Sha256::new().chain_update(Sha256::digest(component)).chain_update(compatibility.0.finalize()).finalize();
    let hex: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    format!("{hex}.cwasm")
}

/// What is kept at this path; none when nothing is.
fn load(engine: &Engine, folder: &Path, path: &Path) -> io::Result<Option<Component>> {
    let file = match open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    check_folder(folder)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || !is_own(&metadata) || metadata.mode() & 0o022 != 0 {
        return Err(io::Error::other("the file belongs to somebody else, or others may write it"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let sealed = bytes.strip_prefix(HEADER).and_then(|rest| rest.split_first_chunk::<32>());
    let (digest, compiled) = sealed.ok_or_else(|| io::Error::other("the file is no compiled plugin"))?;
    if Sha256::digest(compiled)[..] != digest[..] {
        return Err(io::Error::other("the file is damaged"));
    }
    deserialize(engine, compiled).map(Some).map_err(|error| io::Error::other(format!("{error:#}")))
}

#[expect(
    unsafe_code,
    reason = "compiled code can only be taken on trust; the module says what makes these bytes trustworthy"
)]
fn deserialize(engine: &Engine, compiled: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: the bytes were written by `store` of a process of this user, into a folder only this user may enter, and
    // are those whose digest was checked.
    unsafe { Component::deserialize(engine.wasmtime(), compiled) }
}

/// Puts a file in place whole or not at all.
fn store(folder: &Path, path: &Path, compiled: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    check_folder(folder)?;
    let unfinished = path.with_extension(format!("{}.unfinished", std::process::id()));
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        for part in [HEADER.as_slice(), &Sha256::digest(compiled), compiled] {
            file.write_all(part)?;
        }
        std::fs::rename(&unfinished, path)
    };
    write().inspect_err(|_| {
        // What could not be written is of no use; that it may not be there to be removed is no further error.
        let _removed = std::fs::remove_file(&unfinished);
    })
}

fn check_folder(folder: &Path) -> io::Result<()> {
    let metadata = std::fs::symlink_metadata(folder)?;
    if !metadata.is_dir() || !is_own(&metadata) || metadata.mode() & 0o077 != 0 {
        let problem = format!("{} is not a folder of this user that is closed to others (chmod 700)", folder.display());
        return Err(io::Error::other(problem));
    }
    Ok(())
}

fn open(path: &Path) -> io::Result<File> {
    let no_links = i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(no_links).open(path)
}

fn is_own(metadata: &std::fs::Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
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
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    /// The smallest component there is.
    const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Kept {
        engine: Engine,
        folder: tempfile::TempDir,
        path: PathBuf,
    }

    fn kept() -> Kept {
        let engine = Engine::new().expect("an engine starts");
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).expect("its mode can be set");
        Cache::in_folder(folder.path().to_owned()).compile(&engine, COMPONENT).expect("the component compiles");
        let path = folder.path().join(file_name(&engine, COMPONENT));
        Kept { engine, folder, path }
    }

    impl Kept {
        fn load(&self) -> io::Result<Option<Component>> {
            load(&self.engine, self.folder.path(), &self.path)
        }
    }

    #[test]
    fn what_was_compiled_is_found_again() {
        assert!(kept().load().is_ok_and(|compiled| compiled.is_some()));
    }

    #[test]
    fn a_damaged_file_is_not_loaded_and_is_replaced() {
        let kept = kept();
        let mut bytes = fs::read(&kept.path).expect("the file is there");
        *bytes.last_mut().expect("it holds something") ^= 1;
        fs::write(&kept.path, bytes).expect("it can be written");
        assert!(kept.load().is_err());
        Cache::in_folder(kept.folder.path().to_owned())
            .compile(&kept.engine, COMPONENT)
            .expect("the component compiles");
        assert!(kept.load().is_ok_and(|compiled| compiled.is_some()));
    }

    #[test]
    fn a_torn_file_is_not_loaded() {
        let kept = kept();
        fs::write(&kept.path, &HEADER[..20]).expect("it can be written");
        assert!(kept.load().is_err());
    }

    #[test]
    fn a_file_that_others_may_write_is_not_loaded() {
        let kept = kept();
        fs::set_permissions(&kept.path, Permissions::from_mode(0o622)).expect("its mode can be set");
        assert!(kept.load().is_err());
    }

    #[test]
    fn a_folder_that_others_may_enter_is_not_used() {
        let kept = kept();
        fs::set_permissions(kept.folder.path(), Permissions::from_mode(0o755)).expect("its mode can be set");
        assert!(kept.load().is_err());
        assert!(store(kept.folder.path(), &kept.path, b"").is_err());
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let kept = kept();
        let elsewhere = kept.folder.path().join("elsewhere");
        fs::rename(&kept.path, &elsewhere).expect("it can be moved");
        std::os::unix::fs::symlink(&elsewhere, &kept.path).expect("a link can be made");
        assert!(kept.load().is_err());
    }

    #[test]
    fn the_environment_says_where() {
        let variables = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into())
        };
        let folder = |set| Cache::from_environment(variables(set)).folder;
        assert_eq!(folder(&[("CALLSPAN_CACHE_DIR", "/a"), ("HOME", "/h")]), Some(PathBuf::from("/a")));
        assert_eq!(folder(&[("CALLSPAN_CACHE_DIR", ""), ("HOME", "/h")]), None);
        assert_eq!(folder(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some(PathBuf::from("/x/callspan")));
        assert_eq!(folder(&[("HOME", "/h")]), Some(PathBuf::from("/h/.cache/callspan")));
        assert_eq!(folder(&[]), None);
    }
}
