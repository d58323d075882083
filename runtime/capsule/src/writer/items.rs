//! Entries about workspaces and work items.

use windlass_domain::digest::Json;
use windlass_domain::event::{EventData, Stream};
use windlass_domain::id::{ItemId, RunId, WorkspaceId};
use windlass_domain::item::{self, ItemCommand, ItemRefusal, StateName, WorkItem};
use windlass_domain::maieutic::MaieuticContext;
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::CancelRequest;
use windlass_domain::run::request::{Door, RunKind};
use windlass_domain::workspace::{Workspace, WorkspaceEvent};

use super::Written;
use super::draft::Draft;
use crate::error::WriteError;
use crate::record::MAX_RECORD_BYTES;

impl Draft<'_> {
    pub(super) fn register(&mut self, workspace: Workspace) -> Result<Written, WriteError> {
        if let Some(workspace) = self.view().workspace_by_common_dir(&workspace.common_dir)? {
            return Ok(Written::Workspace { workspace, new: false, events: Vec::new() });
        }
        let workspace_id = workspace.workspace_id;
        if let Some(taken) = self.view().workspace(workspace_id)? {
            return Err(WriteError::WorkspaceExists { workspace_id, common_dir: taken.common_dir });
        }
        let event = WorkspaceEvent::Registered(workspace.clone());
        self.push(Stream::Workspace { workspace_id }, None, EventData::Workspace(event));
        Ok(Written::Workspace { workspace, new: true, events: Vec::new() })
    }

    pub(super) fn create_item(&mut self, item: WorkItem) -> Result<Written, WriteError> {
        let workspace_id = item.workspace_id;
        if self.view().workspace(workspace_id)?.is_none() {
            return Err(WriteError::UnknownWorkspace { workspace_id });
        }
        if self.item(workspace_id, &item.id)?.is_some() {
            return Err(WriteError::ItemExists { id: item.id });
        }
        if let Some(parent_id) = &item.parent_id {
            let (parent, child) = (self.known_item(workspace_id, parent_id)?.item_type(), item.item_type());
            if parent >= child {
                return Err(WriteError::BadParent { parent_id: parent_id.clone(), parent, child });
            }
        }
        if let Some(digest) = item.context {
            self.view().context(digest)?;
        }
        let item = self.item_event(None, item::create(item)?)?;
        Ok(Written::Item { item: Box::new(item), events: Vec::new() })
    }

    pub(super) fn command_item(
        &mut self,
        workspace_id: WorkspaceId,
        id: &ItemId,
        command: ItemCommand,
    ) -> Result<Written, WriteError> {
        let item = self.known_item(workspace_id, id)?;
        let deprecated_by = match &command {
            ItemCommand::Move { to: StateName::Deprecated, by } => Some(by.clone()),
            ItemCommand::AnswerContext { digest, .. } => {
                self.view().context(*digest)?;
                None
            }
            ItemCommand::NoteProjection { run_id, .. } | ItemCommand::IntendProjection { run_id, .. } => {
                self.check_run_of(&item, *run_id)?;
                None
            }
            ItemCommand::ReturnFromHold { run_id, .. } => {
                self.check_run_of(&item, *run_id)?;
                if self.known_run(*run_id)?.row.run.status().is_active() {
                    return Err(ItemRefusal::HoldActive { id: id.clone(), run_id: *run_id }.into());
                }
                None
            }
            ItemCommand::Move { .. } | ItemCommand::Edit { .. } => None,
        };
        self.change_item(item, command)?;
        if let Some(by) = deprecated_by {
            self.cancel_runs_of(workspace_id, id, &by)?;
        }
        self.written_item(workspace_id, id)
    }

    /// Keeps the context's canonical JSON under its digest, and says so in the item's stream.
    pub(super) fn answer_context(
        &mut self,
        workspace_id: WorkspaceId,
        id: &ItemId,
        context: &MaieuticContext,
        by: String,
    ) -> Result<(), WriteError> {
        let item = self.known_item(workspace_id, id)?;
        let text = Json::of(context).expect("a context holds only what JSON can express");
        if text.as_str().len() > MAX_RECORD_BYTES {
            return Err(WriteError::TooLarge { bytes: text.as_str().len() });
        }
        let digest = text.digest();
        self.plan.blobs.push((digest, text.as_str().as_bytes().to_vec()));
        self.change_item(item, ItemCommand::AnswerContext { digest, by })
    }

    pub(super) fn written_item(&self, workspace_id: WorkspaceId, id: &ItemId) -> Result<Written, WriteError> {
        let item = Box::new(self.known_item(workspace_id, id)?);
        Ok(Written::Item { item, events: Vec::new() })
    }

    fn check_run_of(&mut self, item: &WorkItem, run_id: RunId) -> Result<(), WriteError> {
        let request = &self.known_run(run_id)?.row.run.request;
        if request.workspace_id == item.workspace_id && request.work_item_id == item.id {
            Ok(())
        } else {
            Err(WriteError::UnknownRun { run_id })
        }
    }

    fn cancel_runs_of(&mut self, workspace_id: WorkspaceId, id: &ItemId, by: &str) -> Result<(), WriteError> {
        for kind in [RunKind::Research, RunKind::Review] {
            if let Some(run_id) = self.active(workspace_id, id, kind)? {
                let cancel = CancelRequest {
                    by: by.to_owned(),
                    door: Door::Runtime,
                    reason: Some(format!("work item {id} was deprecated")),
                };
                self.obey(run_id, RunCommand::RequestCancel(cancel))?;
            }
        }
        Ok(())
    }
}
