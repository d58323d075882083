//! Commands to a run, and what its end does to its item.

use windlass_domain::admission::hold_for;
use windlass_domain::digest::Digest;
use windlass_domain::event::EventData;
use windlass_domain::id::RunId;
use windlass_domain::item::{ItemCommand, ItemEvent};
use windlass_domain::run;
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::StepResult;

use super::Written;
use super::draft::Draft;
use crate::blob::{self, StagedBlob};
use crate::error::WriteError;

impl Draft<'_> {
    pub(super) fn command_run(
        &mut self,
        run_id: RunId,
        commands: Vec<RunCommand>,
        blobs: Vec<StagedBlob>,
    ) -> Result<Written, WriteError> {
        let mode = self.known_run(run_id)?.row.run.request.capture_mode;
        if let Some(blob) = blobs.iter().find(|blob| !mode.keeps(blob.class())) {
            return Err(WriteError::CaptureForbids { class: blob.class(), mode });
        }
        for command in commands {
            self.obey(run_id, command)?;
        }
        self.take_blobs(blobs)?;
        if !self.known_run(run_id)?.row.run.status().is_active() {
            self.return_from_hold(run_id)?;
        }
        Ok(Written::Run { events: Vec::new() })
    }

    /// Drafts what a command does to a run.
    pub(super) fn obey(&mut self, run_id: RunId, command: RunCommand) -> Result<(), WriteError> {
        let attempt = match &command {
            RunCommand::Act { epoch, .. } | RunCommand::StartAttempt { epoch, .. } => Some(*epoch),
            RunCommand::RequestCancel(_) | RunCommand::AnswerApproval { .. } => None,
        };
        let events = run::decide(&self.known_run(run_id)?.row.run, command)?;
        events.into_iter().try_for_each(|event| self.run_event(run_id, attempt, event))
    }

    fn return_from_hold(&mut self, run_id: RunId) -> Result<(), WriteError> {
        let request = &self.known_run(run_id)?.row.run.request;
        let (workspace_id, id, kind) = (request.workspace_id, request.work_item_id.clone(), request.kind);
        let item = self.known_item(workspace_id, &id)?;
        self.change_item(item, ItemCommand::ReturnFromHold { run_id, hold: hold_for(kind) })
    }

    /// Every blob that a drafted event names must be stored, with the size that the event states; those that came with
    /// the entry are kept.
    fn take_blobs(&mut self, blobs: Vec<StagedBlob>) -> Result<(), WriteError> {
        let named: Vec<_> = self.plan.events.iter().filter_map(|event| named_blob(&event.data)).collect();
        let view = self.view();
        for (digest, bytes) in &named {
            let staged = blobs.iter().find(|blob| blob.digest() == *digest && blob.inline().is_some());
            let stored = match staged {
                Some(staged) => Some(staged.bytes()),
                None => blob::size(view.folder, view.tables, view.txn, *digest)?,
            };
            if stored.is_none() || bytes.is_some_and(|bytes| stored != Some(bytes)) {
                return Err(WriteError::BlobMissing { digest: *digest, bytes: bytes.unwrap_or(0) });
            }
        }
        let kept = blobs.into_iter().filter(|blob| named.iter().any(|(digest, _)| *digest == blob.digest()));
        self.plan.blobs.extend(kept.filter_map(StagedBlob::into_inline));
        Ok(())
    }
}

/// The blob that an event names, with its size where the event states it.
pub(crate) fn named_blob(event: &EventData) -> Option<(Digest, Option<u64>)> {
    match event {
        EventData::Run(RunEvent::StepFinished { result: StepResult::Stored { digest, bytes }, .. }) => {
            Some((*digest, Some(*bytes)))
        }
        EventData::Run(RunEvent::ArtifactStored(artifact)) => Some((artifact.digest, Some(artifact.bytes))),
        EventData::Item(ItemEvent::ContextAnswered { digest, .. }) => Some((*digest, None)),
        EventData::Item(ItemEvent::Created { item }) => item.context.map(|digest| (digest, None)),
        EventData::Run(_) | EventData::Item(_) | EventData::Workspace(_) => None,
    }
}
