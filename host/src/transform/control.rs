//! What an operator asks about the plugins in service, and what is answered: each a JSON object. Nothing of a record is in
//! any of them.

use super::Report;
use serde::{Deserialize, Serialize};
use std::future::Future;
use std::path::PathBuf;

/// Who answers requests. Clones answer alike.
pub trait Control: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(&self, request: Request) -> impl Future<Output = Result<Response, ControlError>> + Send;
}

/// What is asked. Transforms are meant by their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// What every transform maps with.
    Status,
    /// Loads the configured plugin of this transform, or of each whose plugin is a file, and puts it into service if it is
    /// another one.
    Reload { transform: Option<String> },
    /// Has the component in this file map beside the plugin in service, or nothing.
    Shadow { transform: String, file: Option<PathBuf> },
    /// Puts what maps beside the plugin in service into its place.
    Promote { transform: String },
    /// Puts the plugin before into service again.
    RollBack { transform: String },
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "response", rename_all = "snake_case")]
pub enum Response {
    Status { transforms: Vec<TransformState> },
    Reloaded { transforms: Vec<Reloaded> },
    Shadowed { transform: String, candidate: Option<PluginState> },
    Promoted(Exchanged),
    RolledBack(Exchanged),
}

/// What a transform maps with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransformState {
    pub transform: String,
    /// What the configuration names, and the next start loads.
    pub configured: String,
    /// Whether that is a file.
    pub is_file: bool,
    /// Whether that is loaded when its file changes.
    pub reloads_on_change: bool,
    pub in_service: PluginState,
    /// What can be rolled back to.
    pub before: Option<PluginState>,
    /// Why what is configured could not take its place.
    pub trouble: Option<String>,
    /// What maps beside it, for comparison.
    pub shadow: Option<ShadowState>,
}

/// A candidate, and what has come of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowState {
    pub candidate: PluginState,
    /// It failed so much that it is given nothing any more.
    pub is_given_up: bool,
    #[serde(flatten)]
    pub report: Report,
}

/// A plugin that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginState {
    /// Its name and version.
    pub plugin: String,
    /// Names the mapping that it makes: under an equal one, the same record becomes the same bytes.
    pub fingerprint: String,
    /// Where it was loaded from.
    pub source: String,
    /// Why it is held, if it is.
    pub held: Option<String>,
}

/// What came of loading the configured plugin of a transform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    pub transform: String,
    pub result: ReloadResult,
    /// Why it could not be put into service, if it could not.
    pub reason: Option<String>,
    pub in_service: PluginState,
    pub before: Option<PluginState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReloadResult {
    /// Another plugin is in service.
    Replaced,
    /// It is the one that is in service.
    Unchanged,
    /// It cannot be used; what was in service still is.
    Failed,
}

/// Another plugin is in service than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanged {
    pub transform: String,
    /// The one that was in service.
    pub replaced: PluginState,
    pub in_service: PluginState,
    /// What the configuration names, and the next start loads.
    pub configured: String,
}

/// Why a request is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    #[error("there is no transform `{name}`; there {}", there_are(known))]
    NoTransform { name: String, known: Vec<String> },
    #[error("the plugin of {0} is the one inside this program, and no file: it changes with the program")]
    Builtin(String),
    #[error("no plugin of a transform is a file: each is the one inside this program, and changes with it")]
    AllBuiltin,
    #[error(
        "there is nothing to roll {0} back to: no other plugin was in service before, or it was gone back to already"
    )]
    NothingBefore(String),
    #[error("the candidate for {transform} cannot be used: {reason}")]
    NotLoaded { transform: String, reason: String },
    #[error("the candidate makes the same mapping as the plugin in service of {0}: there is nothing to compare")]
    SameMapping(String),
    #[error("nothing maps beside the plugin of {0}; `callspan plugin shadow {0} FILE` has a candidate do so")]
    NoCandidate(String),
    #[error("the candidate for {0} failed nearly all of its last records, and is not put into service")]
    CandidateFailed(String),
    #[error("the service is stopping")]
    Stopping,
}

impl ControlError {
    /// Stable, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoTransform { .. } => "no_transform",
            Self::Builtin(_) | Self::AllBuiltin => "builtin",
            Self::NothingBefore(_) => "nothing_before",
            Self::NotLoaded { .. } => "candidate_not_loaded",
            Self::SameMapping(_) => "same_mapping",
            Self::NoCandidate(_) => "no_candidate",
            Self::CandidateFailed(_) => "candidate_failed",
            Self::Stopping => "stopping",
        }
    }

    /// Whether what was named is not there.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::NoTransform { .. })
    }
}

fn there_are(names: &[String]) -> String {
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("{verb} {}", names.join(", "))
}
