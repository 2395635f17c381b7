//! `callspan man`: the manual page of callspan, or of one of its commands, in roff.

use super::{Failure, Verdict, or_reader_gone};
use crate::args::{Arguments, Man};
use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man as Page;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

pub(super) fn run(arguments: Man) -> Result<Verdict, Failure> {
    let mut callspan = Arguments::command();
    callspan.build();
    match arguments.directory {
        Some(directory) => write_all(&callspan, &directory)?,
        None => or_reader_gone(io::stdout().lock().write_all(&page(&callspan)?))?,
    }
    Ok(Verdict::Good)
}

/// A page for callspan, and one for each of its commands.
fn write_all(callspan: &Command, directory: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("failed to make the folder {}", directory.display()))?;
    let pages = std::iter::once(callspan).chain(callspan.get_subcommands().filter(|command| !command.is_hide_set()));
    for command in pages {
        // A built command is called by its whole name: `callspan-serve`.
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        let path = directory.join(format!("{name}.1"));
        fs::write(&path, page(command)?).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

fn page(command: &Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    Page::new(command.clone()).render(&mut page).context("failed to write the manual page")?;
    Ok(page)
}
