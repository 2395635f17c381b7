//! Runs each measurement in a process of its own and prints tables.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{CONTESTANTS, files};

/// A store that has not answered by then hangs.
const PATIENCE: Duration = Duration::from_secs(600);
const PATIENCE_WITH_FULL_DISK: Duration = Duration::from_secs(60);

pub(crate) fn run(options: &[&str]) -> Result<()> {
    let value = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='));
    let rounds = value("--rounds").map_or(Ok(3), str::parse)?;
    let contestants: Vec<&str> =
        CONTESTANTS.into_iter().filter(|name| value("--only").is_none_or(|only| only == *name)).collect();
    let parts = value("--parts").unwrap_or("steady,backlog,keyspaces,damage,full");
    let backlog = if options.contains(&"--long") { "1000000" } else { "300000" };
    for part in parts.split(',') {
        match part {
            "steady" => {
                for batch in ["8", "64"] {
                    for with in [&["blind"][..], &["read"], &["read", "index"]] {
                        let title = format!("steady, batches of {batch}, {}", with.join(" and "));
                        measured(&title, &contestants, rounds, |name, folder| {
                            finished(start(name, "steady", folder, &[&[batch], with].concat())?, PATIENCE)
                        })?;
                    }
                }
            }
            "backlog" => measured(&format!("backlog of {backlog}"), &contestants, 1, |name, folder| {
                let mut lines = killed_when_ready(start(name, "fill", folder, &[backlog])?)?;
                lines.extend(finished(start(name, "drain", folder, &[])?, PATIENCE)?);
                Ok(lines)
            })?,
            "keyspaces" => measured("keyspaces of fjall", &["10", "50", "200"], rounds, |count, folder| {
                finished(start("keyspaces", "", folder, &[count])?, PATIENCE)
            })?,
            "damage" => damaged(&contestants)?,
            "full" => filled_up(&contestants)?,
            unknown => anyhow::bail!("no part {unknown}"),
        }
    }
    Ok(())
}

fn measured(
    title: &str,
    contestants: &[&str],
    rounds: usize,
    measure: impl Fn(&str, &Path) -> Result<Vec<String>>,
) -> Result<()> {
    let mut figures: BTreeMap<&str, Vec<(String, Vec<f64>)>> = BTreeMap::new();
    for _ in 0..rounds {
        for name in contestants {
            let folder = TempDir::with_prefix("stores-")?;
            let table = figures.entry(name).or_default();
            for line in measure(name, folder.path())? {
                let Some((figure, value)) = line.split_once(' ') else { continue };
                let Ok(value) = value.parse() else {
                    eprintln!("{name}: {line}");
                    continue;
                };
                match table.iter_mut().find(|(known, _)| known == figure) {
                    Some((_, values)) => values.push(value),
                    None => table.push((figure.to_owned(), vec![value])),
                }
            }
        }
    }
    println!("\n{title}");
    print!("{:>18}", "");
    contestants.iter().for_each(|name| print!("{name:>16}"));
    println!();
    let names: Vec<String> =
        figures.values().max_by_key(|table| table.len()).into_iter().flatten().map(|(name, _)| name.clone()).collect();
    for figure in names {
        print!("{figure:>18}");
        for name in contestants {
            let values = figures.get(name).and_then(|table| table.iter().find(|(known, _)| *known == figure));
            print!("{:>16}", values.map_or("-".to_owned(), |(_, values)| median(values.clone()).to_string()));
        }
        println!();
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Damages copies of what a killed process left, and says what is left of it.
fn damaged(contestants: &[&str]) -> Result<()> {
    // Few enough to stand in the log alone, and enough to stand in tables too.
    for (count, damages) in [
        ("1920", &["none", "log body", "log frame", "log cut", "log zero"][..]),
        ("40000", &["none", "table body", "table frame", "log body", "log cut"]),
    ] {
        for name in contestants {
            let left = TempDir::with_prefix("stores-")?;
            killed_when_ready(start(name, "fill", left.path(), &[count])?)?;
            for damage in damages {
                println!("\n{name}, {count} records, {damage}");
                let folder = TempDir::with_prefix("stores-")?;
                files::copy(left.path(), folder.path())?;
                if *damage != "none" {
                    show(&finished(start(name, "damage", folder.path(), &[damage])?, PATIENCE)?);
                }
                // Twice: what the first opening repaired, it may have repaired for good.
                show(&finished(start(name, "check", folder.path(), &[])?, PATIENCE)?);
                println!("  again:");
                show(&finished(start(name, "check", folder.path(), &[])?, PATIENCE)?);
            }
        }
    }
    Ok(())
}

fn filled_up(contestants: &[&str]) -> Result<()> {
    for name in contestants {
        for size in ["100m", "200m"] {
            let disk = Disk::mount(size)?;
            println!("\n{name}, disk of {size} full");
            show(&finished(start(name, "full", disk.0.path(), &[])?, PATIENCE_WITH_FULL_DISK)?);
        }
    }
    Ok(())
}

/// A small file system in memory; only root may mount one.
struct Disk(TempDir);

impl Disk {
    fn mount(size: &str) -> Result<Self> {
        let folder = TempDir::with_prefix("stores-")?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "none"])
            .arg(folder.path())
            .status()?;
        ensure!(
            mounted.success(),
            "cannot mount a small disk; leave it out with --parts=steady,backlog,keyspaces,damage"
        );
        Ok(Self(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if !Command::new("umount").arg("--lazy").arg(self.0.path()).status().is_ok_and(|status| status.success()) {
            eprintln!("{} is still mounted", self.0.path().display());
        }
    }
}

fn show(lines: &[String]) {
    lines.iter().for_each(|line| println!("  {line}"));
}

fn start(name: &str, work: &str, folder: &Path, arguments: &[&str]) -> Result<Child> {
    let program: PathBuf = std::env::current_exe()?;
    let command = &mut Command::new(program);
    command.env("RUST_BACKTRACE", "0").args(["child", name, work]).arg(folder).args(arguments);
    Ok(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
}

fn killed_when_ready(child: Child) -> Result<Vec<String>> {
    let lines = output(child, PATIENCE, true)?;
    ensure!(lines.last().is_some_and(|line| line == "ready"), "never ready: {lines:?}");
    Ok(lines)
}

fn finished(child: Child, patience: Duration) -> Result<Vec<String>> {
    output(child, patience, false)
}

/// What the process says until it ends, is ready to be killed, or has run out of patience.
fn output(mut child: Child, patience: Duration, until_ready: bool) -> Result<Vec<String>> {
    let (sender, lines) = mpsc::channel();
    let stdout = child.stdout.take().context("standard output is piped")?;
    let stderr = child.stderr.take().context("standard error is piped")?;
    let errors = sender.clone();
    thread::spawn(move || BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    thread::spawn(move || {
        let lines = BufReader::new(stderr).lines().map_while(Result::ok);
        lines.map(|line| format!("stderr {line}")).try_for_each(|line| errors.send(line))
    });
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(patience) {
            Ok(line) => {
                said.push(line);
                if until_ready && said.last().is_some_and(|line| line == "ready") {
                    break;
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                said.push(format!("hangs for {} s", patience.as_secs()));
                break;
            }
        }
    }
    child.kill()?;
    let status = child.wait()?;
    if !until_ready && !status.success() {
        said.push(format!("ended {status}"));
    }
    Ok(said)
}
