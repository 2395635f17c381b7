//! How a durable queue keeps its records, and how its consumers take part.

use super::key::Key;
use std::time::Duration;

/// When a record counts as stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// When it is on disk: one fsync for all that wait.
    #[default]
    Fsync,
    /// When the operating system has it, which syncs it within this time: a crash of the process loses nothing, a power
    /// cut may lose as much as came in this time.
    Interval(Duration),
    /// Nothing is stored: a record is acknowledged when every sink has its trace.
    Memory,
}

/// How a durable queue keeps its records.
#[derive(Clone, Debug)]
pub struct Settings {
    pub durability: Durability,
    /// What it may take on disk: waiting records, history, dead letters.
    pub bytes_max: u64,
    /// What it leaves free on the disk.
    pub free_bytes_min: u64,
    /// How long records are kept after every consumer is done with them; nothing: not at all.
    pub keep: Duration,
    pub dead_letters: DeadLetterSettings,
    pub duplicates: DuplicateSettings,
    /// What records are encrypted with; without one they lie in clear.
    pub key: Option<Key>,
}

/// How long refused records are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeadLetterSettings {
    /// What they may take; beyond it the oldest go.
    pub bytes_max: u64,
    pub keep: Duration,
}

/// What counts as the same record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DuplicateSettings {
    /// How long a record is remembered; nothing: not at all.
    pub window: Duration,
    pub same_trace: SameTrace,
}

/// Which of two different records with one trace is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameTrace {
    /// The first; the others are acknowledged and counted.
    #[default]
    First,
    /// Each, so that the backend has the latest too.
    Latest,
}

/// How one consumer takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerSettings {
    pub start_from: StartFrom,
    pub when_full: WhenFull,
}

/// Where a consumer begins that the queue does not know yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StartFrom {
    /// With what comes from now on.
    #[default]
    Now,
    /// With the oldest record that is still there.
    Earliest,
}

/// What happens when the queue is full and this consumer is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing more is taken in.
    #[default]
    Reject,
    /// The oldest records are given up for this consumer.
    DropOldest,
}

const MIB: u64 = 1024 * 1024;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Settings {
    fn default() -> Self {
        Settings {
            durability: Durability::default(),
            bytes_max: 8 * 1024 * MIB,
            free_bytes_min: 256 * MIB,
            keep: Duration::ZERO,
            dead_letters: DeadLetterSettings::default(),
            duplicates: DuplicateSettings::default(),
            key: None,
        }
    }
}

impl Default for DeadLetterSettings {
    fn default() -> Self {
        DeadLetterSettings { bytes_max: 1024 * MIB, keep: DAY * 30 }
    }
}

impl Default for DuplicateSettings {
    fn default() -> Self {
        DuplicateSettings { window: DAY, same_trace: SameTrace::default() }
    }
}
