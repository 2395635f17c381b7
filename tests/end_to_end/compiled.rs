//! Compiled plugins are kept between starts, or made ahead of time; whatever is wrong with them, a service starts.

use callspan_tests::{Callspan, Service, guests, records};
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Mappings that are different components, one of them a candidate.
fn three_plugins() -> String {
    format!(
        "sources: {{ pushes: {{ type: http_server, address: '127.0.0.1:0' }} }}\n\
         transforms:\n  \
           calls: {{ type: plugin, inputs: [pushes], shadow: {:?} }}\n  \
           same: {{ type: plugin, inputs: [pushes], resource: {{ region: south }} }}\n  \
           others: {{ type: plugin, inputs: [pushes], plugin: {:?} }}\n\
         sinks: {{ lines: {{ type: console, inputs: [calls, same, others] }} }}\n",
        guests::CONNECT_SKETCH,
        guests::OBEDIENT
    )
}

/// A folder that every user can reach, and a path in it.
fn image() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("the folder is ours");
    let path = folder.path().join("lib/compiled");
    (folder, path)
}

/// Compiles the plugins of a configuration into this folder: what is said of each.
fn compile(config: &str, output: &Path) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("callspan.yaml");
    fs::write(&file, config).expect("the folder is ours");
    let (file, output) = (file.display().to_string(), output.display().to_string());
    let compiled = Callspan::new(["compile", "--config", &file, "--output", &output, "--format", "json"]).run();
    assert_eq!((compiled.code, compiled.stderr.as_str()), (Some(0), ""));
    compiled.stdout.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

fn lines_with(service: &Service, text: &str) -> usize {
    service.log().lines().filter(|line| line.contains(text)).count()
}

/// In an image the folder belongs to root and cannot be written, and the service is another user's; here it is, where root
/// runs the tests. Otherwise all of it belongs to one user.
#[test]
fn a_service_compiles_nothing_that_was_compiled_ahead() {
    let (_image, folder) = image();
    let compiled = compile(&three_plugins(), &folder);
    let plugins: Vec<_> = compiled.iter().map(|line| (line["name"].as_str(), line["compiled"].as_bool())).collect();
    assert_eq!(plugins, ["tccc", "connect-sketch", "obedient"].map(|name| (Some(name), Some(true))));
    let again = compile(&three_plugins(), &folder);
    assert!(again.iter().all(|line| line["compiled"] == false), "{again:?}");
    assert!(compiled.iter().all(|line| Path::new(line["path"].as_str().expect("a path")).starts_with(&folder)));

    let is_root = fs::metadata(&folder).expect("it was made").uid() == 0;
    let program = callspan_tests::binary();
    let other_user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
    let mut reach = Command::new(other_user[0]);
    reach.args(&other_user[1..]).args(["test", "-x"]).arg(program);
    let users: &[&[&str]] = if !is_root {
        fs::set_permissions(&folder, Permissions::from_mode(0o500)).expect("the folder is ours");
        &[&["env"]]
    } else if reach.status().is_ok_and(|status| status.success()) {
        &[&["env"], &other_user]
    } else {
        eprintln!("SKIPPED for another user than root: {} cannot be reached by others", program.display());
        &[&["env"]]
    };
    for user in users {
        let cache = folder.display().to_string();
        let service =
            Service::new().config(&three_plugins()).variable("CALLSPAN_CACHE_DIR", &cache).under(user).start();
        assert_eq!(service.push(records::SEED).status, 200, "{}", service.log());
        assert_eq!(
            (lines_with(&service, "compiled"), lines_with(&service, "WARN")),
            (0, 0),
            "{user:?}: {}",
            service.log()
        );
    }
}

/// What somebody left in the folder is told, and replaced.
#[test]
fn a_compiled_plugin_that_was_tampered_with_is_compiled_anew() {
    let (_image, folder) = image();
    let compiled = compile(&three_plugins(), &folder);
    let path = compiled[0]["path"].as_str().expect("a path");
    let mut bytes = fs::read(path).expect("it was made");
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(path, bytes).expect("it is ours");
    let cache = folder.display().to_string();
    let start = || Service::new().variable("CALLSPAN_CACHE_DIR", &cache).start();
    let service = start();
    assert_eq!(lines_with(&service, "the file is damaged"), 1, "{}", service.log());
    assert_eq!(lines_with(&service, "plugin compiled"), 1, "{}", service.log());
    drop(service);
    assert_eq!(lines_with(&start(), "compil"), 0, "it was replaced");
}

/// Once, however many plugins there are: `/proc` takes no folder from anybody, and one that others may write is not
/// used.
#[test]
fn a_service_whose_folder_cannot_be_used_starts_and_says_so_once() {
    let (_image, open) = image();
    fs::create_dir_all(&open).expect("the folder is ours");
    fs::set_permissions(&open, Permissions::from_mode(0o777)).expect("the folder is ours");
    for (folder, reason) in [("/proc/callspan/compiled", "No such file"), (&open.display().to_string(), "mode 777")] {
        let service = Service::new().config(&three_plugins()).variable("CALLSPAN_CACHE_DIR", folder).start();
        assert_eq!(lines_with(&service, "compiled plugins are not kept"), 1, "{}", service.log());
        assert!(service.log().contains(reason) && service.log().contains(folder), "{}", service.log());
        assert_eq!(lines_with(&service, "plugin compiled"), 3, "{}", service.log());
        assert_eq!(service.push(records::command("1", "")).status, 422, "tccc takes no such records");
    }
    assert_eq!(fs::read_dir(&open).expect("it is there").count(), 0, "nothing was put there");
}

#[test]
fn a_plugin_that_cannot_be_compiled_ahead_is_told_with_what_to_do() {
    let (_image, folder) = image();
    let output = folder.display().to_string();
    let below_a_file = format!("{}/compiled", guests::OBEDIENT);
    for (code, said, arguments) in [
        (1, "name another folder with --output", vec!["--output", &below_a_file]),
        (1, "name one with --output or CALLSPAN_CACHE_DIR", vec![]),
        (78, "not a WebAssembly component", vec!["--output", &output, guests::CORE_MODULE]),
        (78, "does not export callspan:transform/plugin@0.1.0", vec!["--output", &output, guests::ANOTHER_VERSION]),
        (78, "No such file", vec!["--output", &output, "/no/such/plugin.wasm"]),
        (78, "No such file", vec!["--output", &output, "--config", "/no/such/callspan.yaml"]),
        (2, "cannot be used with", vec!["--config", "callspan.yaml", guests::OBEDIENT]),
    ] {
        let command = Callspan::new(["compile"]).variable("CALLSPAN_CACHE_DIR", "");
        let finished = arguments.iter().fold(command, |command, argument| command.arguments([argument])).run();
        assert_eq!(finished.code, Some(code), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{arguments:?}: {}", finished.stderr);
    }
    let compiled = Callspan::new(["compile", "--output", &output, "builtin:tccc", guests::OBEDIENT]).run();
    assert_eq!((compiled.code, compiled.stdout.lines().count()), (Some(0), 2), "{}", compiled.stderr);
    assert!(compiled.stdout.starts_with("builtin:tccc (tccc 0.1.0) compiled: "), "{}", compiled.stdout);
}
