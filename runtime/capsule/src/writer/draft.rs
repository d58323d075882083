//! A draft of one entry: what it would do, worked out in memory against what the transaction sees. Nothing is written
//! here, so that a refusal at any point leaves nothing behind.

use std::collections::BTreeMap;

use windlass_domain::digest::Digest;
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::{ApprovalId, Cursor, Epoch, ItemId, RunId, WorkspaceId};
use windlass_domain::item::{self, ItemCommand, ItemEvent, WorkItem};
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::request::RunKind;
use windlass_domain::run::{self, RunStatus};

use super::batch::Batch;
use super::{Op, Written};
use crate::error::WriteError;
use crate::reader::View;
use crate::rows::RunRow;

/// What an entry will write.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) events: Vec<DraftedEvent>,
    pub(super) runs: BTreeMap<RunId, DraftedRun>,
    /// Items that were changed.
    pub(super) items: BTreeMap<(WorkspaceId, ItemId), WorkItem>,
    pub(super) blobs: Vec<(Digest, Vec<u8>)>,
}

/// An event without its place in the record.
pub(super) struct DraftedEvent {
    pub(super) stream: Stream,
    pub(super) attempt: Option<Epoch>,
    pub(super) data: EventData,
}

/// A run that the entry looked at or changed.
pub(super) struct DraftedRun {
    pub(super) row: RunRow,
    /// Its status before the entry; none for a new run.
    pub(super) status_before: Option<RunStatus>,
    /// The question that it waited on before the entry.
    pub(super) waiting_before: Option<ApprovalId>,
    pub(super) changed: bool,
}

pub(super) struct Draft<'b> {
    pub(super) batch: &'b Batch<'b>,
    pub(super) plan: Plan,
}

impl<'b> Draft<'b> {
    /// Drafts an entry.
    pub(super) fn of(batch: &'b Batch<'b>, op: Op) -> Result<(Written, Plan), WriteError> {
        let mut draft = Self { batch, plan: Plan::default() };
        let written = match op {
            Op::RegisterWorkspace(workspace) => draft.register(workspace)?,
            Op::CreateItem(item) => draft.create_item(*item)?,
            Op::Item { workspace_id, work_item_id, command } => {
                draft.command_item(workspace_id, &work_item_id, command)?
            }
            Op::AnswerContext { workspace_id, work_item_id, context, by } => {
                draft.answer_context(workspace_id, &work_item_id, &context, by)?;
                draft.written_item(workspace_id, &work_item_id)?
            }
            Op::Submit(submission) => draft.submit(*submission)?,
            Op::Run { run_id, commands, blobs } => draft.command_run(run_id, commands, blobs)?,
            Op::EndRun { run_id, commands, blobs, projection } => {
                draft.end_run(run_id, commands, blobs, projection)?
            }
        };
        Ok((written, draft.plan))
    }

    pub(super) fn view(&self) -> View<'_> {
        self.batch.view()
    }

    /// The place that the next drafted event will have.
    pub(super) fn next_cursor(&self) -> Cursor {
        Cursor(self.batch.head.cursor.0 + self.plan.events.len() as u64 + 1)
    }

    pub(super) fn push(&mut self, stream: Stream, attempt: Option<Epoch>, data: EventData) {
        self.plan.events.push(DraftedEvent { stream, attempt, data });
    }

    /// The item as it stands after what was drafted so far.
    pub(super) fn item(
        &self,
        workspace_id: WorkspaceId,
        id: &ItemId,
    ) -> Result<Option<WorkItem>, WriteError> {
        match self.plan.items.get(&(workspace_id, id.clone())) {
            Some(item) => Ok(Some(item.clone())),
            None => Ok(self.view().item(workspace_id, id)?),
        }
    }

    pub(super) fn known_item(&self, workspace_id: WorkspaceId, id: &ItemId) -> Result<WorkItem, WriteError> {
        self.item(workspace_id, id)?.ok_or_else(|| WriteError::UnknownItem { workspace_id, id: id.clone() })
    }

    /// The active run of a kind, as the transaction sees it.
    pub(super) fn active(
        &self,
        workspace_id: WorkspaceId,
        id: &ItemId,
        kind: RunKind,
    ) -> Result<Option<RunId>, WriteError> {
        Ok(self.view().active(workspace_id, id, kind)?)
    }

    /// Drafts what a command does to an item.
    pub(super) fn change_item(&mut self, before: WorkItem, command: ItemCommand) -> Result<(), WriteError> {
        let active = match before.plan_state().and_then(item::PlanState::awaits) {
            Some(kind) => self.active(before.workspace_id, &before.id, kind)?,
            None => None,
        };
        let events = item::decide(&before, active, command)?;
        events.into_iter().try_fold(before, |item, event| self.item_event(Some(item), event)).map(|_| ())
    }

    /// Drafts an event of an item and gives the item after it.
    pub(super) fn item_event(
        &mut self,
        before: Option<WorkItem>,
        event: ItemEvent,
    ) -> Result<WorkItem, WriteError> {
        let after = item::apply(before, &event, self.batch.at)?;
        let (workspace_id, work_item_id) = (after.workspace_id, after.id.clone());
        self.plan.items.insert((workspace_id, work_item_id.clone()), after.clone());
        self.push(Stream::Item { workspace_id, work_item_id }, None, EventData::Item(event));
        Ok(after)
    }

    /// The run after what was drafted so far.
    pub(super) fn known_run(&mut self, run_id: RunId) -> Result<&DraftedRun, WriteError> {
        if !self.plan.runs.contains_key(&run_id) {
            let row = match self.batch.runs.get(run_id) {
                Some(row) => row.clone(),
                None => self.view().run(run_id)?.ok_or(WriteError::UnknownRun { run_id })?,
            };
            let waiting_before = row.run.waiting().map(|question| question.approval_id);
            let status_before = Some(row.run.status());
            let drafted = DraftedRun { status_before, waiting_before, row, changed: false };
            self.plan.runs.insert(run_id, drafted);
        }
        Ok(&self.plan.runs[&run_id])
    }

    /// Drafts an event of a run.
    pub(super) fn run_event(
        &mut self,
        run_id: RunId,
        attempt: Option<Epoch>,
        event: RunEvent,
    ) -> Result<(), WriteError> {
        let cursor = self.next_cursor();
        let drafted = match self.plan.runs.remove(&run_id) {
            Some(DraftedRun { row, status_before, waiting_before, .. }) => {
                let run = run::apply(Some(row.run), run_id, &event, self.batch.at)?;
                DraftedRun { row: RunRow { run, ..row }, status_before, waiting_before, changed: true }
            }
            None => {
                let run = run::apply(None, run_id, &event, self.batch.at)?;
                let row = RunRow { submitted: cursor, run };
                DraftedRun { row, status_before: None, waiting_before: None, changed: true }
            }
        };
        self.plan.runs.insert(run_id, drafted);
        self.push(Stream::Run { run_id }, attempt, EventData::Run(event));
        Ok(())
    }
}
