//! A run: what it is, what may be asked of it ([`command`]), what happened to it ([`event`]) and the two pure
//! functions between them, [`decide`] and [`apply`].
//!
//! **Invariant:** no path leads out of [`RunState::Ended`], and an epoch never falls.

mod apply;
pub mod approval;
pub mod command;
mod decide;
pub mod event;
mod inherit;
pub mod request;
pub mod step;

use std::collections::BTreeMap;

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apply::{CorruptHistory, apply};
pub use decide::{Refusal, decide};
pub use inherit::{NotContinuable, continuable, inheritance};

use crate::artifact::ArtifactPath;
use crate::digest::Digest;
use crate::id::{Epoch, RunId};
use crate::time::Timestamp;
use approval::Question;
use event::{Admission, CancelRequest};
use request::RunRequest;
use step::{OpenStep, StepKey, StepName};

/// One execution of a kind for a work item, as the events so far make it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Run {
    /// Its id.
    pub run_id: RunId,
    /// What was asked for.
    pub request: RunRequest,
    /// What was fixed when it was admitted.
    pub admission: Admission,
    /// When it was admitted.
    pub submitted_at: Timestamp,
    /// The newest attempt's number; 0 before the first.
    pub epoch: Epoch,
    /// Where it stands.
    pub state: RunState,
}

/// Where a run stands. Each state carries exactly its facts.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RunState {
    /// Admitted, waiting for its turn.
    Queued {
        /// Set when it was cancelled before its turn came; it then runs only to write its log.
        cancel: Option<CancelRequest>,
        /// How many steps of each name it begins with, from the run that it continues.
        inherited: BTreeMap<StepName, u32>,
    },
    /// An attempt is, or should be, going on.
    Running(Progress),
    /// Over, for good.
    Ended(Ended),
}

/// How far a running run has come.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Progress {
    /// When its first attempt started.
    pub started_at: Timestamp,
    /// The phase it is in.
    pub phase: Phase,
    /// Intents without a result, at most one for each branch.
    pub open: BTreeMap<StepKey, OpenStep>,
    /// The artifacts stored so far.
    pub artifacts: BTreeMap<ArtifactPath, Digest>,
    /// How many steps and notes of each name are recorded.
    pub recorded: BTreeMap<StepName, u32>,
    /// The question it waits on, if it waits. A run that is being cancelled waits for nobody.
    pub waiting: Option<Box<Question>>,
    /// The request to cancel it, once one is committed.
    pub cancel: Option<CancelRequest>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct Ended {
    /// With what outcome.
    pub outcome: Outcome,
    /// One sentence for people.
    pub summary: String,
    /// When.
    pub at: Timestamp,
}

/// The phases of a run, in their order.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Inputs are fixed, worktrees made.
    Prepare,
    /// The work itself.
    Execute,
    /// Results are gathered; the patch is carried onto the current target.
    Finalize,
    /// Artifacts and the log are stored.
    Publish,
}

/// What a running run is at, as callers see it: its phase, unless it waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShownPhase {
    /// Inputs are fixed, worktrees made.
    Prepare,
    /// The work itself.
    Execute,
    /// Results are gathered; the patch is carried onto the current target.
    Finalize,
    /// Artifacts and the log are stored.
    Publish,
    /// A question to a person is open.
    WaitingApproval,
}

impl From<Phase> for ShownPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Prepare => Self::Prepare,
            Phase::Execute => Self::Execute,
            Phase::Finalize => Self::Finalize,
            Phase::Publish => Self::Publish,
        }
    }
}

impl Phase {
    /// Whether new steps may still begin in this phase after a cancel was committed.
    #[must_use]
    pub const fn finalizes(self) -> bool {
        matches!(self, Self::Finalize | Self::Publish)
    }
}

/// The outcome of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it was for. Findings never change that.
    Succeeded,
    /// It could not.
    Failed {
        /// What failed.
        reason: String,
    },
    /// A rule stopped it.
    Blocked {
        /// Which.
        reason: BlockedReason,
    },
    /// A person must decide.
    NeedsAttention {
        /// What about.
        reason: AttentionReason,
    },
    /// A person, or a deprecation, stopped it.
    Cancelled,
}

/// Which rule stopped a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum BlockedReason {
    /// A grounding provider that policy requires is not there.
    ProviderUnavailable,
    /// The agent cannot be started.
    AgentUnavailable,
    /// A person, or a headless request, said no.
    ApprovalDenied,
    /// Nobody answered in time.
    ApprovalExpired,
    /// Time, tokens, money or turns ran out.
    BudgetExhausted,
    /// Policy denies something the run cannot do without.
    PolicyDenied,
    /// The result held something that must not be stored.
    CaptureBlocked,
}

/// What a person must decide.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum AttentionReason {
    /// The patch does not fit onto the current target.
    RebaseConflict,
    /// A crash left a step in doubt that must not be repeated unasked.
    StepInDoubt {
        /// The step.
        step: StepKey,
    },
    /// The replay asked for another step than the journal holds.
    JournalMismatch {
        /// The step that was asked for.
        step: StepKey,
    },
    /// The journal was written by an engine version that this binary does not have.
    EngineVersion {
        /// The version it needs.
        needed: u32,
    },
}

/// A run's standing in one word, as callers see it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// Waiting for its turn.
    Queued,
    /// Going on.
    Running,
    /// Ended well.
    Succeeded,
    /// Ended without doing it.
    Failed,
    /// Ended by a rule.
    Blocked,
    /// Ended in doubt.
    NeedsAttention,
    /// Ended on request.
    Cancelled,
}

impl RunStatus {
    /// Whether a run of this status has not ended.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }

    /// The word, as JSON writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::NeedsAttention => "needs_attention",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Outcome {
    /// The outcome in one word.
    #[must_use]
    pub const fn status(&self) -> RunStatus {
        match self {
            Self::Succeeded => RunStatus::Succeeded,
            Self::Failed { .. } => RunStatus::Failed,
            Self::Blocked { .. } => RunStatus::Blocked,
            Self::NeedsAttention { .. } => RunStatus::NeedsAttention,
            Self::Cancelled => RunStatus::Cancelled,
        }
    }
}

impl Run {
    /// Its standing in one word.
    #[must_use]
    pub const fn status(&self) -> RunStatus {
        match &self.state {
            RunState::Queued { .. } => RunStatus::Queued,
            RunState::Running(_) => RunStatus::Running,
            RunState::Ended(ended) => ended.outcome.status(),
        }
    }

    /// The question that it waits on.
    #[must_use]
    pub fn waiting(&self) -> Option<&Question> {
        match &self.state {
            RunState::Running(progress) => progress.waiting.as_deref(),
            RunState::Queued { .. } | RunState::Ended(_) => None,
        }
    }

    /// What it is at, while it is running.
    #[must_use]
    pub fn shown_phase(&self) -> Option<ShownPhase> {
        match &self.state {
            RunState::Running(Progress { waiting: Some(_), .. }) => Some(ShownPhase::WaitingApproval),
            RunState::Running(progress) => Some(progress.phase.into()),
            RunState::Queued { .. } | RunState::Ended(_) => None,
        }
    }

    /// The committed request to cancel it, if there is one and it has not ended.
    #[must_use]
    pub const fn cancel(&self) -> Option<&CancelRequest> {
        match &self.state {
            RunState::Queued { cancel, .. } => cancel.as_ref(),
            RunState::Running(progress) => progress.cancel.as_ref(),
            RunState::Ended(_) => None,
        }
    }
}
