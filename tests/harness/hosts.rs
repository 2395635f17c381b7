//! The names that a service can resolve, beside those that the network knows: a file in place of `/etc/hosts`, for its
//! process alone.

use crate::peers;
use std::fs;
use std::process::Command;
use tempfile::TempDir;

/// A file of names, which may be changed while a service runs.
#[derive(Debug)]
pub struct Hosts {
    folder: TempDir,
}

impl Hosts {
    /// One that names nothing. None where a process may have no mounts of its own.
    pub fn new() -> Option<Self> {
        peers::program("unshare")?;
        let hosts = Self { folder: tempfile::tempdir().expect("a folder") };
        hosts.write("");
        let command = hosts.command();
        let tried = Command::new(&command[0]).args(&command[1..]).arg("true").output().expect("it is installed");
        if !tried.status.success() {
            peers::skip(&format!("no mounts of one's own here: {}", String::from_utf8_lossy(&tried.stderr)));
            return None;
        }
        Some(hosts)
    }

    /// From now on this name stands for this machine.
    pub fn name(&self, name: &str) {
        self.write(&format!("127.0.0.1 {name}\n"));
    }

    /// The command line that a service is started under. It keeps its process.
    pub fn command(&self) -> Vec<String> {
        let mount = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
        let mut command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount].map(str::to_owned).to_vec();
        command.push(self.folder.path().join("hosts").display().to_string());
        command
    }

    /// In place: what is mounted is the file, not its name.
    fn write(&self, text: &str) {
        fs::write(self.folder.path().join("hosts"), text).expect("the folder is ours");
    }
}
