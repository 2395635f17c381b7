//! Whatever is doubtful about a file or its folder: the plugin is compiled anew.

use super::*;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use wasmtime::ModuleVersionStrategy;

/// The smallest component there is.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

struct Fixture {
    engine: Engine,
    folder: tempfile::TempDir,
    path: PathBuf,
}

/// A folder in which the component was kept.
fn kept() -> Fixture {
    let engine = Engine::new().expect("an engine starts");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join(file_name(&engine, COMPONENT));
    let kept = Fixture { engine, folder, path };
    kept.compile();
    assert!(kept.is_loaded());
    kept
}

impl Fixture {
    fn cache(&self) -> Cache {
        Cache::in_folder(self.folder.path().to_owned())
    }

    fn compile(&self) {
        self.cache().compile(&self.engine, COMPONENT).expect("the component compiles");
    }

    fn load(&self) -> io::Result<Option<Component>> {
        let folder = Folder::open(self.folder.path())?.expect("the folder is there");
        load(&self.engine, &folder, &file_name(&self.engine, COMPONENT))
    }

    fn is_loaded(&self) -> bool {
        self.load().is_ok_and(|compiled| compiled.is_some())
    }

    /// Seals what an engine compiled, as if it were our own.
    fn put(&self, compiled: &[u8]) {
        let sealed = [HEADER.as_slice(), &Sha256::digest(compiled), compiled].concat();
        fs::write(&self.path, sealed).expect("it can be written");
    }

    #[track_caller]
    fn assert_refused(&self, reason: &str) {
        let error = self.load().expect_err("it is not loaded").to_string();
        assert!(error.contains(reason), "{error}");
    }

    /// The component is compiled all the same, and what was refused is replaced.
    #[track_caller]
    fn assert_replaced(&self, reason: &str) {
        self.assert_refused(reason);
        self.compile();
        assert!(self.is_loaded());
    }
}

/// What an engine with other settings compiles.
fn compiled_by(change: impl FnOnce(&mut wasmtime::Config)) -> Vec<u8> {
    let engine = Engine::changed(change);
    Component::new(engine.wasmtime(), COMPONENT).and_then(|compiled| compiled.serialize()).expect("it compiles")
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).expect("its mode can be set");
}

#[test]
fn what_was_compiled_is_found_again() {
    let kept = kept();
    let written = fs::metadata(&kept.path).and_then(|metadata| metadata.modified()).expect("it is there");
    kept.compile();
    assert_eq!(fs::metadata(&kept.path).and_then(|metadata| metadata.modified()).ok(), Some(written));
    assert_eq!(fs::read_dir(kept.folder.path()).expect("it is there").count(), 1, "nothing unfinished is left");
}

#[test]
fn a_file_that_was_tampered_with_is_replaced() {
    let kept = kept();
    let whole = fs::read(&kept.path).expect("the file is there");
    for at in [0, HEADER.len(), HEADER.len() + 32, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&kept.path, bytes).expect("it can be written");
        kept.assert_replaced("the file is ");
    }
}

#[test]
fn a_torn_file_is_replaced() {
    let kept = kept();
    let whole = fs::read(&kept.path).expect("the file is there");
    for length in [0, 20, HEADER.len() + 10, HEADER.len() + 32, whole.len() - 1] {
        fs::write(&kept.path, &whole[..length]).expect("it can be written");
        kept.assert_replaced("the file is ");
    }
}

#[test]
fn what_another_version_wrote_is_replaced() {
    let kept = kept();
    kept.put(&compiled_by(|config| {
        let version = ModuleVersionStrategy::Custom("another".to_owned());
        config.module_version(version).expect("it is short");
    }));
    kept.assert_replaced("version");
    let whole = fs::read(&kept.path).expect("the file is there");
    let compiled = &whole[HEADER.len()..];
    fs::write(&kept.path, [b"callspan compiled plugin 2\n".as_slice(), compiled].concat()).expect("it can be written");
    kept.assert_replaced("no compiled plugin of this version");
}

