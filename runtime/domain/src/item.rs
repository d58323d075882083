//! A work item: its lifecycle as two pure functions, [`decide`] and [`apply`].
//!
//! **Invariant:** the only move that no person makes is the return from a hold when its run ends.

mod apply;
mod decide;
mod intake;

use bincode::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use apply::{CorruptItem, apply};
pub use decide::{ItemCommand, ItemRefusal, MAX_TITLE_BYTES, allowed_moves, create, decide};
pub use intake::{DeepIntake, IntakeForm};

use crate::digest::Digest;
use crate::id::{ItemId, RunId, WorkspaceId};
use crate::projection::{ProjectedFile, UnwrittenFile};
use crate::run::request::RunKind;
use crate::time::Timestamp;

/// What work is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
pub struct WorkItem {
    /// Its workspace. Never changes.
    pub workspace_id: WorkspaceId,
    /// Its id. Never changes.
    pub id: ItemId,
    /// What kind of item it is, with what only that kind has. The kind never changes.
    #[serde(flatten)]
    pub body: ItemBody,
    /// One line for people.
    pub title: String,
    /// As long as needed.
    pub description: String,
    /// The item it belongs to. Never changes.
    pub parent_id: Option<ItemId>,
    /// When it was created. Never changes.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Rises by one with each change; a submission names the version that it was judged by.
    pub version: u64,
    /// The digest of its maieutic context, once there is one.
    pub context: Option<Digest>,
}

/// What only one kind of item has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ItemBody {
    /// A container without a state.
    Project,
    /// Something to build.
    Feature {
        /// Where it stands.
        #[serde(flatten)]
        state: PlanState,
        /// How one will know that it is done.
        acceptance_criteria: Vec<String>,
        /// How urgent it is.
        priority: Priority,
        /// The form that promotion to `planned` looks at.
        intake: IntakeForm,
    },
    /// A specification.
    Spec {
        /// Where it stands.
        #[serde(flatten)]
        state: PlanState,
        /// Where its requirements stand.
        prd_uri: Option<String>,
        /// The form that promotion to `planned` looks at.
        intake: IntakeForm,
    },
    /// A piece of work.
    Task {
        /// Where it stands.
        state: TaskState,
        /// Who does it.
        assignee: Option<String>,
        /// What came of it.
        result: Option<String>,
    },
}

/// Where a feature or a spec stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PlanState {
    /// Noted.
    Backlog,
    /// Ready to be worked on.
    Planned,
    /// Being worked on.
    InProgress,
    /// Waits for research.
    NeedsResearch {
        /// Where it goes back to.
        return_state: ReturnState,
    },
    /// Waits for a review.
    NeedsReview {
        /// Where it goes back to.
        return_state: ReturnState,
    },
    /// Done.
    Completed,
    /// Given up.
    Deprecated,
    /// Out of sight.
    Archived,
}

/// The states that a hold can return to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum ReturnState {
    /// Noted.
    Backlog,
    /// Ready to be worked on.
    Planned,
    /// Being worked on.
    InProgress,
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// To be done.
    Open,
    /// Done.
    Completed,
    /// Tried in vain.
    Failed,
}

/// A state in one word, as callers name it in a move.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
    Encode,
    Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// Noted.
    Backlog,
    /// Ready to be worked on.
    Planned,
    /// Being worked on.
    InProgress,
    /// Waits for research.
    NeedsResearch,
    /// Waits for a review.
    NeedsReview,
    /// Done.
    Completed,
    /// Given up.
    Deprecated,
    /// Out of sight.
    Archived,
    /// A task to be done.
    Open,
    /// A task tried in vain.
    Failed,
}

impl StateName {
    /// The word, as JSON writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backlog => "backlog",
            Self::Planned => "planned",
            Self::InProgress => "in_progress",
            Self::NeedsResearch => "needs_research",
            Self::NeedsReview => "needs_review",
            Self::Completed => "completed",
            Self::Deprecated => "deprecated",
            Self::Archived => "archived",
            Self::Open => "open",
            Self::Failed => "failed",
        }
    }
}

/// How urgent a feature is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Now.
    P0,
    /// Next.
    P1,
    /// Normal.
    P2,
    /// Some day.
    P3,
}

/// The four types.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, Encode, Decode,
)]
#[serde(rename_all = "snake_case")]
pub enum ItemType {
    /// A container.
    Project,
    /// Something to build.
    Feature,
    /// A specification.
    Spec,
    /// A piece of work.
    Task,
}

impl ItemType {
    /// The word, as JSON writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Project => "project",
            Self::Feature => "feature",
            Self::Spec => "spec",
            Self::Task => "task",
        }
    }
}

impl WorkItem {
    /// Its type.
    #[must_use]
    pub const fn item_type(&self) -> ItemType {
        match self.body {
            ItemBody::Project => ItemType::Project,
            ItemBody::Feature { .. } => ItemType::Feature,
            ItemBody::Spec { .. } => ItemType::Spec,
            ItemBody::Task { .. } => ItemType::Task,
        }
    }

