//! What callers ask of lists, and what they get.

use windlass_domain::id::{Cursor, Epoch, ItemId, RunId, WorkspaceId};
use windlass_domain::item::{ItemType, StateName, WorkItem};
use windlass_domain::run::approval::Question;
use windlass_domain::run::request::RunKind;
use windlass_domain::run::{Run, RunState, RunStatus, ShownPhase};
use windlass_domain::time::Timestamp;

/// Most entries of one page: a page is read in one short transaction.
pub const MAX_PAGE: usize = 500;

/// Among which runs to look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RunScope {
    /// All of the capsule.
    #[default]
    All,
    /// Those of one workspace.
    Workspace(WorkspaceId),
    /// Those of one work item.
    Item(WorkspaceId, ItemId),
}

/// Which runs a caller wants. Every filter is answered from an index.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// Among which.
    pub scope: RunScope,
    /// Of this kind only.
    pub kind: Option<RunKind>,
    /// Of these statuses only; empty means any.
    pub statuses: Vec<RunStatus>,
    /// Those only that have not ended.
    pub active_only: bool,
}

/// Where the next page begins. Stays valid while runs come and go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey(pub(crate) Cursor);

impl PageKey {
    /// The key as a number, for callers that hand it out and get it back.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0.0
    }

    /// The key that [`PageKey::to_u64`] gave.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(Cursor(number))
    }
}

/// Which part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The `next` of the page before; none for the first.
    pub after: Option<PageKey>,
    /// At most this many, and never more than [`MAX_PAGE`].
    pub limit: usize,
}

/// A part of the list of runs, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunPage {
    /// The runs.
    pub runs: Vec<RunSummary>,
    /// What is wrong with the runs of the page that cannot be read.
    pub unreadable: Vec<String>,
    /// Where it goes on, when there are more.
    pub next: Option<PageKey>,
}

/// A run in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// Its id.
    pub run_id: RunId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its work item.
    pub work_item_id: ItemId,
    /// What it does.
    pub kind: RunKind,
    /// Where it stands.
    pub status: RunStatus,
    /// What it is at, while it is running.
    pub phase: Option<ShownPhase>,
    /// The newest attempt; 0 before the first.
    pub epoch: Epoch,
    /// The cursor of its first event: what lists are ordered by.
    pub submitted: Cursor,
    /// When it was admitted.
    pub submitted_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// How it ended, in one sentence.
    pub summary: Option<String>,
}

impl RunSummary {
    pub(crate) fn of(run: &Run, submitted: Cursor) -> Self {
        let ended = match &run.state {
            RunState::Queued { .. } | RunState::Running(_) => None,
            RunState::Ended(ended) => Some(ended),
        };
        Self {
            run_id: run.run_id,
            workspace_id: run.request.workspace_id,
            work_item_id: run.request.work_item_id.clone(),
            kind: run.request.kind,
            status: run.status(),
            phase: run.shown_phase(),
            epoch: run.epoch,
            submitted,
            submitted_at: run.submitted_at,
            ended_at: ended.map(|ended| ended.at),
            summary: ended.map(|ended| ended.summary.clone()),
        }
    }
}

/// A question that a run waits on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenApproval {
    /// The run.
    pub run_id: RunId,
    /// Its workspace.
    pub workspace_id: WorkspaceId,
    /// Its work item.
    pub work_item_id: ItemId,
    /// What it does.
    pub kind: RunKind,
    /// The question.
    pub question: Question,
}

impl OpenApproval {
    /// What this run waits on.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        Some(Self {
            run_id: run.run_id,
            workspace_id: run.request.workspace_id,
            work_item_id: run.request.work_item_id.clone(),
            kind: run.request.kind,
            question: run.waiting()?.clone(),
        })
    }
}

/// A part of the list of work items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPage {
    /// The items.
    pub items: Vec<WorkItem>,
    /// What is wrong with the items of the page that cannot be read.
    pub unreadable: Vec<String>,
    /// The last item that was looked at, when there may be more.
    pub next: Option<(WorkspaceId, ItemId)>,
}

/// Which work items a caller wants. They come in the order of their ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ItemFilter {
    /// Of this workspace only.
    pub workspace_id: Option<WorkspaceId>,
    /// Of this type only.
    pub item_type: Option<ItemType>,
    /// In this state only.
    pub state: Option<StateName>,
    /// Belonging to this item only.
    pub parent_id: Option<ItemId>,
    /// After this item, which the page before ended with.
    pub after: Option<(WorkspaceId, ItemId)>,
    /// At most this many, and never more than [`MAX_PAGE`].
    pub limit: usize,
}
