//! A process that does to files what its arguments say, one action each, and then waits to be killed.

mod actions;
mod loops;

use anyhow::{Context as _, Result, bail};
use std::env;
use std::io::{self, Write as _};
use std::thread;

fn main() -> Result<()> {
    for action in env::args().skip(1) {
        let words: Vec<_> = action.split(' ').collect();
        match words.as_slice() {
            ["put", path, text] => actions::put(path, text),
            ["append", path, text] => actions::append(path, text),
            ["append-synced", path, text] => actions::append_synced(path, text),
            ["overwrite", path, offset, text] => actions::overwrite(path, offset.parse()?, text),
            ["set-length", path, length] => actions::set_length(path, length.parse()?),
            ["copy", from, to] => actions::copy(from, to),
            ["sync", path] => actions::sync(path),
            ["sync-data", path] => actions::sync_data(path),
            ["rename", from, to] => actions::rename(from, to),
            ["rename-past-libc", from, to] => actions::rename_past_libc(from, to),
            ["remove", path] => actions::remove(path),
            ["link", from, to] => actions::link(from, to),
            ["symlink", from, to] => actions::symlink(from, to),
            ["make-folder", path] => actions::make_folder(path),
            ["remove-folder", path] => actions::remove_folder(path),
            ["acknowledge", path] => loops::acknowledge(path),
            ["acknowledge-in-journal", path] => loops::acknowledge_in_journal(path),
            ["acknowledge-in-threads", count] => loops::acknowledge_in_threads(count.parse()?),
            ["replace", path] => loops::replace(path),
            ["measure", path] => loops::measure(path),
            _ => bail!("{action} is no action"),
        }
        .with_context(|| format!("failed to {action}"))?;
    }
    writeln!(io::stdout(), "done")?;
    loop {
        thread::park();
    }
}