    /// Its state in one word; a project has none.
    #[must_use]
    pub const fn state_name(&self) -> Option<StateName> {
        match &self.body {
            ItemBody::Project => None,
            ItemBody::Feature { state, .. } | ItemBody::Spec { state, .. } => Some(state.name()),
            ItemBody::Task { state, .. } => Some(match state {
                TaskState::Open => StateName::Open,
                TaskState::Completed => StateName::Completed,
                TaskState::Failed => StateName::Failed,
            }),
        }
    }

    /// The lifecycle state of a feature or a spec.
    #[must_use]
    pub const fn plan_state(&self) -> Option<PlanState> {
        match &self.body {
            ItemBody::Feature { state, .. } | ItemBody::Spec { state, .. } => Some(*state),
            ItemBody::Project | ItemBody::Task { .. } => None,
        }
    }

    /// The score of the intake form, for a feature or a spec.
    #[must_use]
    pub fn quality_score(&self) -> Option<u32> {
        match &self.body {
            ItemBody::Feature { intake, .. } | ItemBody::Spec { intake, .. } => Some(intake.quality_score()),
            ItemBody::Project | ItemBody::Task { .. } => None,
        }
    }
}

impl PlanState {
    /// The state in one word.
    #[must_use]
    pub const fn name(self) -> StateName {
        match self {
            Self::Backlog => StateName::Backlog,
            Self::Planned => StateName::Planned,
            Self::InProgress => StateName::InProgress,
            Self::NeedsResearch { .. } => StateName::NeedsResearch,
            Self::NeedsReview { .. } => StateName::NeedsReview,
            Self::Completed => StateName::Completed,
            Self::Deprecated => StateName::Deprecated,
            Self::Archived => StateName::Archived,
        }
    }

    /// Where a hold goes back to, when this is one.
    #[must_use]
    pub const fn return_state(self) -> Option<ReturnState> {
        match self {
            Self::NeedsResearch { return_state } | Self::NeedsReview { return_state } => Some(return_state),
            _ => None,
        }
    }

    /// The kind of run that this state waits for, when it is a hold.
    #[must_use]
    pub const fn awaits(self) -> Option<RunKind> {
        match self {
            Self::NeedsResearch { .. } => Some(RunKind::Research),
            Self::NeedsReview { .. } => Some(RunKind::Review),
            _ => None,
        }
    }
}

impl From<ReturnState> for PlanState {
    fn from(state: ReturnState) -> Self {
        match state {
            ReturnState::Backlog => Self::Backlog,
            ReturnState::Planned => Self::Planned,
            ReturnState::InProgress => Self::InProgress,
        }
    }
}

/// What happened to a work item. Appended to, never changed: the order of the variants is part of the stored format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(tag = "type", content = "data")]
pub enum ItemEvent {
    /// It was created.
    #[serde(rename = "item.created")]
    Created {
        /// As it was then.
        item: Box<WorkItem>,
    },
    /// Some of its fields changed.
    #[serde(rename = "item.edited")]
    Edited {
        /// What changed; absent fields stay as they were.
        changes: Box<ItemChanges>,
        /// Who did it.
        by: String,
    },
    /// It was moved to another state.
    #[serde(rename = "item.moved")]
    Moved {
        /// From where.
        from: StateName,
        /// To where.
        to: StateName,
        /// Who did it.
        by: String,
    },
    /// It went back by itself because the run of its hold ended.
    #[serde(rename = "item.returned")]
    Returned {
        /// From which hold.
        from: StateName,
        /// To where.
        to: StateName,
        /// Because of which run.
        run_id: RunId,
    },
    /// Its maieutic context was answered.
    #[serde(rename = "item.context_answered")]
    ContextAnswered {
        /// The digest of the context's canonical JSON; the blob is kept under it.
        digest: Digest,
        /// Who answered.
        by: String,
    },
    /// The projection of one of its runs was written, as far as it could be. The newest of a run says what stands.
    #[serde(rename = "projection.written")]
    ProjectionWritten {
        /// Whose.
        run_id: RunId,
        /// The rule of policy that gave leave, or denied it.
        rule: String,
        /// The files that stand.
        files: Vec<ProjectedFile>,
        /// The files that could not be written.
        unwritten: Vec<UnwrittenFile>,
    },
    /// Files of one of its runs are about to be written among the user's own. From now on a file of such a digest there is ours.
    #[serde(rename = "projection.intended")]
    ProjectionIntended {
        /// Whose.
        run_id: RunId,
        /// The files.
        files: Vec<ProjectedFile>,
    },
}

/// Fields of an item that a person changes; absent ones stay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Encode, Decode)]
#[serde(deny_unknown_fields, default)]
pub struct ItemChanges {
    /// The title.
    pub title: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// A feature's acceptance criteria.
    pub acceptance_criteria: Option<Vec<String>>,
    /// A feature's priority.
    pub priority: Option<Priority>,
    /// A spec's requirements.
    pub prd_uri: Option<String>,
    /// A task's assignee.
    pub assignee: Option<String>,
    /// A task's result.
    pub result: Option<String>,
    /// The intake form of a feature or a spec, whole.
    pub intake: Option<IntakeForm>,
}
