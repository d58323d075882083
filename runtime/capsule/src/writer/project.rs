//! What an event changes in the read models, besides the rows of its item or run.

use windlass_domain::admission::Deduped;
use windlass_domain::event::{Event, EventData, Stream};
use windlass_domain::id::RunId;
use windlass_domain::item::ItemEvent;
use windlass_domain::run::event::RunEvent;
use windlass_domain::workspace::WorkspaceEvent;

use super::batch::{Batch, BatchFault};
use super::draft::DraftedRun;
use crate::keys;
use crate::record;

impl Batch<'_> {
    pub(super) fn project(&mut self, event: &Event) -> Result<(), BatchFault> {
        match (&event.data, &event.stream) {
            (EventData::Run(data), Stream::Run { run_id }) => self.project_run(*run_id, data),
            (EventData::Item(ItemEvent::Created { .. }), _) => {
                self.head.items += 1;
                Ok(())
            }
            (EventData::Workspace(WorkspaceEvent::Registered(workspace)), _) => {
                let (tables, id) = (self.inner.tables, workspace.workspace_id.as_bytes());
                tables.workspaces.put(&mut self.txn, id, &record::encode(workspace)?)?;
                tables.common_dirs.put(&mut self.txn, &keys::text(&workspace.common_dir), id)?;
                self.head.workspaces += 1;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn project_run(&mut self, run_id: RunId, event: &RunEvent) -> Result<(), BatchFault> {
        let (tables, txn) = (self.inner.tables, &mut self.txn);
        match event {
            RunEvent::Submitted { request, admission } => {
                self.head.runs += 1;
                if let Some(key) = &request.trigger.dedupe_key {
                    let deduped = Deduped { run_id, request_digest: admission.request_digest };
                    tables.dedupe.put(txn, &keys::text(key), &record::encode(&deduped)?)?;
                }
                if let Some(before) = request.continues {
                    tables.continued.put(txn, before.as_bytes(), run_id.as_bytes())?;
                }
                let active = keys::active(request.workspace_id, &request.work_item_id, request.kind);
                tables.active.put(txn, &active, run_id.as_bytes())?;
            }
            RunEvent::ArtifactStored(artifact) => {
                let key = keys::artifact(run_id, &artifact.path);
                tables.artifacts.put(txn, &key, &record::encode(artifact)?)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Moves a run in the indexes to where its status belongs, and its question into or out of the open ones.
    pub(super) fn place_run(&mut self, drafted: &DraftedRun) -> Result<(), BatchFault> {
        self.place_question(drafted)?;
        let (tables, txn) = (self.inner.tables, &mut self.txn);
        let (run, submitted) = (&drafted.row.run, drafted.row.submitted);
        let status = run.status();
        if drafted.status_before == Some(status) {
            return Ok(());
        }
        if let Some(before) = drafted.status_before {
            for key in keys::run_index(&run.request, submitted, before) {
                tables.run_index.delete(txn, &key)?;
            }
        }
        for key in keys::run_index(&run.request, submitted, status) {
            tables.run_index.put(txn, &key, run.run_id.as_bytes())?;
        }
        if !status.is_active() {
            let request = &run.request;
            let active = keys::active(request.workspace_id, &request.work_item_id, request.kind);
            tables.active.delete(txn, &active)?;
        }
        Ok(())
    }

    fn place_question(&mut self, drafted: &DraftedRun) -> Result<(), BatchFault> {
        let (table, run) = (self.inner.tables.approvals, &drafted.row.run);
        let waiting = run.waiting().map(|question| question.approval_id);
        if drafted.waiting_before == waiting {
            return Ok(());
        }
        if let Some(before) = drafted.waiting_before {
            table.delete(&mut self.txn, before.as_bytes())?;
        }
        if let Some(open) = waiting {
            let asking = keys::asking(run.request.workspace_id, run.run_id);
            table.put(&mut self.txn, open.as_bytes(), &asking)?;
        }
        Ok(())
    }
}