#[test]
fn what_was_compiled_with_other_settings_is_replaced() {
    let kept = kept();
    kept.put(&compiled_by(|config| {
        config.epoch_interruption(false);
    }));
    kept.assert_replaced("epoch");
}

/// The same program on a machine that has less than the one it was compiled on.
#[test]
#[expect(unsafe_code, reason = "an engine that knows no feature of its processor executes none of them")]
fn what_was_compiled_for_another_processor_is_refused() {
    // One with code in it: what that needs is looked at.
    let component = crate::transform::Source::Builtin.read(usize::MAX).expect("it is in this program");
    let kept = kept();
    let path = kept.cache().keep(&kept.engine, &component).expect("it is kept").path;
    // SAFETY: it claims less than there is.
    let lesser = Engine::changed(|config| unsafe {
        config.detect_host_feature(|_| Some(false));
    });
    let folder = Folder::open(kept.folder.path()).expect("it is ours").expect("it is there");
    let name = path.file_name().and_then(|name| name.to_str()).expect("it has a name");
    let error = load(&lesser, &folder, name).expect_err("it is not loaded").to_string();
    assert!(error.contains("not available on the host"), "{error}");
    assert!(load(&kept.engine, &folder, name).is_ok_and(|compiled| compiled.is_some()));
}

/// It is not even looked for.
#[test]
fn another_processor_has_names_of_its_own() {
    let baseline = Engine::changed(|config| {
        let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        config.target(&host).expect("it is this machine's");
    });
    let native = Engine::new().expect("an engine starts");
    assert_ne!(file_name(&baseline, COMPONENT), file_name(&native, COMPONENT));
    assert_eq!(file_name(&native, COMPONENT), file_name(&Engine::new().expect("another"), COMPONENT));
}

#[test]
fn a_file_that_others_may_write_is_replaced() {
    let kept = kept();
    for mode in [0o620, 0o602] {
        set_mode(&kept.path, mode);
        kept.assert_replaced("others may write it");
    }
}

#[test]
fn a_folder_that_others_may_write_is_not_used() {
    let kept = kept();
    for mode in [0o720, 0o702, 0o1777] {
        set_mode(kept.folder.path(), mode);
        kept.assert_refused(&format!("has mode {mode:o}"));
        kept.compile();
        assert!(matches!(kept.cache().keep(&kept.engine, COMPONENT), Err(KeepError::Folder { .. })));
    }
    set_mode(kept.folder.path(), 0o700);
    assert!(kept.is_loaded());
}

#[test]
fn a_symbolic_link_is_not_followed() {
    let kept = kept();
    let elsewhere = kept.folder.path().join("elsewhere");
    fs::rename(&kept.path, &elsewhere).expect("it can be moved");
    symlink(&elsewhere, &kept.path).expect("a link can be made");
    kept.assert_replaced("symbolic link");
    let link = kept.folder.path().join("link");
    symlink(kept.folder.path(), &link).expect("a link can be made");
    assert!(Folder::open(&link).is_err_and(|error| error.to_string().contains("symbolic link")));
    Cache::in_folder(link).compile(&kept.engine, COMPONENT).expect("the component compiles");
}

/// Opening a pipe would wait for somebody who writes to it.
#[test]
fn what_is_no_file_is_not_read() {
    let kept = kept();
    fs::remove_file(&kept.path).expect("it is ours");
    let made = std::process::Command::new("mkfifo").arg(&kept.path).status();
    assert!(made.is_ok_and(|status| status.success()));
    kept.assert_replaced("belongs to somebody else");
}

/// A folder that cannot be made keeps nobody from compiling, and is told by whoever has to keep something.
#[test]
fn a_folder_that_cannot_be_written_is_gone_without() {
    let kept = kept();
    let cache = Cache::in_folder(kept.path.join("below-a-file"));
    cache.compile(&kept.engine, COMPONENT).expect("the component compiles");
    assert!(matches!(cache.keep(&kept.engine, COMPONENT), Err(KeepError::Folder { .. })));
    assert!(matches!(Cache::none().keep(&kept.engine, COMPONENT), Err(KeepError::NoFolder)));
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
