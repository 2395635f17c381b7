//! The folder for what is remembered, the queue in it, and the disk below it.

use super::finding::{Finding, Report};
use crate::admin::{ClientError, SocketClient};
use crate::commands::Failure;
use crate::commands::listing::bytes;
use crate::config::plan::Plan;
use crate::queue::{self, Durability, Examined, OpenError, examine};
use anyhow::Context as _;
use rustix::fs::{Access, access, statvfs};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

const FOLDER: &str = "data_dir";
const QUEUE: &str = "queue";
const DISK: &str = "queue.min_free_space";
/// What others may do with a file.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// Whether a service runs with this folder, and as which process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// None, as far as the folder tells.
    Stopped,
    /// One whose process is known if it says so.
    Runs(Option<u32>),
}

/// Looks at the folder, if records are kept on the disk.
pub(super) fn check(plan: &Plan, report: &mut Report) -> Result<Service, Failure> {
    let Some(data_dir) = plan.data_dir.as_deref().filter(|_| plan.queue.durability != Durability::Memory) else {
        report.add(Finding::ok(QUEUE, "nothing is stored: `durability: memory`"))?;
        return Ok(Service::Stopped);
    };
    report.add(place(data_dir))?;
    report.add(disk(data_dir, plan.queue.free_bytes_min))?;
    let (service, finding) = queue(data_dir)?;
    report.add(finding)?;
    Ok(service)
}

fn place(data_dir: &Path) -> Finding {
    let shown = data_dir.display();
    let remedy = "let this user own it (`install -d -m 0700 -o USER FOLDER`), or set another `data_dir`";
    match nearest(data_dir) {
        Err(why) => Finding::error(FOLDER, format!("{shown} cannot be used: {why}"), remedy),
        Ok(there) if there != data_dir => Finding::ok(FOLDER, format!("{shown} can be made")),
        Ok(_) => match fs::metadata(data_dir).map(|found| found.permissions().mode() & 0o777) {
            Ok(mode) if mode & OTHERS_WRITE != 0 => Finding::warning(
                FOLDER,
                format!("{shown} can be written to by others (mode {mode:03o}), who could put another queue in place"),
                format!("run `chmod go-w {shown}`"),
            ),
            Ok(mode) => Finding::ok(FOLDER, format!("{shown} can be written to, mode {mode:03o}")),
            Err(error) => Finding::error(FOLDER, format!("{shown}: {error}"), remedy),
        },
    }
}

/// The folder itself, or the nearest above it that is there, if this user may write there.
///
/// # Errors
/// Why not.
fn nearest(folder: &Path) -> Result<PathBuf, String> {
    let folder = std::path::absolute(folder).map_err(|error| error.to_string())?;
    let there = folder.ancestors().find(|folder| folder.symlink_metadata().is_ok()).unwrap_or(Path::new("/"));
    is_writable(there)?;
    Ok(there.to_owned())
}

/// # Errors
/// Why files cannot be made in a folder.
pub(super) fn is_writable(folder: &Path) -> Result<(), String> {
    if !folder.is_dir() {
        return Err(format!("{} is no folder", folder.display()));
    }
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| format!("{}: {error}", folder.display()))
}

fn disk(data_dir: &Path, free_bytes_min: u64) -> Finding {
    let there = data_dir.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    match statvfs(there) {
        Err(error) => Finding::warning(DISK, format!("{}: {error}", there.display()), "look at the disk"),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let found = format!("{} are free, and {} of them are to stay so", bytes(free), bytes(free_bytes_min));
            if free < free_bytes_min {
                let remedy = "make room, or set `queue.min_free_space` lower: pushes are answered with 503 until then";
                return Finding::error(
                    DISK,
                    format!("{} are free, less than the {} that are to stay so", bytes(free), bytes(free_bytes_min)),
                    remedy,
                );
            }
            Finding::ok(DISK, found)
        }
    }
}

fn queue(data_dir: &Path) -> Result<(Service, Finding), Failure> {
    let folder = data_dir.join(queue::FOLDER);
    let examined = match examine(&folder) {
        Ok(examined) => examined,
        Err(error) => return Ok((Service::Stopped, unusable(&error))),
    };
    Ok(match examined {
        Examined::Absent => (Service::Stopped, Finding::ok(QUEUE, "there is none yet")),
        Examined::Free => (Service::Stopped, private(&folder, "no service uses it")),
        Examined::InUse { process } => {
            let by = process.map_or_else(String::new, |process| format!(", process {process}"));
            let finding = match answer(data_dir)? {
                Ok(()) => private(&folder, &format!("a service runs with it{by}, and answers")),
                Err(error) => Finding::warning(
                    QUEUE,
                    format!("it is in use{by}, and no service answers: {error}"),
                    "if one is not just starting or stopping, end that process before a service is started",
                ),
            };
            (Service::Runs(process), finding)
        }
    })
}

/// A queue that can be used, unless others may look into one of its files.
fn private(folder: &Path, found: &str) -> Finding {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let open = files.filter(|file| {
        let mode = file.metadata().map_or(0, |file| file.permissions().mode());
        // Not a symbolic link, whose mode says nothing, nor the socket of a service that is about to start.
        file.file_type().is_ok_and(|kind| kind.is_file() || kind.is_dir()) && mode & OTHERS != 0
    });
    let open: Vec<String> = open.map(|file| file.file_name().to_string_lossy().into_owned()).collect();
    if open.is_empty() {
        return Finding::ok(QUEUE, format!("{} is for this user alone; {found}", folder.display()));
    }
    let remedy = format!("run `chmod -R go= {}`", folder.display());
    Finding::warning(QUEUE, format!("{found}; others may use {} in it", open.join(", ")), remedy)
}

/// Whether the service that runs can be asked.
fn answer(data_dir: &Path) -> Result<Result<(), ClientError>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    Ok(runtime.block_on(SocketClient::connect(data_dir)).map(|_| ()))
}

fn unusable(error: &OpenError) -> Finding {
    let (found, remedy) = match error {
        OpenError::NotPrivate { path, problem, remedy } => {
            (format!("{} {problem}", path.display()), format!("run `{remedy}`"))
        }
        OpenError::Newer { found, known, .. } => (
            format!("it was written by a newer callspan, in format {found}; this one knows formats up to {known}"),
            "run the newer version, or set another `data_dir`".to_owned(),
        ),
        OpenError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
            (error.to_string(), "run this command as the user of the service".to_owned())
        }
        OpenError::NoFormat { folder, .. } => (
            format!("{} does not say which format it has", folder.display()),
            "move it away to begin a new queue, or set another `data_dir`".to_owned(),
        ),
        _ => (error.to_string(), "set another `data_dir`".to_owned()),
    };
    Finding::error(QUEUE, found, remedy)
}
