//! What is done until the process is killed. A line says what was acknowledged last, once its sync has returned.

use anyhow::Result;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::thread;
use std::time::Instant;

const JOURNAL_BYTES: u64 = 64 * 1024 * 1024;

/// Appends the numbers from where the file ends, as lines of eight digits.
pub(crate) fn acknowledge(path: &str) -> Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    File::open(parent(path))?.sync_all()?;
    for number in file.metadata()?.len() / 8.. {
        write!(file, "{number:08}")?;
        file.sync_data()?;
        writeln!(io::stdout(), "{number}")?;
    }
    Ok(())
}

/// The same in a file that has its full length from the start.
pub(crate) fn acknowledge_in_journal(path: &str) -> Result<()> {
    let file = File::create(path)?;
    file.set_len(JOURNAL_BYTES)?;
    file.sync_all()?;
    File::open(parent(path))?.sync_all()?;
    for number in 0.. {
        file.write_all_at(format!("{number:08}").as_bytes(), number * 8)?;
        file.sync_data()?;
        writeln!(io::stdout(), "{number}")?;
    }
    Ok(())
}

/// The same in one file by many threads at once, each of which has every so manieth place, and says so in one line.
pub(crate) fn acknowledge_in_threads(count: u64) -> Result<()> {
    let file = &File::create("shared")?;
    File::open(".")?.sync_all()?;
    thread::scope(|scope| {
        let number_places = |thread| {
            move || -> Result<()> {
                for number in (thread..).step_by(usize::try_from(count)?) {
                    file.write_all_at(format!("{number:08}").as_bytes(), number * 8)?;
                    file.sync_data()?;
                    writeln!(io::stdout(), "{number}")?;
                }
                Ok(())
            }
        };
        let threads: Vec<_> = (0..count).map(|thread| scope.spawn(number_places(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no thread panics"))
    })
}

/// Replaces a file by one with the next number, over and over.
pub(crate) fn replace(path: &str) -> Result<()> {
    for number in 0.. {
        let mut file = File::create("replacement")?;
        write!(file, "{number:08}")?;
        file.sync_all()?;
        fs::rename("replacement", path)?;
        File::open(parent(path))?.sync_all()?;
        writeln!(io::stdout(), "{number}")?;
    }
    Ok(())
}

/// Says how many microseconds an append with its sync takes in a long journal, at the median.
pub(crate) fn measure(path: &str) -> Result<()> {
    let file = File::create(path)?;
    file.set_len(JOURNAL_BYTES)?;
    file.sync_all()?;
    let mut times = Vec::new();
    for number in 0..2000 {
        let begin = Instant::now();
        file.write_all_at(&[1; 200], number * 200)?;
        file.sync_data()?;
        times.push(begin.elapsed().as_micros());
    }
    times.sort_unstable();
    writeln!(io::stdout(), "{}", times.get(1000).copied().unwrap_or_default())?;
    Ok(())
}

fn parent(path: &str) -> &Path {
    Path::new(path).parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}
