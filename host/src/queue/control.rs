//! What an operator asks of a queue on disk, and what it answers: each a JSON object.
//!
//! A request is answered on the thread that owns the store, so none takes more than a moment: what is long is done in
//! pieces, and the answer says where to go on. Every change is on disk before its answer.

mod answer;
mod letters;
mod offline;
mod session;
#[cfg(test)]
mod tests;

use super::StoreError;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::future::Future;

pub use super::store::{Erased, Letter, LetterId, Passage, Place, Refusal, Replay};
pub use offline::{Offline, OfflineError};
pub use session::Session;

pub(in crate::queue) use answer::answer;

/// Who answers requests. Clones answer alike.
pub trait Control: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request) -> impl Future<Output = Result<Response, ControlError>> + Send;
}

/// What is asked. Consumers are meant by their full names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// What there is, all in all.
    Totals,
    /// Everybody who takes records, or has something waiting.
    Consumers,
    /// Forgets a consumer, with what waits for it.
    Forget { consumer: String },
    /// Dead letters without their bodies, oldest first, from this id on.
    Letters {
        #[serde(default)]
        filter: Filter,
        #[serde(default)]
        next: LetterId,
        count_max: usize,
    },
    /// One dead letter with its body.
    Letter { id: LetterId },
    /// The bodies of dead letters, from this id on.
    Bodies {
        #[serde(default)]
        filter: Filter,
        #[serde(default)]
        next: LetterId,
    },
    /// Delivers dead letters once more, to these consumers, or to all that refused them.
    Revive { which: Which, consumers: Option<Vec<String>>, dry_run: bool },
    /// Gives dead letters up.
    Purge { which: Which, dry_run: bool },
    /// Delivers what was received since then once more.
    Replay { consumer: String, since_ms: u64, dry_run: bool, passage: Option<Passage> },
    /// Erases every record of a session.
    Erase { session: Session, dry_run: bool, place: Option<Place> },
}

/// Which dead letters are meant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// At most [`LETTERS_AT_ONCE`] of them.
    Ids(Vec<LetterId>),
    /// Those that match, from an id on and before another one; what is not said at first is what there is.
    Matching { filter: Filter, next: LetterId, end: Option<LetterId> },
}

/// What a dead letter has to be; what is left out may be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    pub class: Option<String>,
    pub code: Option<String>,
    pub source: Option<String>,
    /// Refused by one of them.
    pub consumers: Option<Vec<String>>,
    /// Last refused at this time or later, in milliseconds since 1970.
    pub since_ms: Option<u64>,
    /// Last refused before this time.
    pub before_ms: Option<u64>,
}

/// What is answered. A `next`, `passage` or `place` says that there is more, and is to be sent with the next request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    Totals(Totals),
    Consumers {
        consumers: Vec<ConsumerState>,
    },
    /// How many records waited for it; none when it is not known.
    Forgotten {
        waiting: Option<u64>,
    },
    Letters {
        letters: Vec<Letter>,
        next: Option<LetterId>,
    },
    Letter {
        letter: Option<Letter>,
        body: Option<Base64>,
    },
    Bodies {
        bodies: Vec<Body>,
        next: Option<LetterId>,
    },
    Revived(Revived),
    Purged {
        letters: u64,
        bytes: u64,
        missing: Vec<LetterId>,
        next: Option<Which>,
    },
    /// How far counting has come.
    Counting {
        passage: Passage,
    },
    Replay(Replay),
    Erased {
        erased: Erased,
        place: Option<Place>,
    },
}

/// Dead letters that are delivered once more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revived {
    pub letters: u64,
    /// How many go to each consumer.
    pub consumers: BTreeMap<String, u64>,
    /// Letters that nobody is there for, or whose body cannot be read.
    pub left: u64,
    /// Letters of which everybody has all but a part, and that nobody asked for by their ids or their code.
    #[serde(default)]
    pub delivered_in_part: u64,
    pub missing: Vec<LetterId>,
    pub next: Option<Which>,
}

