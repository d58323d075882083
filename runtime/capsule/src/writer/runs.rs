//! Commands to a run, and what its end does to its item.

use windlass_domain::admission::hold_for;
use windlass_domain::digest::Digest;
use windlass_domain::event::EventData;
use windlass_domain::id::RunId;
use windlass_domain::item::{ItemCommand, ItemEvent};
use windlass_domain::projection::Projection;
use windlass_domain::run;
use windlass_domain::run::command::RunCommand;
use windlass_domain::run::event::RunEvent;
use windlass_domain::run::step::StepResult;
use windlass_failpoint::{Breakage, breaks};

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

    /// Commands that end a run. What was projected of it is noted on its item, where its end already returned the item.
    pub(super) fn end_run(
        &mut self,
        run_id: RunId,
        commands: Vec<RunCommand>,
        blobs: Vec<StagedBlob>,
        projection: Projection,
    ) -> Result<Written, WriteError> {
        let written = self.command_run(run_id, commands, blobs)?;
        let run = &self.known_run(run_id)?.row.run;
        if run.status().is_active() {
            return Err(WriteError::NotEnded { run_id });
        }
        let (workspace_id, id) = (run.request.workspace_id, run.request.work_item_id.clone());
        let item = self.known_item(workspace_id, &id)?;
        self.change_item(item, ItemCommand::NoteProjection { run_id, projection })?;
        Ok(written)
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
    pub(super) fn take_blobs(&mut self, staged: Vec<StagedBlob>) -> Result<(), WriteError> {
        let named: Vec<_> = self.plan.events.iter().flat_map(|event| named_blobs(&event.data)).collect();
        let of_entry = staged.into_iter().filter_map(StagedBlob::into_inline);
        let kept = of_entry.filter(|(digest, _)| named.iter().any(|blob| blob.digest == *digest));
        self.plan.blobs.extend(kept);
        if breaks(Breakage::BlobAfterEvent) {
            return Ok(());
        }
        let view = self.view();
        for NamedBlob { digest, bytes } in named {
            let stored = match self.plan.blobs.iter().find(|(kept, _)| *kept == digest) {
                Some((_, bytes)) => Some(bytes.len() as u64),
                None => blob::size(view.folder, view.tables, view.txn, digest)?,
            };
            if stored.is_none() || bytes.is_some_and(|bytes| stored != Some(bytes)) {
                return Err(WriteError::BlobMissing { digest, bytes: bytes.unwrap_or(0) });
            }
        }
        Ok(())
    }
}

/// A blob as an event names it.
pub(crate) struct NamedBlob {
    pub(crate) digest: Digest,
    /// Its size, where the event states it.
    pub(crate) bytes: Option<u64>,
}

/// The blobs that an event names.
pub(crate) fn named_blobs(event: &EventData) -> impl Iterator<Item = NamedBlob> + use<> {
    let sized = |digest, bytes| [Some(NamedBlob { digest, bytes: Some(bytes) }), None];
    let digest_only = |digest| Some(NamedBlob { digest, bytes: None });
    let named = match event {
        EventData::Run(RunEvent::StepFinished { result: StepResult::Stored { digest, bytes }, .. }) => {
            sized(*digest, *bytes)
        }
        EventData::Run(RunEvent::ArtifactStored(artifact)) => sized(artifact.digest, artifact.bytes),
        EventData::Run(RunEvent::Submitted { admission, .. }) => {
            [digest_only(admission.policy_digest), digest_only(admission.context_digest)]
        }
        EventData::Item(ItemEvent::ContextAnswered { digest, .. }) => [digest_only(*digest), None],
        EventData::Item(ItemEvent::Created { item }) => [item.context.and_then(digest_only), None],
        EventData::Run(_) | EventData::Item(_) | EventData::Workspace(_) => [None, None],
    };
    named.into_iter().flatten()
}
