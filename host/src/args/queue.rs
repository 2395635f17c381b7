//! Arguments of the commands that look into the queue.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// Which queue.
#[derive(Args, Clone, Debug)]
pub struct QueueAt {
    /// Read the configuration from this file: YAML, JSON, or TOML if its name ends in .toml.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// The folder in which the service remembers things, instead of the configured one.
    #[arg(long, value_name = "FOLDER", global = true)]
    pub data_dir: Option<PathBuf>,
    /// What to write.
    #[arg(long, value_enum, default_value_t = Listing::Text, global = true)]
    pub format: Listing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Listing {
    /// For people.
    Text,
    /// A JSON object on a line for each item.
    Json,
}

#[derive(Args, Debug)]
pub struct DeadLetter {
    #[command(flatten)]
    pub queue: QueueAt,
    #[command(subcommand)]
    pub command: DeadLetterCommand,
}

#[derive(Debug, Subcommand)]
pub enum DeadLetterCommand {
    /// List dead letters, oldest first, without their bodies.
    List(List),
    /// Show one dead letter, with the outline of its body.
    Show(Show),
    /// Deliver dead letters once more, whatever was delivered before.
    Replay(ReplayLetters),
    /// Give dead letters up.
    Purge(Purge),
    /// Write the raw records of dead letters to a file, one JSON text on a line.
    ///
    /// The file holds personal data in clear, whatever the privacy policy and the encryption of the queue: numbers,
    /// names, what people wrote. It is readable by this user alone. A file that is there is not overwritten. A record that
    /// is no JSON is written as a JSON string, or left out where it is no text.
    Export(Export),
}

#[derive(Args, Debug)]
pub struct List {
    /// Those with a refusal of this code.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Those with a refusal of this class.
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,
    /// Those that came from this source.
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<String>,
    /// Those that this sink refused, or TRANSFORM/SINK.
    #[arg(long, value_name = "SINK")]
    pub sink: Option<String>,
    /// Those that were refused since then: a time like 2h, or 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<SystemTime>,
    /// At most so many.
    #[arg(long, value_name = "COUNT")]
    pub limit: Option<usize>,
    /// Show messages as they are: plain.
    #[arg(long, value_name = "CHOICE")]
    pub privacy: Option<String>,
}

#[derive(Args, Debug)]
pub struct Show {
    /// Its id.
    #[arg(value_name = "ID")]
    pub id: u64,
    /// Show the message and the body as they are: plain.
    #[arg(long, value_name = "CHOICE")]
    pub privacy: Option<String>,
}

/// Which dead letters.
#[derive(Args, Clone, Debug)]
#[group(required = true, multiple = false)]
pub struct Letters {
    /// Their ids.
    #[arg(value_name = "ID")]
    pub ids: Vec<u64>,
    /// All of them.
    #[arg(long)]
    pub all: bool,
    /// Those with a refusal of this code.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
}

#[derive(Args, Debug)]
pub struct ReplayLetters {
    #[command(flatten)]
    pub letters: Letters,
    /// To this sink alone, or TRANSFORM/SINK; for the others that refused them they stay dead letters.
    #[arg(long, value_name = "SINK")]
    pub sink: Option<String>,
    /// Only say what would be delivered.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
#[group(id = "which", required = true, multiple = false)]
pub struct Purge {
    /// Their ids.
    #[arg(value_name = "ID", group = "which")]
    pub ids: Vec<u64>,
    /// All of them.
    #[arg(long, group = "which")]
    pub all: bool,
    /// Those with a refusal of this code.
    #[arg(long, value_name = "CODE", group = "which")]
    pub code: Option<String>,
    /// Those that were last refused longer ago than this: a time like 7d.
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration, group = "which")]
    pub older_than: Option<Duration>,
    #[command(flatten)]
    pub confirm: Confirm,
}

#[derive(Args, Debug)]
pub struct Export {
    /// The file to make; `-` for the standard output.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Those with a refusal of this code alone.
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
}

#[derive(Args, Clone, Copy, Debug)]
pub struct Confirm {
    /// Do not ask; without a terminal, it has to be given.
    #[arg(long)]
    pub yes: bool,
}

#[derive(Args, Debug)]
pub struct Replay {
    #[command(flatten)]
    pub queue: QueueAt,
    /// What was received since then: a time like 2h, or 2026-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: SystemTime,
    /// To this sink, or TRANSFORM/SINK.
    #[arg(long, value_name = "SINK")]
    pub sink: String,
    /// Only say what would be delivered.
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Args, Debug)]
pub struct Queue {
    #[command(flatten)]
    pub queue: QueueAt,
    #[command(subcommand)]
    pub command: QueueCommand,
}

#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List who takes records: how many wait, since when, and what became of the others.
    Sinks,
    /// Give up what waits for a sink that is not configured any more, and forget it.
    Forget {
        /// The sink, or TRANSFORM/SINK.
        #[arg(value_name = "SINK")]
        sink: String,
        #[command(flatten)]
        confirm: Confirm,
    },
    /// Show what the queue holds and takes.
    Status,
}

#[derive(Args, Debug)]
pub struct Erase {
    #[command(flatten)]
    pub queue: QueueAt,
    /// The session's id.
    #[arg(long, value_name = "ID")]
    pub session: String,
    /// Only say what would be erased.
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub confirm: Confirm,
}

/// A time ago, or a point in time.
fn since(text: &str) -> Result<SystemTime, String> {
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(time);
    }
    let ago = humantime::parse_duration(text).ok().and_then(|ago| SystemTime::now().checked_sub(ago));
    ago.ok_or_else(|| "expected a time like 2h or 7d, or 2026-01-01T00:00:00Z".to_owned())
}
