//! The `queue` section: how records are kept until every sink is done with them.

use super::decode::{Options, Table};
use super::duration::Period;
use super::path::At;
use super::planning::Planning;
use super::secret_file;
use super::value::{Choice, Whole, Word};
use crate::queue::{DeadLetterSettings, DuplicateSettings, Durability, Key, SameTrace, Settings};
use clap::ValueEnum;
use schemars::JsonSchema;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When a record is acknowledged, as it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum DurabilityName {
    /// A record is acknowledged when it is on disk.
    #[default]
    Fsync,
    /// A record is acknowledged when the operating system has it, which is told to write it to disk every now and then.
    Interval,
    /// Nothing is stored: a record is acknowledged when every sink has its trace.
    Memory,
}

/// How records are kept until every sink is done with them.
#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
pub(super) struct Queue {
    /// When a record is acknowledged: with `fsync` when it is on disk; with `interval` when the operating system has it,
    /// so that a power cut may lose what came in last; with `memory`, which stores nothing, when every sink has its
    /// trace.
    durability: Choice<DurabilityName>,
    /// How long what the operating system has may not be on disk, in milliseconds, by default 500. Only for
    /// `durability: interval`.
    sync_interval_ms: Option<Whole<1, 60_000>>,
    /// What it may take on disk, in bytes: waiting records, delivered ones that are kept, and dead letters.
    max_size: Whole<SIZE_MIN, SIZE_MAX>,
    /// What it leaves free on the disk, in bytes.
    min_free_space: Whole<0, SIZE_MAX>,
    /// How long delivered records are kept, for `callspan replay`: a time like 7d.
    keep: Period,
    /// Records that were refused for good.
    dead_letters: DeadLetters,
    /// How a record that comes again is told.
    dedupe: Dedupe,
    /// A file that holds the key to encrypt records with: 32 bytes, or 64 hexadecimal digits. Without one they lie in
    /// clear.
    encryption_key_file: Option<PathBuf>,
}

#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct DeadLetters {
    /// What they may take, in bytes; beyond it the oldest go. Less than the queue's `max_size`; by default 1 GiB, or an
    /// eighth of that where it is less.
    max_size: Option<Whole<DEAD_LETTERS_SIZE_MIN, SIZE_MAX>>,
    /// How long they are kept: a time like 30d.
    keep: Period,
}

#[derive(JsonSchema)]
#[schemars(default, deny_unknown_fields)]
struct Dedupe {
    /// How long a record is remembered, so that the same one is not delivered again: a time like 24h; 0s for not at all.
    window: Period,
    /// Which of two different records with one trace is delivered: the `first`, or each, so that the backend has the
    /// `latest` too.
    same_session: Choice<SameTrace>,
}

/// Vector's least for a buffer on disk.
const SIZE_MIN: u64 = 256 * 1024 * 1024;
/// More is a mistake: a pebibyte.
const SIZE_MAX: u64 = 1 << 50;
const DEAD_LETTERS_SIZE_MIN: u64 = 1024 * 1024;
/// The part of the queue that dead letters may take, if nobody says more.
const DEAD_LETTERS_PART: u64 = 8;
const SYNC_INTERVAL_DEFAULT: Duration = Duration::from_millis(500);

impl Word for DurabilityName {
    fn words() -> Vec<(&'static str, Self)> {
        vec![
            ("fsync", DurabilityName::Fsync),
            ("interval", DurabilityName::Interval),
            ("memory", DurabilityName::Memory),
        ]
    }
}

impl Word for SameTrace {
    fn words() -> Vec<(&'static str, Self)> {
        vec![("first", SameTrace::First), ("latest", SameTrace::Latest)]
    }
}

impl Default for Queue {
    fn default() -> Self {
        let default = Settings::default();
        Queue {
            durability: Choice::default(),
            sync_interval_ms: None,
            max_size: Whole(default.bytes_max),
            min_free_space: Whole(default.free_bytes_min),
            keep: Period(default.keep),
            dead_letters: DeadLetters::default(),
            dedupe: Dedupe::default(),
            encryption_key_file: None,
        }
    }
}

impl Default for DeadLetters {
    fn default() -> Self {
        DeadLetters { max_size: None, keep: Period(DeadLetterSettings::default().keep) }
    }
}