/// What there is, all in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// `fsync`, `interval` or `memory`.
    pub durability: String,
    /// Records that are there, waiting or kept, and what they and the dead letters count for.
    pub records: u64,
    pub bytes: u64,
    pub bytes_max: u64,
    pub dead_letters: u64,
    pub dead_letter_bytes: u64,
    /// What it takes on disk, journals included.
    pub disk_bytes: u64,
    /// What the disk has left; none when that is not known.
    pub free_bytes: Option<u64>,
    /// When the oldest record that is still there was received, in milliseconds since 1970.
    pub history_since_ms: Option<u64>,
    /// Damaged files that were set aside.
    pub quarantined: u64,
}

/// One consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerState {
    pub name: String,
    /// Whether it takes what comes; one that is not configured any more does not.
    pub is_following: bool,
    pub sources: Vec<String>,
    pub waiting: u64,
    pub counts: Counts,
    /// Every record before this one is settled.
    pub floor: Option<u64>,
    /// The next record that it takes from what comes.
    pub next: Option<u64>,
    /// When the oldest record that waits for it was received, in milliseconds since 1970.
    pub oldest_waiting_ms: Option<u64>,
    /// Records of history that it gets once more, by stretches: the next one, and the one after the last.
    pub replays: Vec<(u64, u64)>,
    /// The mappings it has run with, and since which record, oldest first.
    pub mappings: Vec<(u64, String)>,
}

/// What became of a consumer's records so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    pub received: u64,
    pub delivered: u64,
    pub skipped: u64,
    pub duplicates: u64,
    pub superseded: u64,
    pub dead_lettered: u64,
    pub dropped: u64,
    pub damaged: u64,
    pub erased: u64,
}

/// The body of a dead letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    pub id: LetterId,
    /// None when it cannot be read.
    pub body: Option<Base64>,
}

/// Bytes that are a base64 text in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base64(pub Bytes);

/// Why a request is not answered.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the queue knows no consumer `{0}` that takes what comes")]
    NoConsumer(String),
    #[error("at most {LETTERS_AT_ONCE} ids can be named in one request; this one names {0}")]
    TooManyIds(usize),
    #[error("the service is stopping")]
    Stopping,
}

/// Dead letters that one request looks at.
pub const LETTERS_AT_ONCE: usize = 500;

impl ControlError {
    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(_) => "store_failed",
            Self::NoConsumer(_) => "no_consumer",
            Self::TooManyIds(_) => "too_many_ids",
            Self::Stopping => "stopping",
        }
    }
}

impl Filter {
    /// Whether one refusal of this letter is what is asked for, and the letter as a whole too.
    #[must_use]
    pub fn matches(&self, letter: &Letter) -> bool {
        let refused_ms = letter.refused_ms();
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        let is_refusal = |refusal: &Refusal| {
            let by = |wanted: &Vec<String>| refusal.consumer.as_ref().is_some_and(|name| wanted.contains(name));
            is(&self.class, &refusal.class) && is(&self.code, &refusal.code) && self.consumers.as_ref().is_none_or(by)
        };
        let asks_for_refusal = self.class.is_some() || self.code.is_some() || self.consumers.is_some();
        is(&self.source, &letter.source)
            && self.since_ms.is_none_or(|since| refused_ms >= since)
            && self.before_ms.is_none_or(|before| refused_ms < before)
            && (!asks_for_refusal || letter.refusals.iter().any(is_refusal))
    }
}

impl Letter {
    /// When it was refused last, in milliseconds since 1970.
    #[must_use]
    pub fn refused_ms(&self) -> u64 {
        self.refusals.iter().map(|refusal| refusal.at_ms).max().unwrap_or(self.received_ms)
    }
}

impl Serialize for Base64 {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use base64::Engine as _;
        serializer.serialize_str(&base64::engine::general_purpose::STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use base64::Engine as _;
        let text = String::deserialize(deserializer)?;
        let bytes = base64::engine::general_purpose::STANDARD.decode(text).map_err(serde::de::Error::custom)?;
        Ok(Base64(bytes.into()))
    }
}