impl Default for Dedupe {
    fn default() -> Self {
        let default = DuplicateSettings::default();
        Dedupe { window: Period(default.window), same_session: Choice(default.same_trace) }
    }
}

impl Options for Queue {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Queue {
            durability: table.take("durability", default.durability),
            sync_interval_ms: table.take("sync_interval_ms", None),
            max_size: table.take("max_size", default.max_size),
            min_free_space: table.take("min_free_space", default.min_free_space),
            keep: table.take("keep", default.keep),
            dead_letters: table.take("dead_letters", default.dead_letters),
            dedupe: table.take("dedupe", default.dedupe),
            encryption_key_file: table.take("encryption_key_file", None),
        }
    }
}

impl Options for DeadLetters {
    fn read(table: &mut Table<'_, '_>) -> Self {
        DeadLetters { max_size: table.take("max_size", None), keep: table.take("keep", Self::default().keep) }
    }
}

impl Options for Dedupe {
    fn read(table: &mut Table<'_, '_>) -> Self {
        let default = Self::default();
        Dedupe {
            window: table.take("window", default.window),
            same_session: table.take("same_session", default.same_session),
        }
    }
}

impl Queue {
    /// The settings, with the durability of the command line over the file's. What is stored needs a folder.
    pub(super) fn plan(self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Settings {
        let settings = Settings {
            durability: self.durability(at, planning),
            bytes_max: self.max_size.0,
            free_bytes_min: self.min_free_space.0,
            keep: self.keep.0,
            dead_letters: DeadLetterSettings {
                bytes_max: self.dead_letters_bytes_max(at, planning),
                keep: self.dead_letters.keep.0,
            },
            duplicates: DuplicateSettings { window: self.dedupe.window.0, same_trace: self.dedupe.same_session.0 },
            key: self.encryption_key_file.and_then(|file| read_key(&file, at.key("encryption_key_file"), planning)),
        };
        if settings.durability != Durability::Memory && planning.report.is_good(at.key("durability")) {
            planning.check_data_dir(
                at,
                "there is no folder to keep records in; set `data_dir` or the variable CALLSPAN_DATA_DIR, or \
                 `queue.durability: memory`",
            );
        }
        settings
    }

    fn durability(&self, at: At<'_>, planning: &mut Planning<'_, '_>) -> Durability {
        let Choice(in_file) = self.durability;
        // What the command line says does not make the file wrong.
        let is_good = planning.report.is_good(at.key("durability"));
        if self.sync_interval_ms.is_some() && in_file != DurabilityName::Interval && is_good {
            planning.report.add(at.key("sync_interval_ms"), "it is only for `durability: interval`; leave it out");
        }
        match planning.overrides.durability.unwrap_or(in_file) {
            DurabilityName::Fsync => Durability::Fsync,
            DurabilityName::Interval => {
                Durability::Interval(self.sync_interval_ms.map_or(SYNC_INTERVAL_DEFAULT, Whole::milliseconds))
            }
            DurabilityName::Memory => Durability::Memory,
        }
    }

    fn dead_letters_bytes_max(&self, at: At<'_>, planning: &mut Planning<'_, '_>) -> u64 {
        let Whole(size) = self.max_size;
        let Some(Whole(of_dead_letters)) = self.dead_letters.max_size else {
            return DeadLetterSettings::default().bytes_max.min(size / DEAD_LETTERS_PART);
        };
        let dead_letters = at.key("dead_letters");
        let (at, of_all) = (dead_letters.key("max_size"), at.key("max_size"));
        let report = &mut *planning.report;
        if of_dead_letters >= size && report.is_good(at) && report.is_good(of_all) {
            let shown = report.shown(of_all, &size.to_string());
            report.add(at, format!("expected less than queue.max_size, which is {shown}"));
        }
        of_dead_letters
    }
}

/// None where it cannot be had, which is then reported, or where it is not to be looked for.
fn read_key(file: &Path, at: At<'_>, planning: &mut Planning<'_, '_>) -> Option<Key> {
    let bytes = secret_file::read_bytes(file, at, planning.report)?;
    // A key of bytes may end in what is a line end elsewhere.
    let key = Key::parse(&bytes).or_else(|_| Key::parse(bytes.trim_ascii_end()));
    key.map_err(|error| planning.report.add(at, error.to_string())).ok()
}
